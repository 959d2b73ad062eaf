"""What the catalog knows of a logical table's schema: its state, its number, and how it came to be so.

A table's record is the document ``schema/<table>`` of the catalog, so that it has a history as any other.  Numbers only
grow: a way back is a further step.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.mvcc.connections import fetch_all
from kontract.mvcc.reading import remember
from kontract.mvcc.steps import catalog_id
from kontract.mvcc.units import collect, find_unit, require_unit
from kontract.mvcc.versions import ptrs
from kontract.mvcc.versions.schema import SCHEMA_ENTRIES
from kontract.mvcc.writes import Table, Write
from kontract.schema.declared import describe_table
from kontract.schema.operations import Operation, from_json
from kontract.schema.state import State, TableState, digest
from kontract.tables.ids import uuid7

PREFIX: Final = "schema/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Changes that were made together.

    ``schema`` is the table's number after them, ``run`` what the steps of all tables share that were made together, in
    the order of time, ``by`` the migration file that they come from ("" for automatic ones), and ``undoes`` the run
    that they take back.
    """

    schema: int
    operations: tuple[Operation, ...]
    run: str = ""
    by: str = ""
    undoes: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the step as a JSON object."""
        members = {"schema": self.schema, "run": self.run, "by": self.by, "undoes": self.undoes}
        operations = [operation.to_json() for operation in self.operations]
        return {name: value for name, value in members.items() if value} | {"ops": operations}

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> "Step":
        """See to_json()."""
        operations = tuple(map(from_json, members["ops"]))
        others = {name: value for name, value in members.items() if name != "ops"}
        return cls(operations=operations, **others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A table's state with the steps that led to it; ``past`` has the digests of the states that it was in before."""

    state: TableState
    steps: tuple[Step, ...] = ()
    past: tuple[str, ...] = ()

    @property
    def schema(self) -> int:
        """The number that documents are written with."""
        return self.state.schema

    def advance(self, operations: Sequence[Operation], *, run: str, by: str = "", undoes: str = "") -> "Record":
        """Return the record after further operations on this table, with the next number."""
        state: State = {self.state.name: self.state}
        for operation in operations:
            state = operation.apply(state)
        return self.become(state[self.state.name], operations, run=run, by=by, undoes=undoes)

    def become(
        self, state: TableState, operations: Sequence[Operation], *, run: str, by: str = "", undoes: str = ""
    ) -> "Record":
        """Return the record with a further step, operations that have led to ``state``.

        A state that is taken back is no former one: whoever wants it is not older.
        """
        number = self.schema + 1
        step = Step(schema=number, operations=tuple(operations), run=run, by=by, undoes=undoes)
        digests = dict.fromkeys(self.past if undoes else [*self.past, digest(self.state)])
        digests.pop(digest(state), None)
        past = tuple(digests)
        return replace(self, state=state.numbered(number), steps=(*self.steps, step), past=past)

    def remembering(self, digests: Iterable[str]) -> "Record":
        """Return the record with further digests of former states, such as those of the lock file."""
        return replace(self, past=tuple(dict.fromkeys([*digests, *self.past])))

    def to_text(self) -> str:
        """Return the record as JSON text."""
        members: dict[str, Any] = {"schema": self.schema, "state": self.state.to_json()}
        if self.steps or self.past:
            members |= {"steps": [step.to_json() for step in self.steps], "past": list(self.past)}
        return json.dumps(members, ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str) -> "Record":
        """Return the record that ``to_text`` wrote."""
        members = json.loads(text)
        return cls(
            state=TableState.from_json(members["state"]),
            steps=tuple(map(Step.from_json, members.get("steps", ()))),
            past=tuple(members.get("past", ())),
        )


def read_texts(connection: BaseDatabaseWrapper, namespaces: Iterable[int]) -> dict[int, dict[str, str]]:
    """Return the texts of all records in these namespaces, by number and table."""
    found: dict[int, dict[str, str]] = {ns: {} for ns in namespaces}
    unit = find_unit(connection)
    for ns, entry, data, txid in fetch_all(connection, SCHEMA_ENTRIES, {"namespaces": list(found)}):
        found[ns][entry.removeprefix(PREFIX)] = data
        if unit is not None:
            remember(unit, _catalog(ns), {entry: txid})
    for ns in found if unit is not None else ():
        for entry, write in unit.of_table(_catalog(ns)).items():  # type: ignore[union-attr]
            _overlay(found[ns], entry, write.data)
    return found


def _overlay(texts: dict[str, str], entry: str, data: str | None) -> None:
    if not entry.startswith(PREFIX):
        return
    if data is None:
        texts.pop(entry.removeprefix(PREFIX), None)
    else:
        texts[entry.removeprefix(PREFIX)] = data


def read_all(connection: BaseDatabaseWrapper, ns: int) -> dict[str, Record]:
    """Return the records of a namespace by table."""
    return {name: Record.from_text(text) for name, text in read_texts(connection, [ns])[ns].items()}


def read(connection: BaseDatabaseWrapper, ns: int, name: str) -> Record | None:
    """Return the record of the table ``name``; None where it has none."""
    return read_all(connection, ns).get(name)


def recorded_state(connection: BaseDatabaseWrapper, ns: int) -> State:
    """Return the recorded state of a namespace."""
    return {name: record.state for name, record in read_all(connection, ns).items()}


def new_run() -> str:
    """Return what the steps of one run share: a UUIDv7, so that runs are in the order of time."""
    return str(uuid7())


def record(
    connection: BaseDatabaseWrapper,
    ns: int,
    before: State,
    after: State,
    operations: Sequence[Operation],
    by: str,
    *,
    undoes: str = "",
) -> str:
    """Collect the records of tables that operations have brought from ``before`` to ``after``; return the run.

    A table that is called otherwise takes its record along.
    """
    run, records = new_run(), read_all(connection, ns)
    gone = before.keys() - after.keys()
    renamed = {getattr(operation, "new", ""): operation.table for operation in operations if operation.table in gone}
    for name, state in after.items():
        source = name if name in before else renamed.get(name, name)
        if before.get(source) == state:
            continue
        found = records.get(source)
        its = [operation for operation in operations if operation.table in (source, name)]
        entry = Record(state=state) if found is None else found.become(state, its, run=run, by=by, undoes=undoes)
        write(connection, ns, name, entry)
    for name in gone:
        write(connection, ns, name, None)
    return run


def write(connection: BaseDatabaseWrapper, ns: int, name: str, record: Record | None) -> None:
    """Collect a table's new record, or that it has none any more, for the open transaction."""
    write_text(connection, ns, name, None if record is None else record.to_text())


def write_text(connection: BaseDatabaseWrapper, ns: int, name: str, text: str | None) -> None:
    """Collect a table's new record as text; see write()."""
    change = Write(_catalog(ns), PREFIX + name, "delete" if text is None else "set", text)
    collect(connection, require_unit(connection), change)


def remove_table(connection: BaseDatabaseWrapper, ns: int, name: str) -> None:
    """Remove an empty table from the catalog, for the open transaction."""
    collect(connection, require_unit(connection), Write(_catalog(ns), catalog_id(name), "delete"))
    write(connection, ns, name, None)


class Recorder:
    """Keeps the records of tables that are created and dropped; see ``kontract.tables.catalog``."""

    def created(self, connection: BaseDatabaseWrapper, ns: int, name: str) -> None:
        """Record the state of a new table: what code declares it to be."""
        write(connection, ns, name, Record(state=describe_table(name, connection)))

    def dropped(self, connection: BaseDatabaseWrapper, ns: int, name: str) -> None:
        """Remove the record of a table."""
        write(connection, ns, name, None)


def _catalog(ns: int) -> Table:
    return Table(ns=ns, ptr=ptrs.CATALOG, name="catalog")
