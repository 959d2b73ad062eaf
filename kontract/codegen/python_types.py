"""Annotations of Python from JSON Schemas."""

import builtins
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kontract.codegen.auth import find_auth
from kontract.codegen.manifest import ErrorEntry, Manifest
from kontract.codegen.python_names import name_all, write_value
from kontract.codegen.schemas import PREFIX, Schema

# The generated module imports everything under names that no type of the project has.
_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_FORMATS = {
    "date": "_datetime.date",
    "date-time": "_datetime.datetime",
    "decimal": "_decimal.Decimal",
    "duration": "_datetime.timedelta",
    "time": "_datetime.time",
    "uuid": "_uuid.UUID",
}
# What says nothing of a value's type.
_WITHOUT_TYPE = frozenset(
    [
        *("default", "description", "required", "title"),
        *(
            "exclusiveMaximum",
            "exclusiveMinimum",
            "maximum",
            "maxLength",
            "minimum",
            "minLength",
            "multipleOf",
            "pattern",
        ),
    ]
)
API = frozenset({"AsyncClient", "Client"})
_AUTH_API = frozenset({"AsyncAuth", "Auth"})


class Types:
    """Writes annotations; ``names`` are the classes of the definitions, ``errors`` those of declared errors.

    ``api`` has the names of the clients' own classes.

    A type that is sent with fewer fields than it comes with is one class for both.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.definitions = manifest.definitions
        self.alike = find_alike(manifest)
        own = [name for name in manifest.definitions if name not in self.alike]
        self.api = API | _AUTH_API if find_auth(manifest) else API
        own_names = name_all(own, self.api | set(dir(builtins)))
        self.names = {name: own_names[self.alike.get(name, name)] for name in manifest.definitions}
        self.errors = _name_errors(manifest.errors, {*self.names.values(), *self.api})

    def write(self, schema: Schema) -> str:
        """Return the annotation for a schema."""
        if (reference := schema.get("$ref")) is not None:
            return self.names[reference.removeprefix(PREFIX)]
        if "const" in schema or "enum" in schema:
            return write_literal([schema["const"]] if "const" in schema else schema["enum"])
        for key in ("anyOf", "oneOf", "allOf"):
            if key in schema and (key != "allOf" or len(schema[key]) == 1):
                return write_union(self.write(member) for member in schema[key])
        kind = schema.get("type")
        if isinstance(kind, list):
            return write_union(self.write({**schema, "type": one}) for one in kind)
        if kind == "array":
            return self._write_array(schema)
        if kind == "object":
            return self._write_dict(schema)
        if kind == "string":
            return "bytes" if "contentEncoding" in schema else _FORMATS.get(schema.get("format", ""), "str")
        return _SCALARS.get(str(kind), "_typing.Any")

    def _write_array(self, schema: Schema) -> str:
        if "prefixItems" in schema:
            if schema.get("maxItems") != len(schema["prefixItems"]):
                return "list[_typing.Any]"
            return f"tuple[{', '.join(map(self.write, schema['prefixItems']))}]"
        if schema.get("maxItems") == 0:
            return "tuple[()]"
        item = schema.get("items", {})
        if schema.get("uniqueItems") and self._is_scalar(item):
            return f"set[{self.write(item)}]"
        return f"list[{self.write(item)}]"

    def _is_scalar(self, schema: Schema) -> bool:
        if "$ref" in schema:
            return "enum" in self.definitions[schema["$ref"].removeprefix(PREFIX)]
        return schema.get("type") in _SCALARS or "const" in schema or "enum" in schema

    def _write_dict(self, schema: Schema) -> str:
        values = schema.get("additionalProperties")
        key = self.write({"type": "string", **schema.get("propertyNames", {})})
        return f"dict[{key}, {self.write(values) if isinstance(values, Mapping) else '_typing.Any'}]"


def _name_errors(errors: Sequence[ErrorEntry], taken: set[str]) -> dict[tuple[str, str], str]:
    """Return the class of each error: its own name, or where that is not its alone, one made of its code."""
    often = Counter([*(error.name for error in errors), *taken])
    spelled = {error.key: "".join(word[:1].upper() + word[1:] for word in error.code.split("_")) for error in errors}
    wanted = {error.key: error.name if often[error.name] == 1 else spelled[error.key] for error in errors}
    found: dict[tuple[str, str], str] = {}
    for key, text in wanted.items():
        (found[key],) = name_all([text], {*taken, *found.values()}).values()
    return found


def find_alike(manifest: Manifest) -> dict[str, str]:
    """Return the inputs that differ from their outputs in nothing but which fields are required, and in limits.

    Beginning with all of them, and with what versioned models are read as, those that differ otherwise are left out
    until none is left to be.
    """
    by_name = {f"{name}Input": name for name in manifest.definitions if f"{name}Input" in manifest.definitions}
    alike = by_name | dict(manifest.inputs)
    while True:
        found = {
            name: like
            for name, like in alike.items()
            if _relax(manifest.definitions[name], alike) == _relax(manifest.definitions[like], alike)
        }
        if found == alike:
            return found
        alike = found


def _relax(schema: Any, alike: Mapping[str, str]) -> Any:
    if isinstance(schema, Mapping):
        relaxed = {key: _relax(value, alike) for key, value in schema.items() if key not in _WITHOUT_TYPE}
        fields: Mapping[str, Any] = schema.get("properties", {})  # which may have any name
        return relaxed | {"properties": {name: _relax(field, alike) for name, field in fields.items()}}
    if isinstance(schema, list):
        return [_relax(item, alike) for item in schema]
    if isinstance(schema, str) and schema.startswith(PREFIX):
        name = schema.removeprefix(PREFIX)
        return PREFIX + alike.get(name, name)
    return schema


def write_union(members: Iterable[str]) -> str:
    """Return an annotation of any of several types, None last."""
    found = dict.fromkeys(members)
    if "_typing.Any" in found:
        return "_typing.Any"
    ordered = sorted(found, key=lambda member: member == "None")
    return " | ".join(ordered) or "_typing.Any"


def write_literal(values: Iterable[Any]) -> str:
    """Return an annotation of some values; ``Any`` where a number with a fraction, or more, is one of them."""
    values = list(values)
    if not all(value is None or isinstance(value, (bool, int, str)) for value in values):
        return "_typing.Any"
    return "None" if values == [None] else f"_typing.Literal[{', '.join(map(write_value, values))}]"
