"""Values that fit a schema, for examples."""

import re
from collections.abc import Mapping
from typing import Any, Final

from kontract.codegen.cookbook.describing import find_members
from kontract.codegen.cookbook.patterns import sample_pattern
from kontract.codegen.schemas import PREFIX, Schema

_TEXTS: Final = {
    "date": "2030-01-31",
    "date-time": "2030-01-31T12:00:00Z",
    "time": "12:00:00",
    "duration": "PT1H",
    "uuid": "0190a8c4-5be0-7cc4-8a6b-0ff1c0a0a0a0",
    "decimal": "9.90",
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "json-string": "{}",
}
_TEXT: Final = "text"


class Sampler:
    """Makes values, by the ``definitions`` that schemas refer to; ``full``: with what may be left out, too."""

    def __init__(self, definitions: Mapping[str, Schema], *, full: bool = False) -> None:
        self._definitions = definitions
        self._full = full
        self._inside: list[str] = []  # the definitions that the value is in, from the outside in

    def sample(self, schema: Schema) -> Any:
        """Return a value."""
        if "default" in schema and not self._full:
            return schema["default"]
        if examples := schema.get("examples"):
            return examples[0]
        if "const" in schema or "enum" in schema:
            return schema["const"] if "const" in schema else schema["enum"][0]
        if (reference := schema.get("$ref")) is not None:
            return self._follow(reference.removeprefix(PREFIX))
        if members := find_members(schema):
            return self._choose(schema, members)
        return self._make(schema)

    def _follow(self, name: str) -> Any:
        self._inside.append(name)
        value = self.sample(self._definitions[name])
        self._inside.pop()
        return value

    def _choose(self, schema: Schema, members: list[Schema]) -> Any:
        """Return a value of the first alternative that is not null and leads out of what it is in."""
        rest = [member for member in members if member.get("type") != "null"]
        outside = [member for member in rest if not self._is_inside(member)]
        null = [member for member in members if member.get("type") == "null"]
        chosen = (outside or null or rest)[0]
        value = self.sample(chosen)
        tag = schema.get("discriminator", {}).get("propertyName")
        if tag is not None and isinstance(value, dict) and tag not in value:
            properties = self._definitions[chosen["$ref"].removeprefix(PREFIX)]["properties"]
            tagged = {**value, tag: self.sample(properties[tag])}
            value = {name: tagged[name] for name in properties if name in tagged}
        return value

    def _is_inside(self, schema: Schema) -> bool:
        return schema.get("$ref", "").removeprefix(PREFIX) in self._inside

    def _make(self, schema: Schema) -> Any:
        kind = schema.get("type")
        if kind == "string":
            return sample_text(schema)
        if kind in ("integer", "number"):
            return sample_number(schema)
        if kind == "array":
            return self._make_list(schema)
        return self._make_object(schema) if kind == "object" else {"boolean": True, "null": None}.get(str(kind), {})

    def _make_list(self, schema: Schema) -> list[Any]:
        if (head := schema.get("prefixItems")) is not None:
            return [self.sample(item) for item in head]
        item, most = schema.get("items", {}), schema.get("maxItems", 1)
        least = schema.get("minItems", 0)
        if most == 0 or (least == 0 and (not item or self._is_inside(item) or self._leads_back(item))):
            return []
        return [self.sample(item)] * max(least, 1)

    def _leads_back(self, schema: Schema) -> bool:
        members = find_members(schema)
        return bool(members) and all(self._is_inside(member) for member in members)

    def _make_object(self, schema: Schema) -> dict[str, Any]:
        required = schema.get("required", ())
        values = {
            name: self.sample(own)
            for name, own in schema.get("properties", {}).items()
            if name in required or (self._full and not self._is_inside(own))
        }
        rest = schema.get("additionalProperties")
        if not schema.get("properties") and isinstance(rest, Mapping) and self._full:
            values[str(self.sample({"type": "string", **schema.get("propertyNames", {})}))] = self.sample(rest)
        return values


def sample_text(schema: Schema) -> str:
    """Return a text of the schema's format, pattern and length."""
    if schema.get("contentEncoding") in ("base64", "base64url"):
        return "aGVsbG8="
    if (known := _TEXTS.get(schema.get("format", ""))) is not None:
        return known
    least: int = schema.get("minLength", 0)
    most: int = schema.get("maxLength", len(_TEXT))
    if (pattern := schema.get("pattern")) is not None and (found := sample_pattern(pattern, least)) is not None:
        return found
    return (_TEXT * (least // len(_TEXT) + 1))[: max(least, min(most, len(_TEXT)))]


def sample_number(schema: Schema) -> int | float:
    """Return a number within the schema's bounds, 1 where it may be."""
    step = schema.get("multipleOf") or 1
    low = schema["exclusiveMinimum"] + step if "exclusiveMinimum" in schema else schema.get("minimum")
    high = schema["exclusiveMaximum"] - step if "exclusiveMaximum" in schema else schema.get("maximum")
    value = step
    if high is not None and value > high:
        value = high // step * step
    if low is not None and value < low:
        value = -(-low // step) * step
    return int(value) if schema.get("type") == "integer" else _simplify(value)


def _simplify(value: float) -> int | float:
    return int(value) if isinstance(value, float) and re.fullmatch(r"-?[0-9]+\.0", str(value)) else value
