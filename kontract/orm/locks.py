"""``select_for_update`` without row locks.

A writer that holds the clock must never wait for a transaction that will need the clock to commit, so rows of
``storage`` are never locked.  Instead each selected document has an advisory lock, held until the transaction ends:
whoever selects it for update waits.  A writer that does not ask first is not stopped; but then the versions seen here
are no longer live at the commit, which raises ``ConflictError``.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Col
from django.db.models.lookups import In
from django.db.models.sql.where import AND

from kontract.exceptions import UnsupportedError
from kontract.mvcc.connections import fetch_all, fetch_last
from kontract.mvcc.reading import remember
from kontract.mvcc.units import find_unit
from kontract.mvcc.versions import locking, reading
from kontract.mvcc.writes import Table
from kontract.orm.source import metadata_field, table_of

MOST: Final = 1000  # locks of single documents; they lie in a part of shared memory that all of PostgreSQL shares


def lock_rows(connection: BaseDatabaseWrapper, query: Any) -> Any:
    """Lock the documents that ``query`` selects, and return the query that reads them.

    Raises ``DatabaseError`` with ``nowait`` where another transaction has locked one of them.
    """
    if set(query.select_for_update_of) - {"self"}:
        raise UnsupportedError(
            "select_for_update(of=...) of a versioned model locks its own documents only. "
            "Select the related ones for update with a query of their own."
        )
    query = query.clone()
    query.select_for_update = False
    ids = _selected_ids(connection, query)
    locked = _lock(connection, query, ids)
    query.clear_limits()
    query.where.add(In(_id_column(query), locked), AND)
    return query


def _selected_ids(connection: BaseDatabaseWrapper, query: Any) -> list[str]:
    selecting = query.clone()
    selecting.clear_select_clause()
    selecting.select = (_id_column(selecting),)
    return list(dict.fromkeys(row[0] for row in selecting.get_compiler(connection=connection).results_iter()))


def _id_column(query: Any) -> Col:
    return Col(query.get_initial_alias(), metadata_field(":id", query.model))


def _try_to_lock(connection: BaseDatabaseWrapper, params: dict[str, Any], ids: list[str]) -> set[str]:
    """Lock documents, or the table where they are many; return those that could be had at once."""
    if len(ids) > MOST:
        ((had,),) = fetch_all(connection, locking.TRY_LOCK_TABLE, params)
        return set(ids) if had else set()
    ((had,),) = fetch_all(connection, locking.TRY_SHARE_TABLE, params)
    return {row[0] for row in fetch_all(connection, locking.TRY_LOCK_DOCUMENTS, params)} if had else set()


def _lock(connection: BaseDatabaseWrapper, query: Any, ids: list[str]) -> list[str]:
    table = table_of(connection, query.model)
    params = {"ns": table.ns, "ptr": table.ptr, "ids": ids}
    if not (query.select_for_update_nowait or query.select_for_update_skip_locked):
        locks = [locking.LOCK_TABLE] if len(ids) > MOST else [locking.SHARE_TABLE, locking.LOCK_DOCUMENTS]
        _note(connection, table, fetch_last(connection, [*locks, reading.SEEN], params))
        return ids
    locked = _try_to_lock(connection, params, ids)
    if query.select_for_update_nowait and len(locked) < len(ids):
        raise DatabaseError("could not obtain lock on row: another transaction has selected it for update")
    chosen = [document_id for document_id in ids if document_id in locked]
    remember_versions(connection, table, chosen)
    return chosen


def remember_versions(connection: BaseDatabaseWrapper, table: Table, ids: list[str]) -> None:
    """Note which versions of documents the open transaction works on, before it looks at them."""
    if find_unit(connection) is not None:
        _note(connection, table, fetch_all(connection, reading.SEEN, {"ns": table.ns, "ptr": table.ptr, "ids": ids}))


def _note(connection: BaseDatabaseWrapper, table: Table, seen: Iterable[Sequence[Any]]) -> None:
    if (unit := find_unit(connection)) is not None:  # in a TestCase it is not there before the first block
        remember(unit, table, {row[0]: row[1] for row in seen})
