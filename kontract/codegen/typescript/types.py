"""TypeScript's types from JSON Schema."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kontract.codegen.schemas import Schema
from kontract.codegen.typescript.comments import comment_on
from kontract.codegen.typescript.reading import (
    SAFE_INTEGER,
    find_conversion,
    find_members,
    find_reference,
    find_rest,
    find_values,
    is_closed,
    list_properties,
)

_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_CONVERTED: Final = {"date": "Date", "bytes": "Uint8Array", "bigint": "bigint"}
_TEXTS: Final = {
    "date": "ISODate",
    "time": "ISOTime",
    "duration": "ISODuration",
    "uuid": "UUID",
    "decimal": "Decimal",
}
_PLAIN: Final = {"boolean": "boolean", "null": "null", "number": "number", "integer": "number"}
_ANYTHING: Final = "[name: string]: unknown"
_INDENT: Final = "  "


class Types:
    """The types in one client; ``names`` are those of the definitions in TypeScript."""

    def __init__(self, definitions: Mapping[str, Schema], names: Mapping[str, str]) -> None:
        self._definitions = definitions
        self._names = names

    def render(self, schema: Schema) -> str:
        """Return the type of a value."""
        return " | ".join(self._list_alternatives(schema))

    def render_properties(self, schema: Schema) -> str:
        """Return the lines of an interface: each property with its comment, then that there may be others."""
        lines = [
            f"{comment_on(own, _INDENT)}{_INDENT}{self._render_property(name, own, is_required)};\n"
            for name, own, is_required in list_properties(schema)
        ]
        if find_rest(schema) is not None:  # their type would have to fit the properties above, too
            lines.append(f"{_INDENT}{_ANYTHING};\n")
        return "".join(lines)

    def _render_property(self, name: str, schema: Schema, is_required: bool) -> str:
        alternatives = self._list_alternatives(schema)
        if is_required:
            return f"{render_name(name)}: {' | '.join(alternatives)}"
        return f"{render_name(name)}?: {' | '.join(_unite([*alternatives, 'undefined']))}"

    def _list_alternatives(self, schema: Schema) -> list[str]:
        """Return the types of which a value has one, each once."""
        if (reference := find_reference(schema)) is not None:
            return [self._names[reference]]
        if (values := find_values(schema)) is not None:
            return [render_literal(value) for value in values]
        if (tags := schema.get("discriminator")) is not None:
            return [self._render_tagged(member, tags) for member in schema["oneOf"]]
        if (members := find_members(schema)) is not None:
            return _unite(text for member in members for text in self._list_alternatives(member))
        return [self._render_single(schema)]

    def _render_tagged(self, member: Schema, tags: Schema) -> str:
        """Return a type of a union that is told apart by a tag, which has to be there even where it has a default."""
        reference, name = find_reference(member), tags["propertyName"]
        if reference is None or name in self._definitions[reference].get("required", ()):
            return self._group(member)
        values = find_values(self._definitions[reference]["properties"][name]) or []
        return f"({self._names[reference]} & {{ {render_name(name)}: {' | '.join(map(render_literal, values))} }})"

    def _group(self, schema: Schema) -> str:
        """Return a type that stands as a whole, whatever follows it."""
        alternatives = self._list_alternatives(schema)
        return f"({' | '.join(alternatives)})" if len(alternatives) > 1 else alternatives[0]

    def _render_single(self, schema: Schema) -> str:
        kind = schema.get("type")
        if (conversion := find_conversion(schema)) is not None:
            return _CONVERTED[conversion]
        if kind == "string":
            return _TEXTS.get(schema.get("format", ""), "string")
        if kind == "array":
            return self._render_list(schema)
        return self._render_object(schema) if kind == "object" else _PLAIN.get(str(kind), "unknown")

    def _render_list(self, schema: Schema) -> str:
        items = [] if is_closed(schema) else [f"{self._group(schema.get('items', {}))}[]"]
        if "prefixItems" not in schema:
            return items[0]
        head = [self.render(item) for item in schema["prefixItems"]]
        return f"[{', '.join([*head, *(f'...{text}' for text in items)])}]"

    def _render_object(self, schema: Schema) -> str:
        properties = [self._render_property(*own) for own in list_properties(schema)]
        rest = find_rest(schema)
        if properties:
            return f"{{ {'; '.join([*properties, *([] if rest is None else [_ANYTHING])])} }}"
        if rest is None:
            return "{ [name: string]: never }"
        if (keys := self._find_keys(schema)) is not None:
            return f"{{ [$Key in {keys}]?: {' | '.join(_unite([*self._list_alternatives(rest), 'undefined']))} }}"
        return f"{{ [name: string]: {self.render(rest)} }}"

    def _find_keys(self, schema: Schema) -> str | None:
        """Return the type of a dictionary's keys where they are a few known ones."""
        keys = schema.get("propertyNames", {})
        return self.render(keys) if find_reference(keys) is not None or find_values(keys) is not None else None


def _unite(alternatives: Iterable[str]) -> list[str]:
    found = list(dict.fromkeys(alternatives))
    return ["unknown"] if "unknown" in found else found


def render_literal(value: Any) -> str:
    """Return one value, as a type or an expression."""
    is_wide = isinstance(value, int) and abs(value) > SAFE_INTEGER
    return f"{value}n" if is_wide else json.dumps(value, ensure_ascii=False)


def render_name(name: str) -> str:
    """Return the name of a property, quoted where it has to be."""
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name, ensure_ascii=False)
