"""The properties of objects and the parameters of functions, as JSDoc's tags."""

import json
from collections.abc import Iterator

from kontract.codegen.schemas import Schema
from kontract.codegen.typescript.reading import find_rest, list_properties
from kontract.codegen.typescript.types import Types, render_name


def can_be_listed(schema: Schema) -> bool:
    """Tell whether JSDoc has tags for all that an object may have: it knows no other properties, and no odd names."""
    return find_rest(schema) is None and all(render_name(name) == name for name, _, _ in list_properties(schema))


def list_members(schema: Schema, types: Types, tag: str, owner: str = "") -> Iterator[str]:
    """Yield the tag of each property; ``owner`` stands before its name."""
    for name, own, is_required in list_properties(schema):
        place = f"{owner}{name}" if is_required else f"[{owner}{name}{_render_default(own)}]"
        yield f"@{tag} {{{types.render(own)}}} {place}{_comment_on(own)}"


def _render_default(schema: Schema) -> str:
    default = schema.get("default")
    text = "" if default is None else json.dumps(default, ensure_ascii=False)
    return f"={text}" if text and "]" not in text else ""  # a bracket would end the tag's own


def _comment_on(schema: Schema) -> str:
    words = [*str(schema.get("description", "")).split(), *(["(deprecated)"] if schema.get("deprecated") else [])]
    return f" - {' '.join(words)}" if words else ""
