"""The class that signs in, of Python clients whose server has ``kontract.auth``."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from kontract.codegen.auth import find_auth
from kontract.codegen.manifest import Manifest, ProcedureEntry
from kontract.codegen.python_names import write_doc
from kontract.codegen.python_types import Types
from kontract.codegen.schemas import PREFIX

# How the methods call: those that sign in, either as who calls already does or not, and those that nobody may call.
_ENTERS: Final = {"anonymous": True, "register": True, "login": False, "link": True, "password": True}
_OPEN: Final = frozenset({"request_reset", "reset", "verify"})
_OWN: Final = "refresh"  # of the base

WriteMethod = Callable[[ProcedureEntry, str, str, Callable[[str, str], str]], str]


def write_auth(name: str, manifest: Manifest, types: Types, write_method: WriteMethod) -> str:
    """Return the class ``name``; "" where there is nothing to sign in with.

    ``write_method`` takes a procedure, the method's name, its result, and what makes its statement out of the names of
    the procedure's constant and the arguments.
    """
    entries = find_auth(manifest)
    if not entries:
        return ""
    principal = types.write(_find_principal(entries, manifest))
    methods = [
        write_method(_without_cookie(entry), method, _write_result(method, entry, principal, types), _call(method))
        for method, entry in entries.items()
        if method != _OWN
    ]
    doc = write_doc("Signs the client in and out.", "    ")
    constants = "".join(f"    _{key} = _procedure_{entries[key].name}\n" for key in ("refresh", "anonymous"))
    return f"class {name}(_kontract.{name}[{principal}]):\n" + "\n".join([doc, constants, *methods])


def _find_principal(entries: Mapping[str, ProcedureEntry], manifest: Manifest) -> dict[str, object]:
    """Return the schema of who calls, as the answer to signing in has it."""
    tokens = manifest.definitions[entries["login"].result["$ref"].removeprefix(PREFIX)]
    found: dict[str, object] = tokens["properties"]["principal"]
    return found


def _without_cookie(entry: ProcedureEntry) -> ProcedureEntry:
    """Leave the parameter out that asks for a cookie: a client for programs keeps its tokens itself."""
    properties = {key: schema for key, schema in entry.arguments["properties"].items() if key != "cookie"}
    positional = tuple(key for key in entry.positional if key != "cookie")
    return replace(entry, arguments={**entry.arguments, "properties": properties}, positional=positional)


def _write_result(method: str, entry: ProcedureEntry, principal: str, types: Types) -> str:
    return principal if method in _ENTERS else types.write(entry.result)


def _call(method: str) -> Callable[[str, str], str]:
    if method in _ENTERS:
        return lambda constant, given: f"self._enter({constant}, {given}, as_caller={_ENTERS[method]})"
    if method == "me":
        return lambda constant, given: f"self._ask({constant})"
    how = "_leave" if method == "logout" else "_call_openly" if method in _OPEN else "_call"
    return lambda constant, given: f"self.{how}({constant}, {given})"
