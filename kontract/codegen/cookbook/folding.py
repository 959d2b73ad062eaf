"""One definition for a type that is sent with fewer fields than it comes with: to a reader they are one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kontract.codegen.manifest import Manifest, ProcedureEntry
from kontract.codegen.python_types import find_alike
from kontract.codegen.schemas import PREFIX


def fold(manifest: Manifest) -> Manifest:
    """Return a manifest in which what is sent, and tells its defaults, stands for both, by the name of what comes."""
    if not (alike := find_alike(manifest)):
        return replace(manifest, inputs={})
    definitions = dict(manifest.definitions)
    for name, like in alike.items():
        definitions[like] = definitions.pop(name)
    renamed: dict[str, Any] = _rename(definitions, alike)
    procedures = tuple(_rename_entry(entry, alike) for entry in manifest.procedures)
    return replace(manifest, procedures=procedures, definitions=renamed, inputs={})


def _rename_entry(entry: ProcedureEntry, names: Mapping[str, str]) -> ProcedureEntry:
    return replace(entry, arguments=_rename(entry.arguments, names), result=_rename(entry.result, names))


def _rename(schema: Any, names: Mapping[str, str]) -> Any:
    if isinstance(schema, Mapping):
        return {key: _rename(value, names) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_rename(item, names) for item in schema]
    if isinstance(schema, str) and schema.startswith(PREFIX):
        name = schema.removeprefix(PREFIX)
        return PREFIX + names.get(name, name)
    return schema
