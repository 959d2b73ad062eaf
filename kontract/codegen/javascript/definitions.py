"""The named types that procedures share: as comments, since JavaScript has none."""

from kontract.codegen.javascript.members import can_be_listed, list_members
from kontract.codegen.schemas import Schema
from kontract.codegen.typescript.comments import render_comment
from kontract.codegen.typescript.definitions import is_interface
from kontract.codegen.typescript.reading import find_values
from kontract.codegen.typescript.types import Types, render_literal


def render_definition(name: str, schema: Schema, types: Types) -> str:
    """Return one definition, called ``name``: a comment, and of an enumeration its values."""
    doc, members, values = schema.get("description", ""), schema.get("x-enum-varnames"), find_values(schema)
    if members is not None and values is not None:
        pairs = ", ".join(f"{member}: {render_literal(value)}" for member, value in zip(members, values, strict=True))
        comment = render_comment(doc, [f"@enum {{{types.render(schema)}}}"])
        return f"{comment}export const {name} = {{ {pairs} }};"
    return render_comment(doc, list_tags(name, schema, types))


def list_tags(name: str, schema: Schema, types: Types) -> list[str]:
    """Return the tags that define a type."""
    if is_interface(schema) and can_be_listed(schema):
        return [f"@typedef {{object}} {name}", *list_members(schema, types, "property")]
    return [f"@typedef {{{types.render(schema)}}} {name}"]
