"""Doing what a plan says, in transactions in which documents are asked before anything is written.

Several processes may do so at once: each looks at the records again in its transaction, and whoever commits second
runs again and finds nothing left to do.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.exceptions import SchemaDataError, SchemaError
from kontract.mvcc.connections import fetch_all, fetch_one
from kontract.mvcc.steps import catalog_id
from kontract.mvcc.transaction import run_transaction
from kontract.mvcc.versions.schema import COUNT_LIVE, ENTRIES, IS_EMPTY, OLDEST_LIVE, TABLE_ENTRIES
from kontract.schema import unique
from kontract.schema.demands import Offence, ask, find_demands, find_key
from kontract.schema.operations import (
    AddConstraint,
    AddField,
    AddTable,
    ForgetTable,
    Operation,
    RemoveConstraint,
)
from kontract.schema.planning import Plan
from kontract.schema.progress import Progress
from kontract.schema.record import PREFIX, Record, new_run, read_texts, remove_table, write, write_text
from kontract.schema.state import State
from kontract.schema.upcasts import note
from kontract.tables.catalog import forget
from kontract.tables.numbers import find_casts

LABEL: Final = "kontract_migrate"


class Place(NamedTuple):
    """A namespace that is being changed: its number, and the ptrs and catalog entries of its tables."""

    ns: int
    ptrs: Mapping[str, int]
    entries: Mapping[str, Mapping[str, Any]]

    def key_name(self, table: str, constraint: str) -> str:
        """Return what the key rows of a unique constraint are called by, which was its name when they began."""
        name: str = self.entries[table].get("keys", {}).get(constraint, constraint)
        return name

    def live_data(self, connection: BaseDatabaseWrapper, table: str) -> str:
        """Return SQL for a live document of a table as the newest code reads it, over a row ``s`` of ``storage``.

        Raises ``SchemaError`` where that is known to a migration file only.
        """
        entry = dict(self.entries[table])
        casts = find_casts(entry, entry.get("schema", 1))
        if casts is not None and casts.by_code(live=True):
            oldest = fetch_one(connection, OLDEST_LIVE, {"ns": self.ns, "ptr": self.ptrs[table], "none": casts.own})[0]
            casts = replace(casts, live=max(casts.live, oldest))
        if casts is not None and casts.by_code(live=True):
            raise SchemaError(
                f"Some documents of {table!r} were written by older code, and only a migration file's functions can "
                "bring them to the new shape, so that they cannot be checked in the database. Replace the servers "
                "that run the older code, then run kontract_migrate finish, then kontract_migrate again."
            )
        return (casts.sql("s", live=True) if casts is not None else None) or "s.data"


class Readings(dict[str, str]):
    """SQL for the documents of each table as they are read after some operations, made for the tables that need it."""

    def __init__(self, connection: BaseDatabaseWrapper, place: Place, operations: Sequence[Operation] = ()) -> None:
        super().__init__()
        self.connection, self.place, self.operations = connection, place, operations

    def __missing__(self, table: str) -> str:
        data = self.place.live_data(self.connection, table)
        for operation in self.operations:
            if isinstance(operation, AddField) and operation.table == table and operation.fill is not None:
                data = operation.upcast_sql(data)
        self[table] = data
        return data


class Changed(SchemaError):
    """The records are not those any more that the plan was made of."""


def asks_documents(connection: BaseDatabaseWrapper, plan: Plan) -> bool:
    """Return whether what a plan says takes looking at documents, or making or removing their keys."""
    if any(isinstance(operation, (AddConstraint, RemoveConstraint)) for operation in plan.operations):
        return True
    return any(find_demands(connection, plan.operations, defaultdict(lambda: "s.data")))


def apply(
    connection: BaseDatabaseWrapper,
    plan: Plan,
    namespaces: Sequence[int],
    *,
    out: Any,
    past: Mapping[str, tuple[str, ...]],
) -> None:
    """Do in these namespaces what their plan says, in one transaction; ``out`` is told of long work.

    ``past`` has digests of former states that only the lock file knows.  Raises ``SchemaDataError`` where documents do
    not keep what is demanded of them, and ``Changed`` where another process has changed the records since.
    """
    names = {operation.table for operation in plan.operations} | plan.adopted.keys()
    records = {name: Record.from_text(plan.texts[name]) for name in names if name in plan.texts}
    steps = _find_steps({**records, **_records(plan.adopted)}, plan.operations, past=past)

    def work() -> None:
        for texts, place in _look_again(connection, namespaces, names):
            if any(texts.get(name) != plan.texts.get(name) for name in names):
                raise Changed("Another process changes the schema. Run kontract_migrate again.")
            for name, record in _records(plan.adopted).items():
                write(connection, place.ns, name, record)
            _change(connection, place, steps, plan.operations, out=out)

    run_transaction(work, using=connection.alias, label=LABEL)
    forget(connection.alias)


def _records(states: State) -> dict[str, Record]:
    return {name: Record(state=state) for name, state in states.items()}


def examine(connection: BaseDatabaseWrapper, plan: Plan, ns: int, *, out: Any) -> list[Offence]:
    """Return what documents of the namespace ``ns`` do not keep of what its plan demands; nothing is changed."""
    ((_, place),) = _look_again(connection, [ns], {operation.table for operation in plan.operations})
    return _ask_all(connection, place, plan.operations, Readings(connection, place, plan.operations), out)


def take_back(connection: BaseDatabaseWrapper, ns: int, run: str, *, out: Any) -> list[str]:
    """Take back the automatic changes of a run, as a further step; return what was done.

    Raises ``SchemaDataError`` where documents have become what they could not be before.
    """

    def work() -> list[str]:
        records = {name: Record.from_text(text) for name, text in read_texts(connection, [ns])[ns].items()}
        operations = [
            operation.reverse({})
            for record in records.values()
            for step in record.steps
            if step.run == run
            for operation in reversed(step.operations)
        ]
        steps = _find_steps(records, operations, undoes=run)
        _change(connection, find_place(connection, ns), steps, operations, out=out)
        return [operation.describe() for operation in operations]

    done = run_transaction(work, using=connection.alias, label=f"{LABEL} down")[0]
    forget(connection.alias)
    return done


def fake(connection: BaseDatabaseWrapper, ns: int, wanted: State) -> None:
    """Record the state ``wanted`` of the tables that exist, whatever documents look like."""

    def work() -> None:
        run = new_run()
        records = {name: Record.from_text(text) for name, text in read_texts(connection, [ns])[ns].items()}
        for name in find_place(connection, ns).ptrs.keys() & wanted.keys():
            known = records.get(name)
            if known is None:
                write(connection, ns, name, Record(state=wanted[name]))
            elif known.state != wanted[name].numbered(known.schema):
                operation = AddTable(table=name, state=wanted[name], before=known.state)
                write(connection, ns, name, known.advance([operation], run=run))

    run_transaction(work, using=connection.alias, label=f"{LABEL} --fake")


class TableStep(NamedTuple):
    """What is done to one table: its record before, and after as such and as text; None where the table goes."""

    operations: Sequence[Operation]
    before: Record
    after: Record | None
    text: str = ""


def _find_steps(
    records: Mapping[str, Record],
    operations: Sequence[Operation],
    *,
    past: Mapping[str, tuple[str, ...]] | None = None,
    undoes: str = "",
) -> list[TableStep]:
    """Return what operations do to tables with these records, in one run."""
    run, steps = new_run(), []
    for name in dict.fromkeys(operation.table for operation in operations):
        its = [operation for operation in operations if operation.table == name]
        if isinstance(its[-1], ForgetTable):
            steps.append(TableStep(its, records[name], None))
            continue
        after = records[name].advance(its, run=run, undoes=undoes).remembering((past or {}).get(name, ()))
        steps.append(TableStep(its, records[name], after, after.to_text()))
    return steps


def _change(
    connection: BaseDatabaseWrapper,
    place: Place,
    steps: Iterable[TableStep],
    operations: Sequence[Operation],
    *,
    out: Any,
) -> None:
    """Do operations, of which ``steps`` are made, in the open transaction."""
    if not operations:
        return
    data = Readings(connection, place, operations)
    _check(connection, place, operations, data, out)
    for operation in operations:
        _settle(connection, place, operation, data, out)
    for its, before, after, text in steps:
        name = before.state.name
        if after is None:
            remove_table(connection, place.ns, name)
            continue
        write_text(connection, place.ns, name, text)
        note(connection, place.ns, before.state, after.state, its, entry=place.entries[name])


def find_place(connection: BaseDatabaseWrapper, ns: int) -> Place:
    """Return what the catalog says of the tables of a namespace."""
    rows = fetch_all(connection, TABLE_ENTRIES, {"namespaces": [ns]})
    entries = {name: json.loads(data) for _, name, _, data in rows}
    return Place(ns, {name: ptr for _, name, ptr, _ in rows}, entries)


def _look_again(
    connection: BaseDatabaseWrapper, namespaces: Sequence[int], names: Iterable[str]
) -> list[tuple[dict[str, str], Place]]:
    """Return, in one round trip, the records of these tables in each namespace, and what its catalog says of them."""
    ids = [entry for name in names for entry in (PREFIX + name, catalog_id(name))]
    found: dict[int, dict[str, str]] = {ns: {} for ns in namespaces}
    for ns, entry, data in fetch_all(connection, ENTRIES, {"namespaces": list(namespaces), "ids": ids}):
        found[ns][entry] = data
    return [_as_place(ns, entries, names) for ns, entries in found.items()]


def _as_place(ns: int, found: Mapping[str, str], names: Iterable[str]) -> tuple[dict[str, str], Place]:
    texts = {name: found[PREFIX + name] for name in names if PREFIX + name in found}
    entries = {name: json.loads(found[catalog_id(name)]) for name in names if catalog_id(name) in found}
    return texts, Place(ns, {name: entry["ptr"] for name, entry in entries.items()}, entries)


def _check(
    connection: BaseDatabaseWrapper, place: Place, operations: Sequence[Operation], data: dict[str, str], out: Any
) -> None:
    """Raise ``SchemaDataError`` with all that documents do not keep."""
    if offences := _ask_all(connection, place, operations, data, out):
        listed = "\n".join(f"- {offence}" for offence in offences)
        raise SchemaDataError(f"Documents do not fit what models demand now. Change them first:\n{listed}")
    for operation in operations:
        if isinstance(operation, ForgetTable) and not _is_empty(connection, place, operation.table):
            raise SchemaError(
                f"The table {operation.table!r} has documents, or has had some, so that it is not removed. Delete it "
                f"with kontract.tables.drop({operation.table!r})."
            )


def _ask_all(
    connection: BaseDatabaseWrapper, place: Place, operations: Sequence[Operation], data: dict[str, str], out: Any
) -> list[Offence]:
    offences: list[Offence] = []
    for demand in find_demands(connection, operations, data):
        out.write(f"Checking {demand.table}: {demand.what}.")
        if (offence := ask(connection, demand, place.ns, place.ptrs[demand.table])) is not None:
            offences.append(offence)
    return offences


def _is_empty(connection: BaseDatabaseWrapper, place: Place, name: str) -> bool:
    return bool(fetch_one(connection, IS_EMPTY, {"ns": place.ns, "ptr": place.ptrs[name]})[0])


def _settle(
    connection: BaseDatabaseWrapper, place: Place, operation: Operation, data: dict[str, str], out: Any
) -> None:
    """Make or remove the key rows of a unique constraint."""
    if not isinstance(operation, (AddConstraint, RemoveConstraint)) or operation.constraint.kind != "unique":
        return
    table, constraint, ptr = operation.table, operation.constraint, place.ptrs[operation.table]
    if isinstance(operation, RemoveConstraint):
        unique.remove(connection, ns=place.ns, ptr=ptr, name=place.key_name(table, constraint.name))
        return
    key = find_key(connection, table, constraint)
    if key is None:
        out.write(f"{constraint.name} is known to older code only: run kontract_migrate verify once that is back.")
        return
    total = fetch_one(connection, COUNT_LIVE, {"ns": place.ns, "ptr": ptr})[0]
    progress = Progress(out, f"Making the values of {constraint.name} unique", total)
    unique.build(
        connection,
        ns=place.ns,
        ptr=ptr,
        name=constraint.name,
        key=key,
        data=data[table],
        total=total,
        tell=progress.tell,
    )
