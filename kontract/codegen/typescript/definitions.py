"""The named types that procedures share."""

from collections.abc import Sequence
from typing import Any

from kontract.codegen.schemas import Schema
from kontract.codegen.typescript.comments import render_comment
from kontract.codegen.typescript.reading import find_members, find_reference, find_values
from kontract.codegen.typescript.types import Types, render_literal


def render_definition(name: str, schema: Schema, types: Types) -> str:
    """Return one definition, called ``name``, with its comment."""
    comment = render_comment(schema.get("description", ""))
    members, values = schema.get("x-enum-varnames"), find_values(schema)
    if members is not None and values is not None:
        return f"{comment}{_render_enumeration(name, members, values)}"
    if is_interface(schema):
        return f"{comment}{render_interface(name, schema, types)}"
    return f"{comment}export type {name} = {types.render(schema)};"


def is_interface(schema: Schema) -> bool:
    """Tell whether a schema is that of an object with known properties."""
    is_plain = find_reference(schema) is None and find_members(schema) is None
    return is_plain and schema.get("type") == "object" and bool(schema.get("properties"))


def render_interface(name: str, schema: Schema, types: Types) -> str:
    """Return an object's type, with one property a line."""
    return f"export interface {name} {{\n{types.render_properties(schema)}}}"


def _render_enumeration(name: str, members: Sequence[str], values: Sequence[Any]) -> str:
    """Return the values by name, and the type of each; what TypeScript calls an enum is not erasable."""
    pairs = ", ".join(f"{member}: {render_literal(value)}" for member, value in zip(members, values, strict=True))
    return f"export const {name} = {{ {pairs} }} as const;\nexport type {name} = (typeof {name})[keyof typeof {name}];"
