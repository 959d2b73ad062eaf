"""A look at the present from inside an older snapshot, on a connection of its own.

Under snapshot isolation a transaction that deletes a document does not see a reference to it that another transaction
has inserted since.  PostgreSQL's own foreign keys look with a newer snapshot than the transaction has, which SQL cannot
ask for; so, under the clock, where nobody else can commit, another connection looks.  Only deletions of documents that
others may refer to need it.
"""

from collections.abc import Iterator

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.exceptions import ConflictError
from kontract.mvcc.connections import fetch_all
from kontract.mvcc.rules import Referrer
from kontract.mvcc.unit import Unit
from kontract.mvcc.versions import references
from kontract.mvcc.writes import Table, as_array


def deletions(unit: Unit) -> dict[Table, list[str]]:
    """Return the ids of the documents that ``unit`` deletes from tables that others refer to."""
    found: dict[Table, list[str]] = {}
    for writes in unit.by_namespace().values():
        for write in writes:
            if write.op == "delete" and write.table.rules is not None and write.table.rules.referrers:
                found.setdefault(write.table, []).append(write.id)
    for flushed in unit.flushed.values():
        for table, ids in flushed.changed.items():
            gone = [id_ for id_ in ids if flushed.changes.get((table.ptr, id_)) == "delete"]
            if gone and table.rules is not None and table.rules.referrers:
                found.setdefault(table, []).extend(gone)
    return found


def check_present(connection: BaseDatabaseWrapper, unit: Unit, deleted: dict[Table, list[str]]) -> None:
    """Raise ``ConflictError`` where a document that ``unit`` does not know of refers to one that it deletes."""
    other = connection.copy()
    try:
        for table, ids in deleted.items():
            for referrer, ptr in _referrers(table):
                params = {
                    "ns": table.ns,
                    "ids": as_array(ids),
                    "own": as_array(_own_ids(unit, table.ns, referrer.table)),
                }
                if fetch_all(other, references.find_referring(ptr or referrer.table, referrer.sql), params):
                    raise ConflictError(
                        f"Another transaction has referred to a document of {table.name!r} that this one deletes, in "
                        f"{referrer.table!r}. Run it again."
                    )
    finally:
        other.close()


def _referrers(table: Table) -> Iterator[tuple[Referrer, int | None]]:
    if table.rules is not None:
        yield from zip(table.rules.referrers, table.referring, strict=True)


def _own_ids(unit: Unit, ns: int, name: str) -> list[str]:
    """Return the documents of a table that ``unit`` writes itself: their references are checked where it sees them."""
    pending = [write.id for write in unit.by_namespace().get(ns, []) if write.table.name == name]
    flushed = unit.flushed[ns].changed if ns in unit.flushed else {}
    return [*pending, *(id_ for table, ids in flushed.items() if table.name == name for id_ in ids)]
