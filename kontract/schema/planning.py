"""What is to be done in which namespace, found without changing anything.

Namespaces that look alike, as those of tenants do, are looked at once.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.mvcc.connections import fetch_all, fetch_one
from kontract.mvcc.versions.schema import FINGERPRINTS, IS_EMPTY, TABLE_ENTRIES
from kontract.orm.source import find_model
from kontract.schema.declared import make_value
from kontract.schema.diff import Difference, diff
from kontract.schema.lock import Lock
from kontract.schema.moves import Move
from kontract.schema.operations import AddField, AddTable, Operation
from kontract.schema.record import Record, read_texts
from kontract.schema.state import State, TableState, digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done in namespaces that look alike, ``numbers`` by their names.

    ``texts`` are the records that it was made of; ``adopted`` are tables that have none yet, with the state that they
    are taken to be in; ``newer`` says why this code is older than the records, and is empty where it is not.
    """

    numbers: Mapping[str, int]
    texts: Mapping[str, str]
    adopted: Mapping[str, TableState]
    difference: Difference
    newer: tuple[str, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether nothing is to be done."""
        return not (self.adopted or self.difference or self.newer)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What happens by itself to tables that exist; those that are missing are created beforehand."""
        return tuple(
            operation
            for operation in self.difference.operations
            if not (isinstance(operation, AddTable) and operation.before is None)
        )


def make_plans(
    connection: BaseDatabaseWrapper,
    namespaces: Mapping[str, int],
    wanted: State,
    *,
    lock: Lock | None = None,
    creating: Collection[int] = (),
    revert: bool = False,
    remaining: Callable[[int], Sequence[Move]] = lambda ns: (),
) -> list[Plan]:
    """Return what brings namespaces, numbers by names, to the state ``wanted``.

    In those that are ``creating`` tables are created that are missing; elsewhere that happens at their first use.  With
    ``revert`` states that the records know as former ones are wanted on purpose.  ``remaining`` are the operations of
    migration files that come before that in a namespace.
    """
    plans = []
    filled: dict[tuple[str, str], Any] = {}
    for names in _group(connection, namespaces, creating):
        numbers = {name: namespaces[name] for name in names}
        first = numbers[names[0]]
        plan = _make_plan(connection, first, numbers, wanted, remaining(first), create=first in creating)
        if not revert:
            plan = replace(plan, newer=find_newer(plan.texts, wanted, lock))
        operations = tuple(_fill(operation, connection, filled) for operation in plan.difference.operations)
        plans.append(replace(plan, difference=replace(plan.difference, operations=operations)))
    return plans


def _group(
    connection: BaseDatabaseWrapper, namespaces: Mapping[str, int], creating: Collection[int]
) -> Iterable[list[str]]:
    rows = fetch_all(connection, FINGERPRINTS, {"namespaces": list(namespaces.values())})
    found: dict[int, str] = {row[0]: row[1] for row in rows}
    groups: dict[Any, list[str]] = {}
    for name, number in namespaces.items():
        groups.setdefault((found.get(number), number in creating), []).append(name)
    return groups.values()


def _make_plan(
    connection: BaseDatabaseWrapper,
    ns: int,
    numbers: Mapping[str, int],
    wanted: State,
    moves: Sequence[Move],
    *,
    create: bool,
) -> Plan:
    texts = read_texts(connection, [ns])[ns]
    ptrs = {name: ptr for _, name, ptr, _ in fetch_all(connection, TABLE_ENTRIES, {"namespaces": [ns]})}
    before: State = {name: Record.from_text(text).state for name, text in texts.items()}
    adopted = {name: table for name, table in wanted.items() if name in ptrs and name not in texts}
    before = _moved({**before, **adopted}, moves, wanted)
    known = before.keys() | ptrs.keys()
    after = wanted if create else {name: table for name, table in wanted.items() if name in known}
    difference = diff(before, after)
    if difference.refusals and not create:  # may be a rename, which only the table that is new elsewhere tells
        difference = _without_new(diff(before, wanted), known)
    if difference.refusals:
        empty = _find_empty(connection, numbers.values(), ptrs, {refusal.table for refusal in difference.refusals})
        difference = diff(before, after, empty=empty) if empty else difference
    return Plan(numbers=numbers, texts=texts, adopted=adopted, difference=difference)


def _moved(state: State, moves: Iterable[Move], wanted: State) -> State:
    """Return what ``state`` will be once migration files are applied."""
    for move in moves:
        if move.table in state:
            state = move.resolve(state[move.table], wanted.get(move.table)).apply(state)
    return state


def _without_new(difference: Difference, known: Collection[str]) -> Difference:
    kept = tuple(operation for operation in difference.operations if operation.table in known)
    return replace(difference, operations=kept)


def _find_empty(
    connection: BaseDatabaseWrapper, numbers: Iterable[int], ptrs: Mapping[str, int], names: Iterable[str]
) -> set[str]:
    """Return which of these tables have neither documents nor history, in none of the namespaces."""
    empty = {name for name in names if name in ptrs}
    for ns in numbers:
        its = {name: ptr for _, name, ptr, _ in fetch_all(connection, TABLE_ENTRIES, {"namespaces": [ns]})}
        empty = {name for name in empty if fetch_one(connection, IS_EMPTY, {"ns": ns, "ptr": its[name]})[0]}
        if not empty:
            break
    return empty


def _fill(operation: Operation, connection: BaseDatabaseWrapper, filled: dict[tuple[str, str], Any]) -> Operation:
    """Return the operation with the value that old documents get where a function makes it: once for all of them."""
    if not isinstance(operation, AddField) or not operation.field.default_from:
        return operation
    key = (operation.table, operation.field.name)
    if key not in filled:
        model = find_model(operation.table)
        field = next(field for field in model._meta.local_concrete_fields if field.column == operation.field.name)
        filled[key] = make_value(field, connection)
    return replace(operation, fill=filled[key])


# --- Whether the code is older than the database ---------------------------------------------------------------------


def find_newer(texts: Mapping[str, str], wanted: State, lock: Lock | None) -> tuple[str, ...]:
    """Return what shows that newer code than this has changed the tables, as sentences.

    Code is older where it wants a state that a table was in before, unless its lock file knows the table's state as a
    former one: then it takes a change back.
    """
    return tuple(
        reason
        for name, text in texts.items()
        if (reason := _find_newer(name, Record.from_text(text), wanted.get(name), lock))
    )


def _find_newer(name: str, record: Record, wanted: TableState | None, lock: Lock | None) -> str:
    now = digest(record.state)
    if wanted is None:
        unknown = lock is not None and record.state.primary_key is not None and not lock.knows(name)
        return f"The table {name!r} belongs to a model that this code has never had." if unknown else ""
    if digest(wanted) == now or digest(wanted) not in record.past:
        return ""
    if lock is not None and now in lock.past.get(name, ()):
        return ""
    return f"The table {name!r} was as this code wants it, and is at number {record.schema} of its schema now."
