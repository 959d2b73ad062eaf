"""Putting collected writes into the database: the only place that takes the clock.

A flush is one pipeline, that is one round trip: unversioned writes first (they need no clock), then for each namespace
in ascending order ``LOCK`` and ``WRITE``, then ``COMMIT``.  Because the commit travels with the writes, a client that
stalls or dies never holds the clock: the server goes from taking it to releasing it without hearing from the client.

Three things bend that: writes beyond ``FLUSH_LIMIT`` go in several steps; versions read in a transaction whose
isolation we did not choose are compared under the clock first; and inside a ``TestCase`` there is no commit.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg import IsolationLevel

from kontract.conf import get_settings
from kontract.context import get_call
from kontract.exceptions import ConflictError
from kontract.mvcc import clock, versions
from kontract.mvcc.connections import allow_preparing, get_raw, is_idle, server_cursor
from kontract.mvcc.errors import translated
from kontract.mvcc.unit import Flushed, Unit
from kontract.mvcc.writes import Changes, Table, Write, combine_changes, decode_changes, encode, encode_changes


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What one write statement did; ``extra`` is what it was asked to give back, decoded."""

    txid: int | None = None
    changes: Changes = field(default_factory=dict)
    extra: Any = None


@dataclass(frozen=True, slots=True)
class Step:
    """One statement of a flush, whose row becomes an ``Outcome``."""

    ns: int
    sql: str
    params: dict[str, Any]
    locks: bool = False


def write_step(ns: int, writes: list[Write], label: str | None, *, flushed: Flushed | None = None) -> Step:
    """Return the statement that writes versioned documents of one namespace.

    The tables are looked up again in the catalog, under the clock, so that a dropped one is never written to.
    """
    params = {"ns": ns, "writes": encode(writes, start=flushed.count if flushed else 0), **_resolved(writes)}
    if flushed:
        return Step(ns, versions.WRITE_MORE, params | {"txid": flushed.txid, "owner": get_call().owner})
    return Step(ns, versions.WRITE, params | _author(label), locks=True)


def in_place_step(ns: int, writes: list[Write]) -> Step:
    """Return the statement that writes unversioned documents of one namespace."""
    params = {"ns": ns, "writes": encode(writes), "owner": get_call().owner, **_resolved(writes)}
    return Step(ns, versions.WRITE_IN_PLACE, params)


def take_step(table: Table, *, last: bool, label: str | None) -> Step:
    """Return the statement that deletes a table's first or last document and gives it back."""
    params = {"ns": table.ns, "ptr": table.ptr, "tables": [catalog_id(table.name)], "ptrs": [table.ptr]}
    if not table.options.versioned:
        return Step(table.ns, versions.TAKE_LAST_IN_PLACE if last else versions.TAKE_FIRST_IN_PLACE, params)
    return Step(table.ns, versions.TAKE_LAST if last else versions.TAKE_FIRST, params | _author(label), locks=True)


def _resolved(writes: list[Write]) -> dict[str, list[Any]]:
    """Return the tables to look up again: all but kontract's own and those that the same batch creates."""
    created = {write.id for write in writes if write.table.ptr == versions.CATALOG}
    tables = {
        write.table.ptr: name
        for write in writes
        if write.table.ptr >= versions.FIRST_PTR and (name := catalog_id(write.table.name)) not in created
    }
    return {"tables": list(tables.values()), "ptrs": list(tables)}


def _author(label: str | None) -> dict[str, str | None]:
    call = get_call()
    return {"sid": call.sid, "owner": call.owner, "label": label or call.route}


def catalog_id(name: str) -> str:
    """Return the id of a logical table's document in the catalog."""
    return f"table/{name}"


def flush(connection: BaseDatabaseWrapper, unit: Unit, *, commit: bool) -> list[Outcome]:
    """Write everything that ``unit`` has collected and, with ``commit``, commit the transaction.

    Raises ``ConflictError``, ``ClockTimeoutError``, or what PostgreSQL says.  The caller rolls back.
    """
    for ns, writes in unit.by_namespace().items():
        _check_seen(connection, unit, ns, writes)
    steps = list(_final_steps(connection, unit))
    outcomes = run_steps(connection, steps, commit=commit)
    for step, outcome in zip(steps, outcomes, strict=True):
        if outcome.txid is not None:
            unit.committed[step.ns] = outcome.txid
    unit.committed |= {ns: flushed.txid for ns, flushed in unit.flushed.items()}
    for ns, txid in unit.committed.items():
        clock.saw(connection.alias, ns, txid)
    unit.flushed.clear()
    unit.clear()
    return outcomes


def flush_early(connection: BaseDatabaseWrapper, unit: Unit) -> None:
    """Write what ``unit`` has collected but keep the transaction, and so the clock, open."""
    for ns, writes in unit.by_namespace().items():
        _check_seen(connection, unit, ns, writes)
        _flush_namespace(connection, unit, ns, writes)
    unit.clear()


def _final_steps(connection: BaseDatabaseWrapper, unit: Unit) -> Iterator[Step]:
    """Yield what is left to do, unversioned writes first so that their row locks are never waited for under a clock."""
    limit = get_settings().FLUSH_LIMIT
    versioned: dict[int, list[Write]] = {}
    for ns, writes in unit.by_namespace().items():
        if in_place := [write for write in writes if not write.table.options.versioned]:
            yield in_place_step(ns, in_place)
        if keep := [write for write in writes if write.table.options.versioned]:
            versioned[ns] = keep
    for ns in sorted(versioned.keys() | unit.flushed.keys()):
        writes = versioned.get(ns, [])
        if ns in unit.flushed or len(writes) > limit:
            _flush_namespace(connection, unit, ns, writes)
            yield _finish_step(ns, unit.flushed[ns])
        else:
            yield write_step(ns, writes, unit.label)


def _flush_namespace(connection: BaseDatabaseWrapper, unit: Unit, ns: int, writes: list[Write]) -> None:
    limit = max(1, get_settings().FLUSH_LIMIT)
    if unit.isolation == "snapshot" and is_idle(connection):
        # Nothing was read yet, and under the clock nothing changes: no need for a snapshot that others can make stale.
        get_raw(connection).isolation_level = IsolationLevel.READ_COMMITTED
    if in_place := [write for write in writes if not write.table.options.versioned]:
        run_steps(connection, [in_place_step(ns, in_place)], commit=False)
    writes = [write for write in writes if write.table.options.versioned]
    for first in range(0, len(writes), limit):
        batch = writes[first : first + limit]
        flushed = unit.flushed.get(ns)
        step = write_step(ns, batch, unit.label, flushed=flushed)
        (outcome,) = run_steps(connection, [step], commit=False)
        if flushed:
            flushed.changes = combine_changes(flushed.changes, outcome.changes)
            flushed.count += len(batch)
        elif outcome.txid is not None:
            unit.flushed[ns] = Flushed(outcome.txid, outcome.changes, len(batch))


def _finish_step(ns: int, flushed: Flushed) -> Step:
    params = {"ns": ns, "txid": flushed.txid, "changes": encode_changes(flushed.changes)}
    return Step(ns, versions.FINISH, params)


def run_steps(connection: BaseDatabaseWrapper, steps: list[Step], *, commit: bool) -> list[Outcome]:
    """Run ``steps`` in one pipeline, followed by COMMIT if ``commit``, and return their outcomes.

    Raises ``ConflictError`` if a table was dropped or made anew since its name was resolved.
    """
    if not steps:
        return []
    implicit = commit and is_idle(connection)
    wait = commit and get_settings().DURABILITY == "group"
    with translated(), connection.wrap_database_errors, _autocommit(connection) if implicit else nullcontext():
        allow_preparing(connection)
        with get_raw(connection).pipeline() as pipeline:
            control = server_cursor(connection)
            cursors = [_send(connection, control, step) for step in steps]
            for statement in () if implicit else ("COMMIT",) if commit else versions.UNSET:
                control.execute(statement)
            if wait:
                pipeline.sync()
                control.execute(versions.WAIT_FOR_FLUSH)
        return [_read(step, cursor) for step, cursor in zip(steps, cursors, strict=True)]


def _send(connection: BaseDatabaseWrapper, control: CursorWrapper, step: Step) -> CursorWrapper:
    if step.locks:
        control.execute(*clock.lock(step.ns))
    cursor = server_cursor(connection)
    cursor.execute(step.sql, step.params)
    return cursor


def _read(step: Step, cursor: CursorWrapper) -> Outcome:
    if step.sql == versions.FINISH:
        return Outcome(txid=step.params["txid"])
    txid, changes, extra, known = cursor.fetchone()
    if not known:
        names = ", ".join(name.partition("/")[2] for name in step.params["tables"])
        raise ConflictError(f"A logical table was dropped or made anew since it was resolved ({names}). Run it again.")
    return Outcome(txid=txid, changes=decode_changes(changes), extra=json.loads(extra) if extra else None)


@contextmanager
def _autocommit(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let the pipeline be its own transaction, even where Django has one prepared but not begun."""
    raw = get_raw(connection)
    before = raw.autocommit
    if not before:
        raw.autocommit = True
    try:
        yield
    finally:
        if not before and not raw.closed:
            raw.autocommit = before


def _check_seen(connection: BaseDatabaseWrapper, unit: Unit, ns: int, writes: list[Write]) -> None:
    """Compare, under the clock, the versions that were read with the live ones."""
    if not any(write.key in unit.seen for write in writes):
        return
    with translated(), connection.wrap_database_errors:
        with get_raw(connection).pipeline():
            control, check = server_cursor(connection), server_cursor(connection)
            control.execute(*clock.lock(ns))
            check.execute(versions.STALE, {"ns": ns, "writes": encode(writes, seen=unit.seen)})
        stale = check.fetchall()
    for write in writes:
        unit.seen.pop(write.key, None)
    if stale:
        raise ConflictError(f"Document {stale[0][1]!r} was changed by another transaction since this one read it.")
