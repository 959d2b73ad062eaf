"""``bulk_create(ignore_conflicts=True)`` and ``bulk_create(update_conflicts=True)``."""

from collections.abc import Collection, Sequence
from typing import Any

from django.db import ProgrammingError
from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.exceptions import ConstraintError
from kontract.mvcc import access
from kontract.mvcc.claims import is_given_up
from kontract.mvcc.errors import translated
from kontract.mvcc.prepared import fetch_prepared
from kontract.mvcc.reading import read
from kontract.mvcc.rules import list_keys
from kontract.mvcc.units import collect, require_unit
from kontract.mvcc.writes import Table, Write, encode
from kontract.orm.inserting import Inserter
from kontract.orm.parts import Parts
from kontract.orm.permitted import check_named
from kontract.orm.source import table_of
from kontract.orm.writing import existing, merge_many, run_together

_PRIMARY = "pk"


def insert_or_resolve(
    queryset: Any,
    objs: Sequence[Any],
    fields: Sequence[Any],
    *,
    using: str,
    returning: Sequence[Any] | None,
    update_fields: Sequence[Any] | None,
    unique_fields: Sequence[Any] | None,
) -> list[tuple[Any, ...]]:
    """Insert instances; where a document has one's key already, leave it alone or update ``update_fields`` of it."""
    model = queryset.model
    for field in unique_fields or ():
        check_named(field)  # which object has the values is told
    inserter = Inserter(model, fields, objs, raw=False, using=using)
    connection = inserter.connection

    def attempt() -> list[str]:
        table, unit = table_of(connection, model), require_unit(connection)
        writes = inserter.writes(table)
        conflicts = _find_conflicts(connection, table, writes)
        collect(connection, unit, *(write for write, found in zip(writes, conflicts, strict=True) if not found))
        if update_fields is None:
            return [write.id for write in writes]
        target = _target(model, unique_fields or [])
        changes: dict[str, Parts] = {}
        kept = []
        for write, obj, found in zip(writes, objs, conflicts, strict=True):
            if found and target not in found:
                raise ConstraintError(
                    f"duplicate key value violates unique constraint {next(iter(found))!r} of {table.name!r}, which is "
                    "not on the unique_fields that were given."
                )
            kept.append(found.get(target, write.id))
            if found:
                changes[found[target]] = Parts.of((f, _prepared(f, obj, connection)) for f in update_fields)
        _check_own(connection, table, changes)
        merge_many(connection, model, changes)
        return kept

    ids = run_together(connection, attempt)
    if not returning:
        return []
    made = inserter.rows(returning)
    pk = model._meta.pk
    return [
        tuple(pk.to_python(id_) if field is pk else value for field, value in zip(returning, row, strict=True))
        for id_, row in zip(ids, made, strict=True)
    ]


def _check_own(connection: BaseDatabaseWrapper, table: Table, ids: Collection[str]) -> None:
    """Raise ``PermissionDeniedError`` where one of the documents is somebody else's alone."""
    if access.scope(table) is not None:
        own = read(connection, table, ids)
        for document_id in ids:
            if document_id not in own:
                raise access.not_yours(table, document_id)


def _prepared(field: Any, obj: Any, connection: BaseDatabaseWrapper) -> Any:
    return field.get_db_prep_save(field.pre_save(obj, add=True), connection)


def _find_conflicts(connection: BaseDatabaseWrapper, table: Table, writes: Sequence[Write]) -> list[dict[str, str]]:
    """Return, for each write, the documents that have its values, by constraint."""
    taken = existing(connection, table, [write.id for write in writes])
    holders: dict[str, list[tuple[str, str, str | None]]] = {}
    if table.rules is not None and table.rules.keys:
        params = {"ns": table.ns, "ptr": table.ptr, "writes": encode(writes)}
        unit = require_unit(connection)
        with translated():
            for key, name, document_id, holder in fetch_prepared(connection, list_keys(table.rules), params):
                given_up = holder and is_given_up(connection, unit, table, table.rules, holder, key)
                holders.setdefault(document_id, []).append((key, name, None if given_up else holder))
    conflicts = []
    seen: dict[str, str] = {}  # what those before in this batch take
    for write in writes:
        keys = holders.get(write.id, [])
        found = {name: held for key, name, holder in keys if (held := holder or seen.get(key)) is not None}
        if write.id in taken or write.id in seen.values():
            found[_PRIMARY] = write.id
        if not found:
            seen.update({key: write.id for key, _, _ in keys} | {write.id: write.id})
        conflicts.append(found)
    return conflicts


def _target(model: Any, unique_fields: Sequence[Any]) -> str:
    """Return the name of the constraint on ``unique_fields``."""
    opts = model._meta
    if [field for field in unique_fields if field.primary_key]:
        return _PRIMARY
    columns = [field.column for field in unique_fields]
    if len(columns) == 1 and unique_fields[0].unique:
        return f"{opts.db_table}_{columns[0]}_key"
    for names in opts.unique_together:
        if {opts.get_field(name).column for name in names} == set(columns):
            return f"{opts.db_table}_{'_'.join(opts.get_field(name).column for name in names)}_uniq"
    for constraint in opts.total_unique_constraints:
        if {opts.get_field(name).column for name in constraint.fields} == set(columns):
            name: str = constraint.name
            return name
    raise ProgrammingError(
        f"There is no unique constraint on {', '.join(columns)} of {opts.label} that update_conflicts could look at."
    )
