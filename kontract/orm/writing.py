"""Updating and deleting the documents of a model: what its querysets and instances write with.

Everything goes through the unit of work, as the writes of ``env.storage`` do.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import mark_for_rollback_on_error

from kontract.mvcc import access, snapshot
from kontract.mvcc.connections import fetch_all, get_connection
from kontract.mvcc.reading import read
from kontract.mvcc.steps import single_step
from kontract.mvcc.transaction import run_transaction
from kontract.mvcc.units import collect, find_unit, require_unit, run_now
from kontract.mvcc.versions import reading
from kontract.mvcc.writes import Table, Write
from kontract.orm.parts import Parts, document_id, join_key, members
from kontract.orm.permitted import changed_parts
from kontract.orm.source import table_of
from kontract.perms import Perm

T = TypeVar("T")


def open_for_writing(using: str) -> BaseDatabaseWrapper:
    """Return the connection to write to.  Raises ``ReadOnlyError`` when looking at the past."""
    snapshot.check_writable()
    return get_connection(using)


def existing(connection: BaseDatabaseWrapper, table: Table, ids: Sequence[str]) -> set[str]:
    """Return which of ``ids`` there are documents of, in the eyes of the open transaction."""
    unit = find_unit(connection)
    collected = {id_: write for id_ in ids if unit is not None and (write := unit.find(table, id_)) is not None}
    found = {id_ for id_, write in collected.items() if write.data is not None}
    if rest := [id_ for id_ in ids if id_ not in collected]:
        rows = fetch_all(connection, reading.EXISTING, {"ns": table.ns, "ptr": table.ptr, "ids": rest})
        found.update(row[0] for row in rows)
    return found


def merge_one(model: Any, pk: Any, values: Iterable[tuple[Any, Any]], *, using: str, made: bool = False) -> bool:
    """Replace fields, given with prepared values, of the document whose primary key is ``pk``; return whether it is.

    ``made``: fields with ``auto_now`` have made theirs.
    """
    connection = open_for_writing(using)
    return _merge_one(connection, model, Parts.of(values), document_id(model, pk, connection), made)


def _merge_one(connection: BaseDatabaseWrapper, model: Any, parts: Parts, id_: str, made: bool) -> bool:
    table, unit = table_of(connection, model), find_unit(connection)
    access.check(table, Perm.W)
    if unit is None and (access.is_bound(table) or table.is_mixed):
        merge_in_unit = functools.partial(_merge_one, connection, model, parts, id_, made)
        return run_transaction(merge_in_unit, using=connection.alias)[0]
    if unit is None:
        merge = Write(table, id_, "merge", parts.as_json(), absent=parts.absent)
        return run_now(connection, single_step(merge)).given is not None
    row = read(connection, table, [id_]).get(id_)
    if row is None:
        return False
    parts = changed_parts(model, parts, row.data, connection, made=made)
    collect(connection, unit, Write(table, id_, "set", parts.merged_into(row.data), row.owner))
    return True


def merge_many(connection: BaseDatabaseWrapper, model: Any, changes: Mapping[str, Parts], *, made: bool = False) -> int:
    """Replace parts of documents, by id, in the open transaction; return how many of them there are.

    A document whose primary key is among them moves: its history stays under the old one.  ``made``: see merge_one().
    """
    table, unit = table_of(connection, model), require_unit(connection)
    access.check(table, Perm.W)
    rows = read(connection, table, list(changes))
    writes = []
    for id_, row in rows.items():
        parts = changed_parts(model, changes[id_], row.data, connection, made=made)
        moved = _moved(model, id_, parts, row.data)
        if moved != id_:
            writes.append(Write(table, id_, "delete"))
        parts.present.pop(model._meta.pk.column, None)
        writes.append(Write(table, moved, "set" if moved == id_ else "insert", parts.merged_into(row.data), row.owner))
    collect(connection, unit, *writes)
    return len(rows)


def _moved(model: Any, id_: str, parts: Parts, data: str) -> str:
    """Return the id that a document has once ``parts`` of it are replaced."""
    columns = [field.column for field in model._meta.pk_fields]
    if not any(column in parts.present for column in columns):
        return id_
    if len(columns) == 1:
        return join_key([parts.present[columns[0]]])
    return join_key([(dict(members(data)) | parts.present)[column] for column in columns])


def run_together(connection: BaseDatabaseWrapper, attempt: Callable[[], T]) -> T:
    """Run ``attempt`` as a part of the open transaction, or as one of its own, again after each conflict."""
    if find_unit(connection) is None:
        return run_transaction(attempt, using=connection.alias)[0]
    with mark_for_rollback_on_error(using=connection.alias):
        return attempt()


def delete_ids(model: Any, ids: Sequence[str], *, using: str, found: bool = False) -> int:
    """Delete documents; return how many of them there were.

    ``found``: whether the transaction has just read that they are there, and the caller may know of them.
    """
    connection = open_for_writing(using)
    access.check(table_of(connection, model), Perm.X)

    def attempt() -> int:
        table, unit = table_of(connection, model), require_unit(connection)
        found = existing(connection, table, ids) if access.scope(table) is None else read(connection, table, ids)
        collect(connection, unit, *(Write(table, id_, "delete") for id_ in ids if id_ in found))
        return len(found)

    if (unit := find_unit(connection)) is not None:
        if not found:
            return attempt() if ids else 0
        table = table_of(connection, model)
        collect(connection, unit, *(Write(table, id_, "delete") for id_ in ids))
        return len(ids)
    table = table_of(connection, model)
    if len(ids) == 1 and not access.is_bound(table):
        return int(run_now(connection, single_step(Write(table, ids[0], "delete"))).given is not None)
    return run_transaction(attempt, using=using)[0] if ids else 0


def delete_keys(model: Any, keys: Iterable[Any], *, using: str) -> int:
    """Delete the documents with these primary keys; return how many of them there were."""
    connection = open_for_writing(using)
    return delete_ids(model, [document_id(model, key, connection) for key in dict.fromkeys(keys)], using=using)
