"""JSON Schemas of many pydantic adapters at once, with the named types that they share."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from kontract.rpc.codec import CONFIG

Schema = Mapping[str, Any]
Key = tuple[str, str]
Source = tuple[Key, Literal["validation", "serialization"], "TypeAdapter[Any]"]


class Schemas(NamedTuple):
    """Schemas by the key of their source; named ones, sorted by name; what is read by what is written of its kind."""

    schemas: dict[Key, Schema]
    definitions: dict[str, Schema]
    inputs: dict[str, str]


PREFIX = "#/$defs/"
_DECIMAL = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def build_schemas(sources: Sequence[Source]) -> Schemas:
    """Return the object schema of each source, and the definitions that these refer to.

    A type that reads and writes alike is one definition, ``User``; otherwise what is read is ``UserInput``.
    """
    found, shared = TypeAdapter.json_schemas(sources, schema_generator=_Generator)
    definitions: dict[str, Schema] = shared.get("$defs", {})
    schemas = {key: _inline(schema, definitions) for (key, _), schema in found.items()}
    used = find_reachable(schemas.values(), definitions)
    names = _name(sorted(used))
    return Schemas(
        {key: _rename(schema, names) for key, schema in schemas.items()},
        {names[old]: _rename(definitions[old], names) for old in sorted(used, key=lambda old: names[old])},
        {names[old]: names[like] for old in sorted(used) if (like := old.replace("-Input", "-Output")) in used - {old}},
    )


def _inline(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Return what a reference at the top refers to: arguments and errors need no name."""
    whole = definitions[schema["$ref"].removeprefix(PREFIX)] if "$ref" in schema else schema
    return {key: value for key, value in whole.items() if key != "title"}


def find_reachable(schemas: Iterable[Schema], definitions: Mapping[str, Schema]) -> set[str]:
    """Return the names of the definitions that schemas refer to, themselves or through others."""
    used: set[str] = set()
    waiting = [name for schema in schemas for name in find_references(schema)]
    while waiting:
        if (name := waiting.pop()) not in used:
            used.add(name)
            waiting += find_references(definitions[name])
    return used


def find_references(schema: Any) -> list[str]:
    """Return the names of the definitions that a schema refers to, with repetitions."""
    if isinstance(schema, Mapping):
        reference = schema.get("$ref")
        own = [reference.removeprefix(PREFIX)] if isinstance(reference, str) else []
        return own + [name for value in schema.values() for name in find_references(value)]
    return [name for item in schema for name in find_references(item)] if isinstance(schema, list) else []


def _name(keys: Collection[str]) -> dict[str, str]:
    """Give each definition its class's name, with its module's where several have that."""
    short = {key: _shorten(key) for key in keys}
    often = Counter(short.values())
    names = {key: short[key] if often[short[key]] == 1 else _qualify(key) for key in keys}
    again = Counter(names.values())
    return {key: names[key] if again[names[key]] == 1 else re.sub(r"\W", "_", key) for key in keys}


def _shorten(key: str) -> str:
    """Return the name of a class from what pydantic calls it, such as ``app__types__Page_User_-Input``."""
    path, _, mode = key.partition("-")
    last = re.split("__(?=[A-Za-z])", path)[-1]
    return (_join_words(last) if last.endswith("_") else last) + ("Input" if mode.startswith("Input") else "")


def _qualify(key: str) -> str:
    path, _, mode = key.partition("-")
    return _join_words(path) + ("Input" if mode.startswith("Input") else "")


def _join_words(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def _rename(schema: Any, names: Mapping[str, str]) -> Any:
    if isinstance(schema, Mapping):
        return {key: _rename(value, names) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_rename(item, names) for item in schema]
    if isinstance(schema, str) and schema.startswith(PREFIX):
        name = schema.removeprefix(PREFIX)
        return PREFIX + names.get(name, name)
    return schema


def _open(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Leave out that other keys are refused: it would make two types of most that are read and written."""
    if schema.get("additionalProperties") is False:
        del schema["additionalProperties"]
    return schema


class _Generator(GenerateJsonSchema):
    """Pydantic's schemas, but alike for reading and writing where a client need not know the difference."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}

    def generate_definitions(self, inputs: Any) -> Any:
        """Describe types by the settings of calls, from which pydantic takes out those that are used twice."""
        with self._config_wrapper_stack.push(CONFIG):
            return super().generate_definitions(inputs)

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        """Keep the order of fields, which is the author's."""
        return value

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave out titles that only repeat a field's name."""
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:
        """Tell whether a client must send a field, or can rely on getting it."""
        if self.mode == "validation" or field.get("serialization_exclude_if") is not None:
            return super().field_is_required(field, total)
        return super().field_is_required(field, total) or field["schema"]["type"] == "default"

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        """See _open()."""
        return _open(super().typed_dict_schema(schema))

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        """See _open()."""
        return _open(super().dataclass_schema(schema))

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """Describe a decimal as its text both ways, since a JSON number may lose digits."""
        return {"type": "string", "format": "decimal", "pattern": _DECIMAL}

    def bytes_schema(self, schema: core_schema.BytesSchema) -> JsonSchemaValue:
        """Describe bytes as base64 with the alphabet of URLs, which is what is written; both alphabets are read."""
        if self._config.ser_json_bytes != "base64":  # a model with settings of its own
            return {"type": "string"}
        return {"type": "string", "contentEncoding": "base64url"}

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        """Add the names of an enumeration's members."""
        return super().enum_schema(schema) | {"x-enum-varnames": [member.name for member in schema["members"]]}
