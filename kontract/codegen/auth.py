"""The procedures of signing in, which clients have under ``auth`` instead of among the others."""

from collections.abc import Mapping
from typing import Final

from kontract.codegen.manifest import Manifest, ProcedureEntry

_PREFIX: Final = "auth_"
_METHODS: Final = (
    *("anonymous", "register", "login", "link", "refresh", "merge", "unmerge", "password", "me", "sessions", "logout"),
    *("revoke", "request_reset", "reset", "request_verification", "verify"),
)


def find_auth(manifest: Manifest) -> Mapping[str, ProcedureEntry]:
    """Return the procedures by the names of their methods; none unless all are there, as ``kontract.auth`` has them."""
    entries = {entry.name.removeprefix(_PREFIX): entry for entry in manifest.procedures if entry.egroup == "auth"}
    return {name: entries[name] for name in _METHODS} if entries.keys() >= set(_METHODS) else {}


def list_others(manifest: Manifest) -> list[ProcedureEntry]:
    """Return the procedures that clients have under their own names."""
    entries = {entry.name for entry in find_auth(manifest).values()}
    return [entry for entry in manifest.procedures if entry.name not in entries]
