"""Putting collected writes into the database: the only place that takes the clock.

A flush is one message, that is one round trip: unversioned writes first (they need no clock), then for each namespace
in ascending order ``LOCK`` and ``WRITE``, then ``COMMIT``.  Because the commit travels with the writes, a client that
stalls or dies never holds the clock: the server goes from taking it to releasing it without hearing from the client.

Three things bend that: writes beyond ``FLUSH_LIMIT`` go in several steps; versions read in a transaction whose
isolation we did not choose are compared under the clock first; and inside a ``TestCase`` there is no commit.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import Cursor, IsolationLevel

from kontract.conf import get_settings
from kontract.exceptions import ConflictError
from kontract.mvcc import clock, versions
from kontract.mvcc.connections import get_raw, is_idle
from kontract.mvcc.elsewhere import check_present, deletions
from kontract.mvcc.errors import translated
from kontract.mvcc.prepared import compose
from kontract.mvcc.steps import Step, finish_step, in_place_step, write_one_step, write_step
from kontract.mvcc.unit import Flushed, Unit
from kontract.mvcc.writes import Changes, Write, combine_changes, decode_changes, encode


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What one write statement did: its txid (0 for an unversioned table, None where nothing was to be done).

    ``changes`` is for batches.  ``given`` is what a single write gives back, as JSON text; None where there was no such
    document.
    """

    txid: int | None = None
    changes: Changes = field(default_factory=dict)
    given: str | None = None

    @property
    def extra(self) -> Any:
        """What a single write gives back: the document's owner, and its content if it was merged or taken; or None."""
        return None if self.given is None else json.loads(self.given)


def flush(connection: BaseDatabaseWrapper, unit: Unit, *, commit: bool) -> list[Outcome]:
    """Write everything that ``unit`` has collected and, with ``commit``, commit the transaction.

    Raises ``ConflictError``, ``ClockTimeoutError``, or what PostgreSQL says.  The caller rolls back.
    """
    if not unit.pending and not unit.flushed:
        return []
    steps, outcomes = _flush(connection, unit, commit=commit)
    for step, outcome in zip(steps, outcomes, strict=True):
        if outcome.txid:
            unit.committed[step.ns] = outcome.txid
    unit.committed |= {ns: flushed.txid for ns, flushed in unit.flushed.items()}
    for ns, txid in unit.committed.items():
        clock.saw(connection.alias, ns, txid)
    unit.flushed.clear()
    unit.clear()
    return outcomes


def flush_in_vain(connection: BaseDatabaseWrapper, unit: Unit, *, rollback: bool) -> None:
    """Write everything that ``unit`` has collected, which the caller will roll back; raise what ``flush`` would.

    With ``rollback`` the transaction is rolled back in the same message, so that the clock is not held for longer than
    by a commit.
    """
    if unit.pending or unit.flushed:
        _flush(connection, unit, rollback=rollback)


def _flush(
    connection: BaseDatabaseWrapper, unit: Unit, *, commit: bool = False, rollback: bool = False
) -> tuple[list[Step], list[Outcome]]:
    if unit.seen:
        for ns, writes in unit.by_namespace().items():
            _check_seen(connection, unit, ns, writes)
    older = unit.isolation != "joined" and not is_idle(connection)  # the snapshot is, than what others have committed
    gone = deletions(unit) if older else {}
    steps = list(_final_steps(connection, unit))
    outcomes = run_steps(connection, steps, commit=commit and not gone, rollback=rollback and not gone)
    if gone:
        check_present(connection, unit, gone)
        with connection.cursor() as cursor:
            cursor.execute(versions.clock.SYNCHRONOUS)  # what commits now does not wait for the flush outside the clock
    return steps, outcomes


def flush_early(connection: BaseDatabaseWrapper, unit: Unit) -> None:
    """Write what ``unit`` has collected but keep the transaction, and so the clock, open."""
    for ns, writes in unit.by_namespace().items():
        unit.in_steps.add(ns)
        _check_seen(connection, unit, ns, writes)
        _flush_namespace(connection, unit, ns, writes)
    unit.clear()


def _final_steps(connection: BaseDatabaseWrapper, unit: Unit) -> Iterator[Step]:
    """Yield what is left to do, unversioned writes first so that their row locks are never waited for under a clock."""
    limit = get_settings().FLUSH_LIMIT
    versioned: dict[int, list[Write]] = {}
    for ns, writes in unit.by_namespace().items():
        if in_place := [write for write in writes if not write.table.options.versioned]:
            yield in_place_step(ns, in_place, unit)
        if keep := [write for write in writes if write.table.options.versioned]:
            versioned[ns] = keep
    for ns in sorted(versioned.keys() | unit.flushed.keys()):
        writes = versioned.get(ns, [])
        if ns in unit.flushed or len(writes) > limit:
            unit.in_steps.add(ns)
            _flush_namespace(connection, unit, ns, writes)
            if flushed := unit.flushed.get(ns):  # none where there was nothing left to delete
                yield finish_step(ns, flushed)
        elif len(writes) == 1:
            yield write_one_step(writes[0], unit.label, unit)
        else:
            yield write_step(ns, writes, unit.label, unit=unit)


def _flush_namespace(connection: BaseDatabaseWrapper, unit: Unit, ns: int, writes: list[Write]) -> None:
    limit = max(1, get_settings().FLUSH_LIMIT)
    if unit.isolation == "snapshot" and is_idle(connection):
        # Nothing was read yet, and under the clock nothing changes: no need for a snapshot that others can make stale.
        get_raw(connection).isolation_level = IsolationLevel.READ_COMMITTED
    if in_place := [write for write in writes if not write.table.options.versioned]:
        run_steps(connection, [in_place_step(ns, in_place, unit)], commit=False)
    writes = [write for write in writes if write.table.options.versioned]
    for first in range(0, len(writes), limit):
        batch = writes[first : first + limit]
        flushed = unit.flushed.get(ns)
        step = write_step(ns, batch, unit.label, flushed=flushed, unit=unit)
        (outcome,) = run_steps(connection, [step], commit=False)
        if flushed:
            flushed.changes = combine_changes(flushed.changes, outcome.changes)
        elif outcome.txid is not None:
            flushed = unit.flushed[ns] = Flushed(outcome.txid, outcome.changes, 0)
        if flushed:
            flushed.note(batch)


def run_steps(
    connection: BaseDatabaseWrapper, steps: list[Step], *, commit: bool, rollback: bool = False
) -> list[Outcome]:
    """Run ``steps`` in one round trip, followed by COMMIT or ROLLBACK if so told, and return their outcomes.

    Where nothing of the caller's was begun they are a transaction of their own, READ COMMITTED: under the clock nothing
    that they see changes.

    Raises ``ConflictError`` if a table was dropped or made anew since its name was resolved.
    """
    if not steps:
        return []
    own = commit and is_idle(connection) and not _begins_serializable(connection)
    with translated(flushing=True), _transaction_of_its_own(connection) if own else nullcontext():
        message = "; ".join(_compose(connection, steps, own=own, commit=commit, rollback=rollback))
        with connection.cursor() as cursor:
            cursor.execute(message)
            return [_read(row) for row in _rows(cursor.cursor)]


def _compose(
    connection: BaseDatabaseWrapper, steps: list[Step], *, own: bool, commit: bool, rollback: bool
) -> Iterator[str]:
    """Yield the statements of the message.

    Several statements in one message are a transaction by themselves; only the wait for the flush needs it spelled out.
    """
    wait = commit and get_settings().DURABILITY == "group"
    if own and wait:
        yield "BEGIN ISOLATION LEVEL READ COMMITTED"
    for step in steps:  # all of them before any clock is taken
        yield from (compose(connection, *statement) for statement in step.before)
    for step in steps:
        if step.locks:
            yield compose(connection, *clock.lock(step.ns))
        if not own and "tables" in step.params:
            yield compose(connection, versions.locking.HOLD_TABLES, {"ns": step.ns, "tables": step.params["tables"]})
        yield from (compose(connection, *statement) for statement in step.under)
        yield compose(connection, step.sql, step.params)
    for step in steps:
        yield from (compose(connection, *statement) for statement in step.after)
    if rollback:
        yield "ROLLBACK"
    elif not commit:
        yield versions.clock.UNSET
    elif wait or not own:
        yield "COMMIT"
    if wait:
        yield versions.clock.WAIT_FOR_FLUSH


def _rows(cursor: Cursor[Any]) -> Iterator[Any]:
    """Yield the row of each write statement; other results have one column, or none."""
    more: bool | None = True
    while more:
        if cursor.pgresult is not None and cursor.pgresult.nfields == versions.writing.OUTCOME_COLUMNS:
            yield cursor.fetchone()
        more = cursor.nextset()


def _begins_serializable(connection: BaseDatabaseWrapper) -> bool:
    """Return whether psycopg is about to begin a SERIALIZABLE transaction.

    PostgreSQL must know of those that only write, too, or others may see them in an order that cannot be:
    https://www.postgresql.org/docs/current/transaction-iso.html#XACT-SERIALIZABLE
    """
    raw = get_raw(connection)
    return not raw.autocommit and raw.isolation_level == IsolationLevel.SERIALIZABLE


@contextmanager
def _transaction_of_its_own(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Keep psycopg from sending a BEGIN of its own, and leave nothing open after an error."""
    raw = get_raw(connection)
    before = raw.autocommit
    if not before:
        raw.autocommit = True
    try:
        yield
    finally:
        if not raw.closed:
            if not is_idle(connection):
                raw.rollback()
            if not before:
                raw.autocommit = before


def _read(row: Sequence[Any]) -> Outcome:
    txid, changes, given, _ = row
    return Outcome(txid=txid, changes=decode_changes(changes) if changes else {}, given=given)


def _check_seen(connection: BaseDatabaseWrapper, unit: Unit, ns: int, writes: list[Write]) -> None:
    """Compare, under the clock, the versions that were read with the live ones."""
    if not any(write.key in unit.seen for write in writes):
        return
    params = {"ns": ns, "writes": encode(writes, seen=unit.seen)}
    with translated(flushing=True), connection.cursor() as cursor:
        cursor.execute(f"{compose(connection, *clock.lock(ns))}; {compose(connection, versions.writing.STALE, params)}")
        cursor.nextset()
        stale = cursor.fetchall()
    if stale:
        raise ConflictError(f"Document {stale[0][1]!r} was changed by another transaction since this one read it.")
    for write in writes:
        unit.seen.pop(write.key, None)
