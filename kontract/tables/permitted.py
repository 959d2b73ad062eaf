"""Documents as the running call may see and write them: pure functions of what is there and what is to be.

What a call cannot see it cannot lose: a document that it writes keeps what is there of fields that it may not read, or
may not write.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kontract.mvcc import access
from kontract.mvcc.access import Ruled
from kontract.mvcc.matching import is_same
from kontract.perms import Perm


def show(table: Ruled, data: Mapping[str, Any], *, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what the running call may see of a document: without R nothing but the keys that it has ``given``."""
    if access.find_level(table, Perm.R) is not None:
        return {name: data[name] for name in given or () if name in data}
    return without(data, access.lacking(table, Perm.R))


def without(data: Mapping[str, Any], hidden: frozenset[str]) -> dict[str, Any]:
    """Return a document without the keys that are ``hidden``."""
    return {name: value for name, value in data.items() if name not in hidden}


def replace(table: Ruled, stored: Mapping[str, Any] | None, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document to be written in place of ``stored`` (None: there is none) when a call writes ``data``.

    Raises ``PermissionDeniedError`` where that would change what the call may not write.
    """
    before = stored or {}
    _check(table, before, data)
    kept = access.lacking(table, Perm.R) | access.lacking(table, Perm.W)
    return {name: before[name] for name in before if name in kept and name not in data} | dict(data)


def merge(table: Ruled, stored: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document that ``changes`` make of ``stored``.  Raises as ``replace`` does."""
    _check(table, stored, changes)
    return {**stored, **changes}


def _check(table: Ruled, stored: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """Raise unless fields without W stay as they are; what cannot be read must not even be guessed."""
    hidden = access.lacking(table, Perm.R)
    for name in sorted(access.lacking(table, Perm.W).intersection(data)):
        if name in hidden or name not in stored or not is_same(stored[name], data[name]):
            raise access.denied("field", table, Perm.W, name)


def is_same_text(first: str, second: str) -> bool:
    """Return whether two JSON texts have the same value."""
    return first == second or is_same(json.loads(first, parse_float=Decimal), json.loads(second, parse_float=Decimal))
