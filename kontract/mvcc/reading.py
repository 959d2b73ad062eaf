"""Reading documents by id, and the FROM entry that queries read: the present, a unit's own writes, or the past."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.context import get_call
from kontract.mvcc import access, reads
from kontract.mvcc.casts import Casts
from kontract.mvcc.connections import fetch_all
from kontract.mvcc.errors import translated
from kontract.mvcc.members import join_members
from kontract.mvcc.snapshot import AsOf, check_intact, check_versioned
from kontract.mvcc.unit import Unit
from kontract.mvcc.units import find_unit
from kontract.mvcc.versions import casting, reading
from kontract.mvcc.writes import Table, encode


class Row(NamedTuple):
    """A document: JSON text, the txid of its version (None: not committed yet), its owner (None: not known).

    ``schema`` is the number that it was written at (None: our own).
    """

    data: str
    txid: int | None
    owner: str | None
    schema: int | None = None


class Source(NamedTuple):
    """A FROM entry with the columns of ``storage``, and its parameters.

    Some of its documents may be written at other schema numbers than ours: ``data`` is SQL for a document as it is to
    be read, over the entry's row ``s``, where that is not the stored one, and ``touched`` are the columns in question.
    """

    sql: str
    params: dict[str, Any]
    data: str | None = None
    touched: frozenset[str] = frozenset()


def read(
    connection: BaseDatabaseWrapper, table: Table, ids: Iterable[str], moment: AsOf | None = None
) -> dict[str, Row]:
    """Return the documents among ``ids`` that exist, in the order asked for; in a call, those that it may know of."""
    found = read_all(connection, table, ids, moment)
    owner = access.scope(table)
    return found if owner is None else _owned(connection, table, found, owner)


def read_all(
    connection: BaseDatabaseWrapper, table: Table, ids: Iterable[str], moment: AsOf | None = None
) -> dict[str, Row]:
    """Return the documents among ``ids`` that exist, in the order asked for, whosever they are."""
    ids = list(ids)
    if moment is not None:
        found = _read_past(connection, table, ids, moment)
    elif (unit := find_unit(connection)) is None:
        found = _fetch(connection, reading.GET, {"ns": table.ns, "ptr": table.ptr, "ids": ids})
    else:
        found = _read_through(connection, unit, table, ids)
    if table.casts is not None:
        found = {key: _cast(table, row) for key, row in found.items()}
    if moment is None:  # the past stays as it is
        reads.note_ids(table, ids)
    return {document_id: found[document_id] for document_id in ids if document_id in found}


def _cast(table: Table, row: Row) -> Row:
    return row if row.schema is None else row._replace(data=table.cast(row.data, row.schema))


def _owned(connection: BaseDatabaseWrapper, table: Table, found: dict[str, Row], owner: str) -> dict[str, Row]:
    owners = owners_of(connection, table, found)
    return {document_id: row for document_id, row in found.items() if owner and owners[document_id] == owner}


def owners_of(connection: BaseDatabaseWrapper, table: Table, found: Mapping[str, Row]) -> dict[str, str]:
    """Return the owners of documents by id; a new one that this transaction has collected is the caller's."""
    unknown = [document_id for document_id, row in found.items() if row.owner is None]
    params = {"ns": table.ns, "ptr": table.ptr, "ids": unknown}
    stored = _fetch(connection, reading.GET, params) if unknown else {}
    rows = {**found, **stored}
    return {document_id: get_call().owner if (o := rows[document_id].owner) is None else o for document_id in found}


def _fetch(connection: BaseDatabaseWrapper, sql: str, params: dict[str, Any]) -> dict[str, Row]:
    with translated():
        return {row[0]: Row(*row[1:]) for row in fetch_all(connection, sql, params)}


def _read_past(connection: BaseDatabaseWrapper, table: Table, ids: list[str], moment: AsOf) -> dict[str, Row]:
    snapshot = resolve_moment(connection, table, moment)
    params = {"ns": table.ns, "ptr": table.ptr, "ids": ids, "snapshot": snapshot}
    found = _fetch(connection, reading.GET_AS_OF, params)
    check_intact(connection, table, snapshot)
    return found


def resolve_moment(connection: BaseDatabaseWrapper, table: Table, moment: AsOf) -> int:
    """Return the snapshot that ``moment`` means for ``table``.  Raises ``NotVersionedError``."""
    check_versioned(table)
    return moment.resolve(connection, table.ns)


def _read_through(connection: BaseDatabaseWrapper, unit: Unit, table: Table, ids: list[str]) -> dict[str, Row]:
    """Read what the unit has collected from there, and the rest from the database."""
    collected = {document_id: write for document_id in ids if (write := unit.find(table, document_id)) is not None}
    found = {write.id: Row(write.data, None, write.owner) for write in collected.values() if write.data is not None}
    if rest := [document_id for document_id in ids if document_id not in collected]:
        stored = _fetch(connection, reading.GET, {"ns": table.ns, "ptr": table.ptr, "ids": rest})
        remember(unit, table, {key: stored[key].txid if key in stored else 0 for key in rest})
        found |= stored
    return found


def remember(unit: Unit, table: Table, read: Mapping[str, int | None]) -> None:
    """Note the versions that were read (id -> txid, 0: none), where only we can tell later if they are still live."""
    if unit.isolation != "joined" or not table.options.versioned:
        return
    own = unit.flushed.get(table.ns)
    for document_id, txid in read.items():
        if txid is not None and (own is None or own.txid != txid):
            unit.seen.setdefault((table.ns, table.ptr, document_id), txid)


def remember_taken(unit: Unit, table: Table, document_id: str, txid: int | None) -> None:
    """Note that the transaction is to delete a document that it gave to its caller, so that nobody else gets it."""
    remember(unit, table, {document_id: txid})
    if txid is not None and not table.options.versioned:
        unit.taken.add((table.ns, table.ptr, document_id))


def source(connection: BaseDatabaseWrapper, table: Table, moment: AsOf | None = None) -> Source:
    """Return the FROM entry that shows ``table``: in a call, what it may know of.

    Raises ``PermissionDeniedError``.
    """
    access.check_shown(table)
    found = _source(connection, table, moment)
    owner = access.scope(table)
    if moment is None:
        reads.note(table, owner)
    if owner is not None:
        found = Source(reading.owned(found.sql), found.params | {"scope": owner})
    return found if table.casts is None else _casting(connection, table.casts, found, live=moment is None)


def _casting(connection: BaseDatabaseWrapper, casts: Casts, found: Source, *, live: bool) -> Source:
    """Return a FROM entry that also tells how its documents are cast, those that only Python can already are."""
    data = casts.sql("s", live=live)
    if data is None:
        return found
    params = found.params
    if by_code := casts.by_code(live=live):
        params = params | {"casts": _cast_by_code(connection, casts, found, by_code)}
    data = data.replace("%", "%%").replace("%%(casts)s", "%(casts)s")  # the one parameter in it
    return Source(found.sql, params, data, casts.touched(live=live))


def _cast_by_code(connection: BaseDatabaseWrapper, casts: Casts, found: Source, ranges: list[tuple[int, int]]) -> str:
    """Return, as JSON text, the documents of a FROM entry that only Python can cast, by id and version."""
    rows = fetch_all(connection, casting.uncast(found.sql, ranges), found.params)
    return join_members({f"{id_}@{txid}": casts.cast(data, schema) for id_, txid, schema, data in rows})


def _source(connection: BaseDatabaseWrapper, table: Table, moment: AsOf | None) -> Source:
    place: dict[str, Any] = {"ns": table.ns, "ptr": table.ptr}
    if moment is not None:
        snapshot = resolve_moment(connection, table, moment)
        return Source(reading.SOURCE_AS_OF, place | {"snapshot": snapshot})
    unit = find_unit(connection)
    if unit is None or not (collected := unit.of_table(table)):
        return Source(reading.SOURCE_LIVE, place)
    kept = [write for write in collected.values() if write.data is not None]
    overlay = {"hidden": list(collected), "writes": encode(kept), "owner": get_call().owner}
    return Source(reading.SOURCE_OVERLAY, place | overlay)
