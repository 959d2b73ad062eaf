"""What a JSON Schema says, as far as TypeScript cares."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kontract.codegen.schemas import Schema

SAFE_INTEGER: Final = 2**53 - 1  # the largest of which a JavaScript number tells all neighbours apart

_BYTES: Final = ("base64", "base64url")
_BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def find_reference(schema: Schema) -> str | None:
    """Return the name of the definition that a schema refers to."""
    parts = schema.get("allOf", ())
    reference = parts[0].get("$ref") if len(parts) == 1 else schema.get("$ref")
    return None if reference is None else str(reference).removeprefix("#/$defs/")


def find_values(schema: Schema) -> list[Any] | None:
    """Return the values of an enumeration or literal; None where a schema is neither."""
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return values if values is not None and all(is_scalar(value) for value in values) else None


def is_scalar(value: Any) -> bool:
    """Tell whether TypeScript has a type for this value alone."""
    return value is None or isinstance(value, (bool, int, str))


def find_members(schema: Schema) -> list[Schema] | None:
    """Return the schemas of a union, without unions among them; None where a schema is no union."""
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return [{**schema, "type": kind} for kind in kinds]
    members = schema.get("anyOf") or schema.get("oneOf")
    return None if members is None else [m for member in members for m in find_members(member) or [member]]


def find_conversion(schema: Schema) -> str | None:
    """Return what JSON's text or number becomes: "date", "bytes" or "bigint"; None where it stays as it is."""
    kind = schema.get("type")
    if kind == "string" and schema.get("format") == "date-time":
        return "date"
    if kind == "string" and (schema.get("contentEncoding") in _BYTES or schema.get("format") in _BYTES):
        return "bytes"
    return "bigint" if kind == "integer" and _is_wide(schema) else None


def _is_wide(schema: Schema) -> bool:
    """Tell whether the author expects integers that a number cannot hold: bounds say so, and values do."""
    bounds = [schema[bound] for bound in _BOUNDS if bound in schema]
    return any(abs(value) > SAFE_INTEGER + 1 for value in [*bounds, *(find_values(schema) or ())])


def is_closed(schema: Schema) -> bool:
    """Tell whether a list has no items behind those of its ``prefixItems``."""
    head = schema.get("prefixItems")
    return head is not None and (not schema.get("items", True) or schema.get("maxItems") == len(head))


def find_rest(schema: Schema) -> Schema | None:
    """Return the schema of an object's further properties, whatever they are called; None where it has none."""
    patterns: Mapping[str, Schema] = schema.get("patternProperties", {})
    if patterns:
        return next(iter(patterns.values())) if len(patterns) == 1 else {}
    rest = schema.get("additionalProperties", "properties" not in schema)
    return None if rest is False else {} if rest is True else rest


def list_properties(schema: Schema) -> Iterator[tuple[str, Schema, bool]]:
    """Yield an object's properties: name, schema, and whether it has to be there."""
    required = schema.get("required", ())
    for name, own in schema.get("properties", {}).items():
        yield name, own, name in required
