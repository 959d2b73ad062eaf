"""Where in an answer something has to be converted, as the runtime's ``$Codec``."""

from collections.abc import Iterable, Mapping
from typing import Final

from kontract.codegen.schemas import Schema, find_reachable
from kontract.codegen.typescript.reading import (
    find_conversion,
    find_members,
    find_reference,
    find_rest,
    find_values,
    is_closed,
    list_properties,
)
from kontract.codegen.typescript.types import render_literal, render_name

_ANYTHING: Final = '"any"'
_KINDS: Final = {"integer": "number", "number": "number", "boolean": "boolean", "array": "array", "string": "string"}


class Codecs:
    """The codecs of one client; ``names`` are those of the definitions in TypeScript."""

    def __init__(self, definitions: Mapping[str, Schema], names: Mapping[str, str]) -> None:
        self._definitions = definitions
        self._names = names
        self._needed: set[str] = set()  # the definitions that something is converted in
        while more := {name for name in definitions.keys() - self._needed if self.render(definitions[name])}:
            self._needed |= more

    def render_all(self, answers: Iterable[Schema]) -> dict[str, str]:
        """Return the codecs which those of ``answers`` refer to, as expressions by their names."""
        used = find_reachable(answers, self._definitions) & self._needed
        return {f"{self._names[name]}$": str(self.render(self._definitions[name])) for name in sorted(used)}

    def render(self, schema: Schema) -> str | None:
        """Return the codec of a value, as an expression; None where nothing is converted."""
        if (reference := find_reference(schema)) is not None:
            return f"() => {self._names[reference]}$" if reference in self._needed else None
        if (conversion := find_conversion(schema)) is not None:
            return f'"{conversion}"'
        if find_values(schema) is not None:
            return None
        if (members := find_members(schema)) is not None:
            return self._render_union(self._flatten(members))
        kind = schema.get("type")
        if kind in ("array", "object"):
            return self._render_list(schema) if kind == "array" else self._render_object(schema)
        return None if kind in _KINDS or kind == "null" else _ANYTHING

    def _render_list(self, schema: Schema) -> str | None:
        head = [self.render(item) for item in schema.get("prefixItems", ())]
        items = None if is_closed(schema) else self.render(schema.get("items", {}))
        if not head:
            return items if items in (None, _ANYTHING) else f"{{ list: {items} }}"
        if not any([*head, items]):
            return None
        rest = "" if items is None else f", rest: {items}"
        return f"{{ tuple: [{', '.join(codec or 'undefined' for codec in head)}]{rest} }}"

    def _render_object(self, schema: Schema) -> str | None:
        fields = {name: self.render(own) for name, own, _ in list_properties(schema)}
        further = find_rest(schema)
        rest = None if further is None else self.render(further)
        if not any([*fields.values(), rest]):
            return None
        if rest == _ANYTHING and not fields:
            return rest
        # Where other properties are converted, those that are not have to be told from them.
        told = {name: codec or "undefined" for name, codec in fields.items() if codec or rest}
        own = ", ".join(f"{_render_key(name)}: {codec}" for name, codec in told.items())
        return f"{{ fields: {{{f' {own} ' if own else ''}}}{'' if rest is None else f', rest: {rest}'} }}"

    def _flatten(self, members: Iterable[Schema]) -> list[Schema]:
        """Return the members of a union but null, with those of the unions that it refers to."""
        found: list[Schema] = []
        for member in members:
            inner = find_members(self._resolve(member))
            found += [member] if inner is None else self._flatten(inner)
        return [member for member in found if member.get("type") != "null"]

    def _resolve(self, schema: Schema) -> Schema:
        while (reference := find_reference(schema)) is not None:
            schema = self._definitions[reference]
        return schema

    def _render_union(self, members: list[Schema]) -> str | None:
        codecs = [self.render(member) for member in members]
        if not any(codecs) or _ANYTHING in codecs:
            return _ANYTHING if _ANYTHING in codecs else None
        if len(codecs) == 1:
            return codecs[0]
        branches = [
            f"{{ is: {self._render_shape(member)}{'' if codec is None else f', as: {codec}'} }}"
            for member, codec in sorted(zip(members, codecs, strict=True), key=lambda pair: self._rank(pair[0]))
        ]
        return f"{{ union: [{', '.join(branches)}] }}"

    def _rank(self, member: Schema) -> int:
        """Return when a type of a union is tried: what is told apart most surely comes first.

        Few texts look like a moment, but any text could be base64; and an object may have the properties of another
        type, which has fewer of them.
        """
        if (conversion := find_conversion(member)) is not None:
            return 2 if conversion == "bytes" else 0
        schema = self._resolve(member)
        return -len(schema.get("required", ())) if schema.get("type") == "object" else 1

    def _render_shape(self, member: Schema) -> str:
        schema = self._resolve(member)
        if (values := find_values(schema)) is not None:
            return _render_values(values)
        if (kind := schema["type"]) != "object":
            return f'"{_KINDS[kind]}"'
        has = ", ".join(render_literal(name) for name in schema.get("required", ()))
        known = [(name, find_values(self._resolve(own))) for name, own, _ in list_properties(schema)]
        tags = ", ".join(
            f"{_render_key(name)}: {_render_values(values)}" for name, values in known if values is not None
        )
        return f"{{ has: [{has}]{f', tags: {{ {tags} }}' if tags else ''} }}"


def _render_values(values: Iterable[object]) -> str:
    return f"[{', '.join(map(render_literal, values))}]"


def _render_key(name: str) -> str:
    """Return a key of an object's expression, where a bare ``__proto__`` would be no key."""
    return '["__proto__"]' if name == "__proto__" else render_name(name)
