"""Asking all documents whether they keep what models demand, and giving them the key rows that they lack.

Code that does not know of a new constraint may have written meanwhile: documents that break it, or without key rows.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.mvcc.connections import fetch_all, fetch_one
from kontract.mvcc.transaction import run_transaction
from kontract.mvcc.versions.schema import COUNT_LIVE, keyless
from kontract.schema import unique
from kontract.schema.demands import Demand, Offence, ask, find_demands, find_key
from kontract.schema.executor import LABEL, Place, Readings, find_place
from kontract.schema.operations import AddConstraint, AlterField, Operation
from kontract.schema.progress import Progress
from kontract.schema.record import read_all
from kontract.schema.state import STATELESS, ConstraintState, FieldState, TableState


def verify(connection: BaseDatabaseWrapper, ns: int, out: Any) -> list[Offence]:
    """Return what documents of a namespace do not keep, having made the key rows that lacked; ``out`` is told."""

    def work() -> list[Offence]:
        place = find_place(connection, ns)
        offences: list[Offence] = []
        for name, record in read_all(connection, ns).items():
            if name in place.ptrs:
                offences.extend(_verify_table(connection, place, record.state, out))
        return offences

    return run_transaction(work, using=connection.alias, label=f"{LABEL} verify")[0]


def _verify_table(connection: BaseDatabaseWrapper, place: Place, state: TableState, out: Any) -> Iterator[Offence]:
    data = Readings(connection, place)
    demands = find_demands(connection, _all_demanded(state), data)
    offences = [offence for demand in demands if (offence := _ask(connection, place, demand))]
    yield from offences
    if offences:
        return
    for constraint in state.constraints.values():
        if constraint.kind == "unique":
            _complete(connection, place, state.name, constraint, data, out)


def _ask(connection: BaseDatabaseWrapper, place: Place, demand: Demand) -> Offence | None:
    return ask(connection, demand, place.ns, place.ptrs[demand.table])


def _all_demanded(state: TableState) -> Iterable[Operation]:
    """Yield operations that demand what the table's state does, as if all of it were new."""
    for field in state.fields.values():
        before = FieldState(name=field.name, type=STATELESS, null=True)
        yield AlterField(table=state.name, before=before, after=field)
    for constraint in state.constraints.values():
        yield AddConstraint(table=state.name, constraint=constraint)


def _complete(
    connection: BaseDatabaseWrapper,
    place: Place,
    table: str,
    constraint: ConstraintState,
    data: Mapping[str, str],
    out: Any,
) -> None:
    """Make the key rows of a unique constraint anew where a document lacks its own."""
    key = find_key(connection, table, constraint)
    if key is None:
        return
    name, ptr = place.key_name(table, constraint.name), place.ptrs[table]
    params = {"ns": place.ns, "ptr": ptr, "prefix": unique.prefix(ptr, name), "limit": 1}
    lacking = fetch_all(connection, keyless(data[table], key), params)
    if not lacking:
        return
    total = fetch_one(connection, COUNT_LIVE, {"ns": place.ns, "ptr": ptr})[0]
    progress = Progress(out, f"Making the values of {constraint.name} unique, {lacking[0][1]:,} of which lacked", total)
    unique.build(
        connection, ns=place.ns, ptr=ptr, name=name, key=key, data=data[table], total=total, tell=progress.tell
    )
    progress.finish(total)
