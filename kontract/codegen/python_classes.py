"""The classes of the Python client: structures, enumerations and errors."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from kontract.codegen.manifest import ErrorEntry, Manifest
from kontract.codegen.python_names import BUILTINS, name_all, write_doc, write_value
from kontract.codegen.python_types import Types
from kontract.codegen.schemas import Schema, find_reachable

_FIELDS = BUILTINS | set(dir(BaseModel))
_MEMBERS = BUILTINS | {"args", "code", "detail", "members", "problem", "read", "retry_after", "status"}
_ENUM_MEMBERS = {"mro", "name", "value", *dir(str), *dir(int)}
_INDENT = " " * 4


def write_definitions(manifest: Manifest, types: Types) -> list[str]:
    """Return the classes of all named types."""
    results = [entry.result for entry in manifest.procedures] + [error.members for error in manifest.errors]
    received = find_reachable(results, manifest.definitions)
    return [
        _write_definition(name, manifest, types, is_received=name in received)
        for name in manifest.definitions
        if name not in types.alike
    ]


def _write_definition(name: str, manifest: Manifest, types: Types, *, is_received: bool) -> str:
    schema, own = manifest.definitions[name], types.names[name]
    if "enum" in schema:
        return _write_enum(own, schema)
    if schema.get("type") != "object" or "properties" not in schema:
        return f"{own} = _typing_extensions.TypeAliasType({write_value(own)}, {write_value(types.write(schema))})\n"
    inputs = [manifest.definitions[given] for given, output in types.alike.items() if output == name]
    required = set(schema.get("required", ()))
    sent = required.intersection(*(given.get("required", ()) for given in inputs))
    received = required if is_received else set(schema["properties"])
    return _write_structure(own, schema, types, sent=sent, received=received)


def _write_structure(own: str, schema: Schema, types: Types, *, sent: set[str], received: set[str]) -> str:
    """Write a class; ``sent`` and ``received`` are the fields that are always there, on the way there and back."""
    names = name_all(schema["properties"], _FIELDS | set(types.names.values()))
    config = (
        f'{_INDENT}model_config = _pydantic.ConfigDict(extra="allow")\n' if schema.get("additionalProperties") else ""
    )
    fields = "".join(
        _write_field(key, names[key], field, types, is_sent=key in sent, is_received=key in received)
        for key, field in schema["properties"].items()
    )
    doc = write_doc(schema.get("description", ""), _INDENT)
    return f"class {own}(_kontract.Structure):\n" + (join(doc, config + fields) or f"{_INDENT}pass\n")


def _write_field(key: str, name: str, schema: Schema, types: Types, *, is_sent: bool, is_received: bool) -> str:
    """Write a field; one that need not be sent has a default, and one that may be missing can be None."""
    annotation = types.write(schema)
    default = "" if is_sent else "_kontract.UNSET"
    if not is_received:
        annotation = annotation if annotation.endswith(("None", "_typing.Any")) else f"{annotation} | None"
        default = "None"
    elif "const" in schema and annotation.startswith("_typing.Literal["):
        default = write_value(schema["const"])
    if key != name:
        alias = f"validation_alias={write_value(key)}, serialization_alias={write_value(key)}"
        default = f"_pydantic.Field({f'default={default}, ' if default else ''}{alias})"
    doc = write_doc(schema.get("description", ""), _INDENT)
    return f"{_INDENT}{name}: {annotation}{f' = {default}' if default else ''}\n{doc}"


def _write_enum(own: str, schema: Schema) -> str:
    values = schema["enum"]
    labels = schema.get("x-enum-varnames", [f"VALUE_{number}" for number in range(len(values))])
    names = name_all(labels, _ENUM_MEMBERS)
    base = {str: "_enum.StrEnum", int: "_enum.IntEnum"}.get(_find_type(values), "_enum.Enum")
    members = "".join(
        f"{_INDENT}{names[label]} = {write_value(value)}\n" for label, value in zip(labels, values, strict=True)
    )
    return f"class {own}({base}):\n{join(write_doc(schema.get('description', ''), _INDENT), members)}"


def _find_type(values: Iterable[Any]) -> type:
    """Return the type of all values; that of any object where they have several."""
    kinds = {type(value) for value in values}
    return kinds.pop() if len(kinds) == 1 else object


def write_error(error: ErrorEntry, types: Types) -> str:
    """Return the class of a declared error."""
    properties: Mapping[str, Schema] = error.members["properties"]
    names = name_all(properties, _MEMBERS | set(types.names.values()))
    written = {key: types.write(schema) for key, schema in properties.items()}
    fields = "".join(f"{_INDENT}{names[key]}: {written[key]}\n" for key in properties)
    members = "".join(
        f"{_INDENT * 2}{write_value(names[key])}: ({write_value(key)}, {written[key]}),\n" for key in properties
    )
    table = f"{_INDENT}members = {{\n{members}{_INDENT}}}\n" if members else ""
    doc = write_doc(f"{error.doc}\n\nCode ``{error.code}``, status {error.status}.", _INDENT)
    return f"class {types.errors[error.key]}(_kontract.KontractProblem):\n{join(doc, join(fields, table))}"


def join(first: str, second: str) -> str:
    """Join two parts with an empty line between them, where both are there."""
    return f"{first}\n{second}" if first and second else first + second
