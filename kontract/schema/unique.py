"""The key rows of unique constraints that begin, or cease, to be while documents are there."""

from collections.abc import Callable, Collection
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.mvcc.connections import fetch_one
from kontract.mvcc.versions.schema import REMOVE_KEYS, build_keys

_BATCH: Final = 1_000_000  # documents in one statement: the more, the fewer pages of the index are written twice
_STATEMENTS: Final = 10  # at most, because each may look at the whole table


def prefix(ptr: int, name: str) -> str:
    """Return what the ids of a constraint's key rows begin with; see ``versions.claim_keys``."""
    return f"{ptr}/{name}/"


def build(
    connection: BaseDatabaseWrapper,
    *,
    ns: int,
    ptr: int,
    name: str,
    key: str,
    data: str,
    total: int,
    tell: Callable[[int], None],
) -> None:
    """Make a constraint's key rows what the documents have, in the open transaction.

    ``name`` is what its key rows are called by, ``key`` SQL for the key, ``data`` SQL for a document's data, and
    ``total`` how many there are.  ``tell`` is given how many documents are done.
    """
    remove(connection, ns=ns, ptr=ptr, name=name)
    statement, after, done = build_keys(data, key), "", 0
    batch = max(_BATCH, -(-total // _STATEMENTS))
    while True:
        params: dict[str, Any] = {"ns": ns, "ptr": ptr, "prefix": prefix(ptr, name), "after": after, "batch": batch}
        count, last = fetch_one(connection, statement, params)
        done += count
        tell(done)
        if count < batch:
            return
        after = last


def remove(
    connection: BaseDatabaseWrapper, *, ns: int, ptr: int, name: str | None = None, kept: Collection[str] = ()
) -> None:
    """Remove a constraint's key rows, in the open transaction; without ``name`` those of all but ``kept``."""
    removed = f"{ptr}/" if name is None else prefix(ptr, name)
    params: dict[str, Any] = {"ns": ns, "prefix": removed, "kept": [prefix(ptr, other) for other in kept]}
    with connection.cursor() as cursor:
        cursor.execute(REMOVE_KEYS, params)
