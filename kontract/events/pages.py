"""Reading the feed a page at a time; everything that follows changes stands on this.

**Nothing is missed.**  A commit holds the clock of its namespace from before it draws its txid until it is visible, so
whoever sees txid n sees every smaller one that there will ever be.  Numbers that no transaction has are of ones that
were rolled back, or of pins.  Where a commit may be seen before it is on disk (``DURABILITY = "group"``), a page waits
until it is: after a crash its txid might be given to another transaction, which a reader beyond it would miss.

**Nothing is made up.**  Where vacuum has removed what lies after a position, or the position is none of this database's
(which was restored from a backup, say), reading raises.
"""

import json
import time
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.conf import get_settings
from kontract.events.change import Change
from kontract.events.cursor import Cursor
from kontract.events.names import Names
from kontract.exceptions import InvalidSnapshotError, SnapshotTooOldError
from kontract.mvcc import clock
from kontract.mvcc.connections import fetch_each_quietly, fetch_quietly
from kontract.mvcc.errors import translated
from kontract.mvcc.prepared import compose
from kontract.mvcc.versions import feed
from kontract.mvcc.versions.ptrs import FIRST_PTR
from kontract.mvcc.writes import Table, as_array

MOST_CHANGES: Final = 1000  # in a page
_MOST_TRANSACTIONS: Final = 2000  # that are read from the log for one page
_LOG_BYTES: Final = 1 << 20
_DOCUMENT_BYTES: Final = 4 << 20
_FLUSH_PAUSE: Final = 0.001  # seconds between looking whether everything is on disk
_OPS: Final = ("insert", "update", "delete")  # their order within a table's changes of one transaction


class Page(NamedTuple):
    """Some changes, the position after everything that was looked through for them, and whether that is the present."""

    changes: list[Change]
    cursor: Cursor
    is_last: bool


class _Entry(NamedTuple):
    """A change as the log has it."""

    cursor: Cursor
    ptr: int
    id: str
    op: str
    changed_by: str
    label: str | None
    committed_at: datetime


def read_page(
    connection: BaseDatabaseWrapper,
    ns: int,
    after: Cursor,
    tables: Collection[str] | None = None,
    *,
    old: bool = False,
    limit: int = MOST_CHANGES,
) -> Page:
    """Return at most ``limit`` changes after a position, in commit order, of all tables or some by name.

    A page may be empty and not the last, where it looked through much that was not asked for.  ``old`` asks for what
    the documents were before.  Large documents make for shorter pages.

    Raises ``SnapshotTooOldError`` (with ``latest``, where to begin anew) where vacuum has removed some of what was
    asked for, and ``InvalidSnapshotError`` for a position that has not come yet.
    """
    latest, rows = _read_log(connection, ns, after)
    if after.txid > latest:
        raise InvalidSnapshotError(
            f"The cursor {after} has not come yet: the last transaction is {latest}. If the database was restored from "
            "a backup, begin anew."
        )
    if not rows:
        return Page([], after, is_last=True)
    names = Names(connection, ns)
    wanted = (entry for entry in _entries(rows, after) if tables is None or names[entry.ptr] in tables)
    entries = list(islice(wanted, limit + 1))
    chosen = entries[:limit]
    ids = None if tables is None else names.ids_of(tables, after.snapshot)
    documents, horizon = _read_documents(connection, ns, chosen, ids, old=old)
    if after.snapshot < horizon:
        raise SnapshotTooOldError(
            f"The changes after {after} are behind the horizon {horizon}: vacuum has removed some of them. Read the "
            f"tables as of {latest}, and go on from there; or raise RETENTION_DAYS.",
            latest=latest,
        )
    changes = [_change(names, entry, row, latest) for entry, row in zip(chosen, documents, strict=False)]
    if len(changes) < len(entries):
        return Page(changes, chosen[len(changes) - 1].cursor, is_last=False)
    last = rows[-1][0]
    return Page(changes, Cursor(last), is_last=last == latest)


def find_start(connection: BaseDatabaseWrapper, ns: int, tables: Collection[str] | None = None) -> Cursor:
    """Return the first position from which everything can still be read."""
    ids = None if tables is None else Names(connection, ns).ids_of(tables, 0)
    return Cursor(_read_horizon(connection, ns, ids))


def _read_log(connection: BaseDatabaseWrapper, ns: int, after: Cursor) -> tuple[int, list[Sequence[Any]]]:
    """Return the txid of the last transaction, and transactions from ``after`` on."""
    params = {
        "ns": ns,
        "first": after.snapshot + 1,
        "limit": _MOST_TRANSACTIONS,
        "size": _LOG_BYTES,
        "group": "true" if get_settings().DURABILITY == "group" else "false",
    }
    rows = _fetch(connection, feed.LOG, params)
    latest, unflushed = rows[0][:2]
    if unflushed is not None:
        _wait_for_flush(connection, unflushed)
    clock.saw(connection.alias, ns, latest)
    return latest, [row[2:] for row in rows if row[2] is not None]


def _wait_for_flush(connection: BaseDatabaseWrapper, lsn: str) -> None:
    """Wait until the server has flushed its log up to ``lsn``, which it does by itself within a moment."""
    while not fetch_quietly(connection, feed.FLUSHED, {"lsn": lsn})[0][0]:
        time.sleep(_FLUSH_PAUSE)


def _entries(rows: Sequence[Sequence[Any]], after: Cursor) -> Iterator[_Entry]:
    for txid, changed_by, label, committed_at, changes in rows:
        for ordinal, (ptr, document_id, op) in enumerate(_unfold(changes), 1):
            cursor = Cursor(txid, ordinal)
            if cursor > after:
                yield _Entry(cursor, ptr, document_id, op, changed_by, label, committed_at)


def _unfold(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield ptr, id and kind of the changes in a log entry, in the one order that gives them their ordinals."""
    for ptr, ops in sorted((int(ptr), ops) for ptr, ops in json.loads(text).items()):
        if ptr >= FIRST_PTR:
            yield from ((ptr, document_id, op) for op in _OPS for document_id in ops.get(op, ()))


def _read_documents(
    connection: BaseDatabaseWrapper, ns: int, entries: Sequence[_Entry], ids: Collection[str] | None, *, old: bool
) -> tuple[list[Sequence[Any]], int]:
    """Return the documents of entries, and what _read_horizon() gives afterwards, since horizons only move on."""
    if not entries:
        return [], _read_horizon(connection, ns, ids)
    params = {
        "ns": ns,
        "ptrs": f"{{{','.join(str(entry.ptr) for entry in entries)}}}",
        "ids": as_array(entry.id for entry in entries),
        "txids": f"{{{','.join(str(entry.cursor.txid) for entry in entries)}}}",
        "ops": f"{{{','.join(entry.op for entry in entries)}}}",
        "size": _DOCUMENT_BYTES,
    }
    statement = feed.DOCUMENTS_WITH_OLD if old else feed.DOCUMENTS
    with translated():
        connection.ensure_connection()
        texts = compose(connection, statement, params), compose(connection, feed.HORIZON, _as_params(ns, ids))
        documents, horizon = fetch_each_quietly(connection, texts)
    return documents, horizon[0][0]


def _read_horizon(connection: BaseDatabaseWrapper, ns: int, ids: Collection[str] | None) -> int:
    horizon: int = _fetch(connection, feed.HORIZON, _as_params(ns, ids))[0][0]
    return horizon


def _as_params(ns: int, ids: Collection[str] | None) -> dict[str, Any]:
    return {"ns": ns, "ids": None if ids is None else as_array([*ids, feed.LOG_HORIZON])}


def _change(names: Names, entry: _Entry, row: Sequence[Any], latest: int) -> Change:
    owner, schema, data, old_owner, old_schema, old = row
    if data is None and entry.op != "delete":
        raise SnapshotTooOldError(
            f"What transaction {entry.cursor.txid} wrote to {names[entry.ptr]}/{entry.id} is not there any more. Read "
            f"the table as of {latest}, and go on from there.",
            latest=latest,
        )
    table = names.find_table(entry.ptr)
    return Change(
        type=entry.op,  # type: ignore[arg-type]
        table=names[entry.ptr],
        id=entry.id,
        data=_decode(table, data, schema),
        old=_decode(table, old, old_schema),
        txid=entry.cursor.txid,
        ordinal=entry.cursor.ordinal,
        owner=(old_owner if entry.op == "delete" else owner) or "",
        old_owner=old_owner,
        label=entry.label,
        changed_by=entry.changed_by,
        committed_at=entry.committed_at,
    )


def _decode(table: Table | None, text: str | None, schema: int | None) -> dict[str, Any] | None:
    """Return a document as it is to be read now; that of a dropped table as it was written."""
    if text is None:
        return None
    document: dict[str, Any] = json.loads(text if table is None or schema is None else table.cast(text, schema))
    return document


def _fetch(connection: BaseDatabaseWrapper, statement: str, params: dict[str, Any]) -> list[Sequence[Any]]:
    with translated():
        connection.ensure_connection()
        return fetch_quietly(connection, compose(connection, statement, params))
