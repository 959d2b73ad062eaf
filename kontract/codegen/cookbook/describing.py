"""What schemas say, in words for people."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from kontract.codegen.schemas import PREFIX, Schema

_FORMATS: Final = {"date-time": "date-time", "decimal": "decimal", "date": "date", "time": "time", "uuid": "uuid"}
_FORMATS_MORE: Final = {"duration": "duration", "email": "email", "uri": "url", "binary": "file"}
_BOUNDS: Final = {"minimum": "≥", "maximum": "≤", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}
_COUNTED: Final = {"Length": "character", "Items": "item", "Properties": "entry"}


class Piece(NamedTuple):
    """A part of a type's text; with ``definition`` it names that type."""

    text: str
    definition: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A parameter, a property or a member of an error, for a line of a table.

    ``default`` is written as JSON, None where there is none; ``limits`` are short phrases.
    """

    name: str
    type: tuple[Piece, ...]
    required: bool
    default: str | None
    limits: tuple[str, ...]
    doc: str


def list_fields(schema: Schema) -> list[Field]:
    """Return the properties of an object schema."""
    required = schema.get("required", ())
    return [_make_field(name, own, name in required) for name, own in schema.get("properties", {}).items()]


def _make_field(name: str, schema: Schema, required: bool) -> Field:
    return Field(
        name=name,
        type=tuple(describe(schema)),
        required=required,
        default=json.dumps(schema["default"], ensure_ascii=False) if "default" in schema else None,
        limits=tuple(list_limits(schema)),
        doc=schema.get("description", ""),
    )


def write_type(pieces: Iterable[Piece]) -> str:
    """Return a type as plain text."""
    return "".join(piece.text for piece in pieces)


def describe(schema: Schema) -> list[Piece]:
    """Return the type of a value: ``string``, ``Country[]``, ``"red" | "green"``, ``{ [key]: integer }``."""
    alternatives = list(_list_alternatives(schema))
    unique = [pieces for n, pieces in enumerate(alternatives) if pieces not in alternatives[:n]]
    return _join(unique, " | ")


def _list_alternatives(schema: Schema) -> Iterator[list[Piece]]:
    if (reference := schema.get("$ref")) is not None:
        name = reference.removeprefix(PREFIX)
        yield [Piece(name, name)]
    elif "const" in schema or "enum" in schema:
        values = [schema["const"]] if "const" in schema else schema["enum"]
        yield from ([Piece(json.dumps(value, ensure_ascii=False))] for value in values)
    elif members := find_members(schema):
        for member in members:
            yield from _list_alternatives(member)
    else:
        yield _describe_single(schema)


def find_members(schema: Schema) -> list[Schema]:
    """Return the schemas of which a value fits one, or all; none where a schema is neither a union nor a sum."""
    if isinstance(kinds := schema.get("type"), list):
        return [{**schema, "type": kind} for kind in kinds]
    members: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf") or []
    return members


def _describe_single(schema: Schema) -> list[Piece]:
    kind = schema.get("type")
    if kind == "string":
        return [Piece(_name_text(schema))]
    if kind == "array":
        return _describe_list(schema)
    if kind == "object":
        return _describe_object(schema)
    return [Piece(str(kind) if kind is not None else schema.get("x-kontract-type", "any"))]


def _name_text(schema: Schema) -> str:
    if schema.get("contentEncoding") in ("base64", "base64url"):
        return "base64"
    return (_FORMATS | _FORMATS_MORE).get(schema.get("format", ""), "string")


def _describe_list(schema: Schema) -> list[Piece]:
    if (head := schema.get("prefixItems")) is not None:
        return [Piece("["), *_join([describe(item) for item in head], ", "), Piece("]")]
    item = describe(schema.get("items", {}))
    is_union = any(piece.text == " | " for piece in item)
    return [Piece("("), *item, Piece(")[]")] if is_union else [*item, Piece("[]")]


def _describe_object(schema: Schema) -> list[Piece]:
    if properties := schema.get("properties"):
        required = schema.get("required", ())
        members = [
            [Piece(f"{name}{'' if name in required else '?'}: "), *describe(own)] for name, own in properties.items()
        ]
        return [Piece("{ "), *_join(members, ", "), Piece(" }")]
    values = schema.get("additionalProperties", True)
    if not isinstance(values, Mapping):
        return [Piece("object")]
    keys = describe({"type": "string", **schema.get("propertyNames", {})})
    return [Piece("{ ["), *keys, Piece("]: "), *describe(values), Piece(" }")]


def _join(parts: Iterable[list[Piece]], separator: str) -> list[Piece]:
    found: list[Piece] = []
    for part in parts:
        found += [*([Piece(separator)] if found else []), *part]
    return found


def list_limits(schema: Schema) -> Iterator[str]:
    """Yield what a value has to keep to, besides its type."""
    for key, sign in _BOUNDS.items():
        if key in schema:
            yield f"{sign} {schema[key]}"
    if "multipleOf" in schema:
        yield f"multiple of {schema['multipleOf']}"
    for key, noun in _COUNTED.items():
        yield from _count(schema.get(f"min{key}"), schema.get(f"max{key}"), noun, schema)
    if "pattern" in schema and schema.get("format") != "decimal":
        yield f"matches {schema['pattern']}"
    if schema.get("uniqueItems"):
        yield "no item twice"
    if schema.get("deprecated"):
        yield "deprecated"
    members = [member for member in find_members(schema) if member.get("type") != "null"]
    if len(members) == 1 and not isinstance(schema.get("type"), list):
        yield from list_limits(members[0])


def _count(least: int | None, most: int | None, noun: str, schema: Schema) -> Iterator[str]:
    if "prefixItems" in schema or (least is None and most is None):
        return
    plural = "entries" if noun == "entry" else f"{noun}s"
    if least == most:
        yield f"{least} {noun if least == 1 else plural}"
    elif most is None:
        yield f"at least {least} {noun if least == 1 else plural}"
    else:
        yield f"{least} to {most} {plural}" if least is not None else f"at most {most} {noun if most == 1 else plural}"


def is_object(schema: Mapping[str, Any]) -> bool:
    """Tell whether a definition has properties of its own to list."""
    return bool(schema.get("properties"))
