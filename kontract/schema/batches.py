"""One batch of documents of a table, rewritten, deleted or restored in the open transaction.

Each function is given the position to go on from, and returns how many documents it has done, the id of the last one
(None: there was none left), and how many there are in all, which is counted once.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.exceptions import SchemaDataError
from kontract.mvcc.casts import Casts, Change
from kontract.mvcc.connections import fetch_all, fetch_one
from kontract.mvcc.members import join_members, members
from kontract.mvcc.units import collect, require_unit
from kontract.mvcc.versions.moving import AFTER, COUNT_OLDER, DELETED_AFTER, OLDER, OLDER_WITH_PREVIOUS
from kontract.mvcc.versions.schema import COUNT_LIVE
from kontract.mvcc.writes import Table, Write
from kontract.schema import record
from kontract.schema.state import FieldState
from kontract.schema.widening import holds
from kontract.tables.catalog import resolve
from kontract.tables.documents import encode
from kontract.tables.keys import conform

BATCH: Final = 500  # documents that one transaction rewrites: it holds the clock for some 10 ms

_CONVERTING: Final = ("convert", "code")  # kinds of changes that make other values

Batch = tuple[int, str | None, int]


def move_batch(connection: BaseDatabaseWrapper, ns: int, position: dict[str, Any], size: int, *, name: str) -> Batch:
    """Bring documents to the schema number ``to``; where that takes the change ``undone`` back, to what they were."""
    table = _at_number(connection, ns, name, position["to"])
    undone = position.get("undone")
    params = {"ns": ns, "ptr": table.ptr, "after": position["after"], "to": position["to"], "limit": size}
    statement = OLDER if undone is None else OLDER_WITH_PREVIOUS
    rows = fetch_all(connection, statement, params | {"undone": undone})
    casts = table.casts or Casts((), table.schema)
    fields = _read_fields(connection, ns, name, casts)
    writes = [Write(table, row[0], "set", _moved(table, casts, fields, row, undone)) for row in rows]
    return _collect(connection, writes, COUNT_OLDER, params, position)


def _at_number(connection: BaseDatabaseWrapper, ns: int, name: str, number: int) -> Table:
    """Return a table as code of this number sees it."""
    table = resolve(connection, ns, name, fresh=True)
    casts = None if table.casts is None else replace(table.casts, own=number, live=1)
    return replace(table, schema=number, casts=casts)


def _read_fields(connection: BaseDatabaseWrapper, ns: int, name: str, casts: Casts) -> Mapping[str, FieldState]:
    """Return the recorded fields of a table, where values are converted, which may not fit into these."""
    if all(change.kind not in _CONVERTING for change in casts.changes):
        return {}
    found = record.read(connection, ns, name)
    return found.state.fields if found else {}


def _moved(table: Table, casts: Casts, fields: Mapping[str, FieldState], row: Sequence[Any], undone: int | None) -> str:
    id_, number, data, previous_number, previous = row
    moved = casts.cast(data, number)
    for change in casts.chain(number) if number < casts.own else ():
        _check_converted(table, id_, change, data, moved)
        _check_fits(table, fields, id_, change, moved)
    if undone is None or previous is None or number < undone:  # older code wrote it since, as it is to be
        return moved
    return _taken_back(casts, undone, (data, number), (previous, previous_number), moved)


def _check_converted(table: Table, id_: str, change: Change, data: str, moved: str) -> None:
    """Raise ``SchemaDataError`` where a value of a document would be lost by its conversion."""
    if change.kind != "convert":
        return
    key = change.arguments[0]
    before, after = dict(members(data)).get(key, "null"), dict(members(moved)).get(key)
    if before != "null" and after == "null":
        raise SchemaDataError(
            f"The document {id_!r} of {table.name!r} has {before} under {key!r}, which cannot be converted. Change it, "
            "or give ChangeType a function using= that knows what to make of it, and run the migration again."
        )


def _check_fits(table: Table, fields: Mapping[str, FieldState], id_: str, change: Change, moved: str) -> None:
    """Raise ``SchemaDataError`` where what a value became is more than its field takes."""
    if change.kind not in _CONVERTING:
        return
    texts = dict(members(moved))
    for key in sorted(change.columns & texts.keys() & fields.keys()):
        if not holds(fields[key], json.loads(texts[key])):
            raise SchemaDataError(
                f"The document {id_!r} of {table.name!r} would have {texts[key][:100]} under {key!r}, which does not "
                "fit into the field: it is too long or out of range. Change the document, or what using= makes of it, "
                "and run the migration again."
            )


def _taken_back(casts: Casts, undone: int, now: tuple[str, int], before: tuple[str, int], moved: str) -> str:
    """Return a document once the change ``undone`` is taken back: as it was ``before``, if nobody changed it since.

    Else what the change removed comes back, and the rest stays.
    """
    at = replace(casts, own=undone)
    then, change = casts.cast(*before), next(change for change in casts.changes if change.to == undone)
    if json.loads(at.cast(*now)) == json.loads(at.cast(*before)):
        return then
    if change.kind == "remove" and (key := change.arguments[0]) in (lost := dict(members(then))):
        return join_members(dict(members(moved)) | {key: lost[key]})
    return moved


def run_batch(
    connection: BaseDatabaseWrapper,
    ns: int,
    position: dict[str, Any],
    size: int,
    *,
    name: str,
    function: Callable[[dict[str, Any]], Any],
    is_due: Callable[[dict[str, Any]], bool],
) -> Batch:
    """Give documents to a function, and write what it returns, unless another process is through with that."""
    if not is_due(position):
        return 0, None, 0
    table = resolve(connection, ns, name)
    params = {"ns": ns, "ptr": table.ptr, "after": position.get("after", ""), "limit": size}
    rows = fetch_all(connection, AFTER, params)
    writes = []
    for id_, data, number in rows:
        changed = function(json.loads(table.cast(data, number)))
        if changed is not None:
            text = conform(connection, name, id_, encode(changed))
            writes.append(Write(table, id_, "set", text))
    collect(connection, require_unit(connection), *writes)
    return len(rows), rows[-1][0] if rows else None, _total(connection, COUNT_LIVE, params, position)


def delete_batch(connection: BaseDatabaseWrapper, ns: int, position: dict[str, Any], size: int, *, name: str) -> Batch:
    """Delete documents of a table, also those that were written while others were deleted."""
    table = resolve(connection, ns, name)
    params = {"ns": ns, "ptr": table.ptr, "after": "", "limit": size}
    writes = [Write(table, id_, "delete") for id_, *_ in fetch_all(connection, AFTER, params)]
    return _collect(connection, writes, COUNT_LIVE, params, position)


def restore_batch(connection: BaseDatabaseWrapper, ns: int, position: dict[str, Any], size: int, *, name: str) -> Batch:
    """Write documents again that were deleted with their table."""
    table = resolve(connection, ns, name)
    params = {"ns": ns, "ptr": table.ptr, "after": position["after"], "limit": size, "since": position["restores"]}
    rows = fetch_all(connection, DELETED_AFTER, params)
    writes = [
        Write(table, id_, "set", table.cast(data, number), owner, order) for id_, data, number, owner, order in rows
    ]
    return _collect(connection, writes, COUNT_LIVE, params, position)


def _collect(
    connection: BaseDatabaseWrapper, writes: list[Write], count: str, params: dict[str, Any], position: dict[str, Any]
) -> Batch:
    total = _total(connection, count, params, position)
    collect(connection, require_unit(connection), *writes)
    return len(writes), writes[-1].id if writes else None, total


def _total(connection: BaseDatabaseWrapper, count: str, params: dict[str, Any], position: dict[str, Any]) -> int:
    """Return how many documents there are to do in all."""
    moved: int = position.get("moved", 0)
    found: int = fetch_one(connection, count, params)[0] if position["after"] == "" else 0
    return moved + found
