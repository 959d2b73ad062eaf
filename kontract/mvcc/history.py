"""The versions of a document, and undoing a transaction."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.exceptions import SnapshotTooOldError, TransactionNotFound, UndoConflictError
from kontract.mvcc import access, reads
from kontract.mvcc.connections import fetch_all
from kontract.mvcc.snapshot import check_versioned
from kontract.mvcc.versions import past, ptrs, reading
from kontract.mvcc.writes import Changes, Table, Write, decode_changes
from kontract.perms import Perm


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One state of a document: valid from the transaction ``txid`` until ``deleted_txid`` (None: still live).

    ``owner`` owns the document; ``changed_by``, ``committed_at`` and ``label`` say who wrote this state, when, and in
    which procedure or transaction (None where vacuum has removed the log).
    """

    txid: int
    deleted_txid: int | None
    data: dict[str, Any]
    owner: str
    committed_at: datetime | None
    changed_by: str | None
    label: str | None


def read_history(connection: BaseDatabaseWrapper, table: Table, document_id: str) -> list[Version]:
    """Return the versions of a document, newest first; in a call, what it may see of those that it may.

    Raises ``NotVersionedError`` and ``PermissionDeniedError``.
    """
    check_versioned(table)
    access.check(table, Perm.R)
    scope, hidden = access.scope(table), access.lacking(table, Perm.R)
    reads.note_ids(table, [document_id])
    rows = fetch_all(connection, reading.HISTORY, {"ns": table.ns, "ptr": table.ptr, "id": document_id})
    return [
        Version(
            txid=txid, deleted_txid=deleted_txid, owner=owner,
            data={name: value for name, value in json.loads(table.cast(data, schema)).items() if name not in hidden},
            committed_at=committed_at, changed_by=changed_by, label=label,
        )
        for txid, deleted_txid, owner, data, committed_at, changed_by, label, schema in rows
        if scope is None or scope == owner != ""
    ]  # fmt: skip


def find_changes(connection: BaseDatabaseWrapper, ns: int, txid: int) -> Changes:
    """Return what a transaction wrote.  Raises ``TransactionNotFound``."""
    rows = fetch_all(connection, past.CHANGES, {"ns": ns, "txid": txid})
    if not rows:
        raise TransactionNotFound(f"No transaction {txid} is in the log of this namespace.")
    return decode_changes(rows[0][0])


def reversing_writes(connection: BaseDatabaseWrapper, ns: int, txid: int, tables: Mapping[int, Table]) -> list[Write]:
    """Return the writes that reverse the transaction ``txid``; ``tables`` are the namespace's, by ptr.

    Raises ``TransactionNotFound``, ``PermissionDeniedError``, ``UndoConflictError`` where a later transaction touched
    one of its documents or a table is gone, and ``SnapshotTooOldError`` where vacuum has removed what was there before.
    """
    found = find_changes(connection, ns, txid)
    changes = {key: op for key, op in found.items() if key[0] != ptrs.CATALOG}
    if access.in_call():
        _check_access(connection, ns, txid, changes, tables)
    if found and not changes:
        raise UndoConflictError(
            f"Transaction {txid} created a logical table or a namespace, which undo leaves alone. Drop it instead."
        )
    documents = [{"n": n, "ptr": ptr, "id": document_id} for n, (ptr, document_id) in enumerate(changes)]
    rows = fetch_all(connection, past.UNDO, {"ns": ns, "txid": txid, "documents": json.dumps(documents)})
    _refuse_conflicts(rows, changes, txid, tables)
    return [_reversing_write(row, changes, txid, tables) for row in rows]


def _check_access(
    connection: BaseDatabaseWrapper, ns: int, txid: int, changes: Changes, tables: Mapping[int, Table]
) -> None:
    """Raise unless the running call may reverse ``changes``, which it learns of, and which are of whole documents."""
    for ptr in dict.fromkeys(ptr for ptr, _ in changes):
        if (table := tables.get(ptr)) is None:
            continue
        access.check(table, Perm.R)
        ops = {document_id: op for (at, document_id), op in changes.items() if at == ptr}
        for bit in {Perm.X if op == "insert" else Perm.W for op in ops.values()}:
            access.check(table, bit)
        if locked := access.lacking(table, Perm.W):
            raise access.denied("field", table, Perm.W, min(locked))
        scope = access.scope(table)
        if scope is not None and find_owners(connection, table, txid, ops) != {id_: {scope} for id_ in ops}:
            raise TransactionNotFound(f"No transaction {txid} is in the log of this namespace.")


def find_owners(connection: BaseDatabaseWrapper, table: Table, txid: int, ids: Iterable[str]) -> dict[str, set[str]]:
    """Return the owners that documents had before and after the transaction ``txid``, by id."""
    owners: dict[str, set[str]] = {}
    for snapshot in (txid - 1, txid):
        params = {"ns": table.ns, "ptr": table.ptr, "ids": list(ids), "snapshot": snapshot}
        for document_id, _, _, owner, _ in fetch_all(connection, reading.GET_AS_OF, params):
            owners.setdefault(document_id, set()).add(owner)
    return owners


def _refuse_conflicts(rows: list[Sequence[Any]], changes: Changes, txid: int, tables: Mapping[int, Table]) -> None:
    conflicts: list[tuple[str, str, int | None]] = []
    for ptr, document_id, live_txid, deleted_txid, *_ in rows:
        last = max(live_txid or 0, deleted_txid or 0)
        gone = live_txid is None and changes[ptr, document_id] != "delete"
        if ptr not in tables:
            conflicts.append((f"(dropped table {ptr})", document_id, None))
        elif last > txid or gone:
            conflicts.append((tables[ptr].name, document_id, last if last > txid else None))
    if conflicts:
        shown = ", ".join(f"{table}/{document_id}" for table, document_id, _ in conflicts[:5])
        more = f" and {len(conflicts) - 5} more" if len(conflicts) > 5 else ""
        raise UndoConflictError(
            f"Transaction {txid} cannot be undone: later ones touched {shown}{more}. Undo those first.", conflicts
        )


def _reversing_write(row: Sequence[Any], changes: Changes, txid: int, tables: Mapping[int, Table]) -> Write:
    ptr, document_id, _, _, owner, order, data, schema = row
    if changes[ptr, document_id] == "insert":
        return Write(tables[ptr], document_id, "delete")
    if data is None:
        raise SnapshotTooOldError(
            f"Transaction {txid} cannot be undone: vacuum has removed what {tables[ptr].name}/{document_id} was before."
        )
    return Write(tables[ptr], document_id, "set", tables[ptr].cast(data, schema), owner, order)
