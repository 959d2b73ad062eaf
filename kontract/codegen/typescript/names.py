"""What things are called in TypeScript."""

import re
from collections.abc import Iterable
from functools import lru_cache

from kontract.codegen.manifest import ErrorEntry, Manifest
from kontract.codegen.typescript.runtime import find_globals, list_exported, list_parts
from kontract.exceptions import ConfigurationError

# https://tc39.es/ecma262/#prod-ReservedWord, with what strict mode and modules reserve.
_WORDS = """
    arguments await break case catch class const continue debugger default delete do else enum eval export extends false
    finally for function if implements import in instanceof interface let new null package private protected public
    return static super switch this throw true try typeof undefined var void while with yield
"""
_TYPES = "any bigint boolean never number object string symbol unknown"


class Names:
    """The names in one client.

    A function has its procedure's name in camelCase, and its ``arguments`` a type of that name; ``definitions`` keep
    the manifest's.  A name that means something already gets an underscore behind it.
    """

    def __init__(self, manifest: Manifest) -> None:
        parts = list_parts(manifest)
        self.functions = name_functions([entry.name for entry in manifest.procedures], parts)
        taken = {*_list_reserved(parts), *_TYPES.split(), *list_exported(parts), *self.functions.values()}
        self.definitions = {name: _claim(name, taken) for name in manifest.definitions}
        self._problems = {(e.name, e.code): _claim(e.name, taken) for e in manifest.errors}
        self.members = {key: _claim(f"{name}Members", taken) for key, name in self._problems.items()}
        self.arguments = {name: _claim(f"{_pascal(name)}Args", taken) for name in self.functions}

    def problem(self, error: ErrorEntry) -> str:
        """Return the name of a declared error's class."""
        return self._problems[error.name, error.code]


@lru_cache(maxsize=32)
def _list_reserved(parts: tuple[str, ...]) -> frozenset[str]:
    return find_globals(parts).union(_WORDS.split())


def name_functions(procedures: Iterable[str], parts: tuple[str, ...]) -> dict[str, str]:
    """Return what procedures are called in a client of these parts, by name.

    Raises ``ConfigurationError`` where two would have one name.
    """
    names: dict[str, str] = {}
    owners = dict.fromkeys(list_exported(parts), "the client itself")
    for procedure in procedures:
        name = camel(procedure)
        name += "_" if name in _list_reserved(parts) else ""
        if (owner := owners.get(name)) is not None:
            raise ConfigurationError(
                f"The procedure {procedure!r} cannot be {name}() in TypeScript, because {owner} has this name. Give it "
                'another one with @backend(name="...").'
            )
        owners[name] = f"the procedure {procedure!r}"
        names[procedure] = name
    return names


def _pascal(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split("_+", name))


def camel(name: str) -> str:
    pascal = _pascal(name)
    return pascal[:1].lower() + pascal[1:]


def _claim(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name
