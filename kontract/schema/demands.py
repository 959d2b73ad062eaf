"""What changed models demand of the documents that there are: found by asking the data, before anything is changed."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.mvcc.connections import fetch_all
from kontract.mvcc.versions import references
from kontract.mvcc.versions.schema import duplicates, offenders
from kontract.schema.operations import AddConstraint, AddField, AlterField, Operation
from kontract.schema.state import ConstraintState, FieldState
from kontract.schema.widening import TEXTS, find_bounds, takes_all
from kontract.tables.keys import find_rules

Data = Mapping[str, str]  # SQL for the documents of each table

SHOWN: Final = 10  # documents that are listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Something that all documents of a table must keep: a sentence's end, and the query for those that do not."""

    table: str
    what: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offence:
    """Documents that do not keep a demand: the first of them, and how many there are."""

    demand: Demand
    ids: tuple[str, ...]
    count: int

    def __str__(self) -> str:
        more = f" and {self.count - len(self.ids):,} more" if self.count > len(self.ids) else ""
        return f"{self.demand.table}: {self.demand.what}, but {', '.join(map(repr, self.ids))}{more} do not."


def find_demands(connection: BaseDatabaseWrapper, operations: Iterable[Operation], data: Data) -> Iterator[Demand]:
    """Yield what operations demand of documents.

    ``data`` is SQL for those of each table after the operations; only tables of which something is demanded are asked
    for theirs.
    """
    for operation in operations:
        if isinstance(operation, AddConstraint):
            yield from _of_constraint(connection, operation.table, operation.constraint, data)
        elif isinstance(operation, AlterField):
            yield from _of_field(connection, operation.table, operation.before, operation.after, data)
        elif isinstance(operation, AddField) and not (operation.field.null or operation.field.has_default):
            yield _not_null(operation.table, operation.field, data)


def ask(connection: BaseDatabaseWrapper, demand: Demand, ns: int, ptr: int) -> Offence | None:
    """Return the documents that do not keep ``demand``; None where all do."""
    rows = fetch_all(connection, demand.sql, {"ns": ns, "ptr": ptr, "limit": SHOWN})
    return Offence(demand=demand, ids=tuple(row[0] for row in rows), count=rows[0][1]) if rows else None


# --- Fields ----------------------------------------------------------------------------------------------------------


def _of_field(
    connection: BaseDatabaseWrapper, table: str, before: FieldState, after: FieldState, data: Data
) -> Iterator[Demand]:
    if before.null and not after.null:
        yield _not_null(table, after, data)
    if after.choices and (gone := [value for value in before.choices if value not in after.choices]):
        listed = ", ".join(_literal(value) for value in gone)
        condition = f"{{row}}.data -> {_text(after.name)} = ANY(ARRAY[{listed}]::jsonb[])"
        what = f"the choices {', '.join(map(repr, gone))} of {after.name!r} are gone, so that no document may have them"
        yield Demand(table=table, what=what, sql=offenders(data[table], condition))
    if not takes_all(before, after):  # on the way back
        yield from _narrower(table, after, data)
    if after.constrained and not before.constrained:
        yield from _reference(connection, table, after, data)


def _narrower(table: str, field: FieldState, data: Data) -> Iterator[Demand]:
    value = f"({{row}}.data ->> {_text(field.name)})"
    if (bounds := find_bounds(field.type)) is not None:
        what = f"{field.name!r} must be from {bounds[0]} to {bounds[1]}"
        condition = f"{value}::numeric NOT BETWEEN {bounds[0]} AND {bounds[1]}"
    elif field.max_length is not None and field.type in TEXTS:
        what = f"{field.name!r} must not be longer than {field.max_length}"
        condition = f"length({value}) > {field.max_length}"
    elif field.max_digits is not None and field.decimal_places is not None:
        what = f"{field.name!r} must not have more than {field.max_digits} digits"
        condition = f"abs({value}::numeric) >= 1e{field.max_digits - field.decimal_places}"
    else:
        return
    yield Demand(table=table, what=what, sql=offenders(data[table], condition))


def _not_null(table: str, field: FieldState, data: Data) -> Demand:
    what = f"every document must have {field.name!r}, which may not be null and has no default"
    return Demand(table=table, what=what, sql=offenders(data[table], f"{{row}}.data ->> {_text(field.name)} IS NULL"))


def _reference(connection: BaseDatabaseWrapper, table: str, field: FieldState, data: Data) -> Iterator[Demand]:
    rules = find_rules(connection, table)
    for reference in rules.references if rules else ():
        if reference.name == f"{table}_{field.name}_fk":
            condition = references.is_dangling(reference.sql, reference.target)
            what = f"what {field.name!r} refers to in {field.target!r} must exist"
            yield Demand(table=table, what=what, sql=offenders(data[table], condition))


# --- Constraints -----------------------------------------------------------------------------------------------------


def _of_constraint(
    connection: BaseDatabaseWrapper, table: str, constraint: ConstraintState, data: Data
) -> Iterator[Demand]:
    if constraint.kind == "unique":
        if (key := find_key(connection, table, constraint)) is not None:
            about = f" of {', '.join(constraint.columns)}" if constraint.columns else ""
            what = f"the values{about} must be unique ({constraint.name})"
            yield Demand(table=table, what=what, sql=duplicates(data[table], key))
    elif (condition := find_check(connection, table, constraint)) is not None:
        what = f"the check {constraint.name} must hold"
        yield Demand(table=table, what=what, sql=offenders(data[table], f"({condition}) IS FALSE"))


def find_key(connection: BaseDatabaseWrapper, table: str, constraint: ConstraintState) -> str | None:
    """Return SQL for the key of a unique constraint, over ``{row}``; None for one that only other code can make."""
    rules = find_rules(connection, table)
    declared = {key.name: key.sql for key in rules.keys} if rules else {}
    if constraint.name in declared:
        return declared[constraint.name]
    return None if constraint.definition else _plain_key(constraint)


def _plain_key(constraint: ConstraintState) -> str:
    """Return the key that a model makes of plain columns, none of which is its primary key."""
    texts = [f"({{row}}.data ->> {_text(column)})" for column in constraint.columns]
    present = " AND ".join(f"{text} IS NOT NULL" for text in texts)
    return f"CASE WHEN {present} THEN jsonb_build_array({', '.join(texts)})::text END"


def find_check(connection: BaseDatabaseWrapper, table: str, constraint: ConstraintState) -> str | None:
    """See find_key()."""
    rules = find_rules(connection, table)
    return next((check.sql for check in rules.checks if check.name == constraint.name), None) if rules else None


def _literal(value: Any) -> str:
    return _text(json.dumps(value, ensure_ascii=False))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''").replace("%", "%%") + "'"
