"""The unit of work of each open transaction: when it is flushed, and what happens to it on a rollback.

kontract lives inside Django's own transactions.  Django has ``on_commit`` but nothing that runs *before* a commit, so
the first write in a transaction wraps ``commit``, ``rollback`` and the savepoint methods of that one connection object:
the unit of work is flushed right before the commit, and follows each savepoint.  Every way to end a transaction
(``atomic``, a decorator, ``ATOMIC_REQUESTS``, ``set_autocommit(False)``) ends in those methods.

Inside Django's ``TestCase`` the outer blocks belong to the test and never commit; there the end of the outermost block
of the tested code is the commit, and a single write is flushed at once.  That flush is none of the queries that tests
count: they do not count a commit either.
"""

import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, SupportsIndex, cast

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError, atomic, mark_for_rollback_on_error
from django.dispatch import Signal

from kontract.conf import get_settings
from kontract.mvcc import access, clock
from kontract.mvcc.claims import claim
from kontract.mvcc.flush import Outcome, flush, flush_early, run_steps
from kontract.mvcc.steps import Step, single_step
from kontract.mvcc.unit import Isolation, Unit
from kontract.mvcc.writes import Write

rolled_back = Signal()  # sent with ``using``, the alias, whenever a rollback may have undone something

# Kept on Django's connection, which is one thread's: the unit and the psycopg connection that it collects for.
_UNIT = "_kontract_unit"
_HOOKED = "_kontract_hooked"


def in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the caller has a transaction open; those of a ``TestCase``, the outermost ones, do not count."""
    if connection.in_atomic_block:
        return not (connection.atomic_blocks and getattr(connection.atomic_blocks[-1], "_from_testcase", False))
    return not connection.autocommit


def find_unit(connection: BaseDatabaseWrapper) -> Unit | None:
    """Return the unit of work of the open transaction; None where each operation is its own transaction."""
    if not in_transaction(connection):
        settle(connection)
        return None
    if connection.connection is None:
        connection.ensure_connection()  # begins a transaction that waits for its first use
    return _peek(connection) or begin(connection, "joined", None)


def require_unit(connection: BaseDatabaseWrapper) -> Unit:
    """Return the unit of work of the open transaction.  Raises ``TransactionManagementError`` outside of one."""
    if (unit := find_unit(connection)) is None:
        raise TransactionManagementError("No transaction is open to collect writes for.")
    return unit


def _peek(connection: BaseDatabaseWrapper) -> Unit | None:
    unit, raw = connection.__dict__.get(_UNIT, (None, None))
    return unit if raw is connection.connection else None  # else the connection was lost, and the unit with it


def begin(connection: BaseDatabaseWrapper, isolation: Isolation, label: str | None) -> Unit:
    """Open a unit of work for the transaction that the connection is in."""
    savepoints = [sid for sid in connection.savepoint_ids if sid is not None]
    unit = Unit(isolation=isolation, label=label, savepoints=savepoints, eager=True)
    connection.__dict__[_UNIT] = unit, connection.connection
    follow(connection)
    if connection.in_atomic_block and not isinstance(connection.savepoint_ids, _Savepoints):
        connection.savepoint_ids = cast(Any, _Savepoints(connection))
    return unit


def settle(connection: BaseDatabaseWrapper) -> None:
    """Flush what a block without a savepoint left behind inside a ``TestCase``."""
    unit = _peek(connection)
    if unit is not None and connection.in_atomic_block:
        connection.__dict__.pop(_UNIT, None)
        with _uncounted(connection):
            flush(connection, unit, commit=False)


def collect(connection: BaseDatabaseWrapper, unit: Unit, *writes: Write) -> None:
    """Take ``writes`` into the unit; beyond ``FLUSH_LIMIT`` flush early, unless a savepoint may still drop them.

    Raises ``ConstraintError`` where one would break a check, or has a unique value of another document's, and
    ``PermissionDeniedError`` where the running call may not write so.
    """
    connection.validate_no_broken_transaction()
    access.admit(writes)
    claim(connection, unit, writes)
    limit = get_settings().FLUSH_LIMIT
    for write in writes:
        unit.collect(write)
        if unit.count > limit and not unit.nested:
            flush_early(connection, unit)


def write_now(connection: BaseDatabaseWrapper, writes: list[Write]) -> list[Outcome]:
    """Write outside any transaction of the caller's, as a transaction of its own; see collect()."""
    access.admit(writes)
    if len(writes) == 1:
        return [run_now(connection, single_step(writes[0]))]
    unit = Unit(isolation="joined", label=None, savepoints=[])
    for write in writes:
        unit.collect(write)
    commit = _commits(connection)
    if len(writes) <= get_settings().FLUSH_LIMIT or not commit:
        outcomes = flush(connection, unit, commit=commit)
    else:
        with atomic(connection.alias):  # several steps need a transaction around them
            outcomes = flush(connection, unit, commit=True)
    if commit:
        _tell(connection, unit.committed)
    return outcomes


def run_now(connection: BaseDatabaseWrapper, step: Step) -> Outcome:
    """Run one step outside any transaction of the caller's, as a transaction of its own."""
    commit = _commits(connection)
    (outcome,) = run_steps(connection, [step], commit=commit)
    if outcome.txid:
        clock.saw(connection.alias, step.ns, outcome.txid)
        if commit:
            clock.committed(connection.alias, step.ns, outcome.txid)
    return outcome


def _tell(connection: BaseDatabaseWrapper, committed: Mapping[int, int]) -> None:
    for ns, txid in committed.items():
        clock.committed(connection.alias, ns, txid)


def _commits(connection: BaseDatabaseWrapper) -> bool:
    """Return whether a single write is to be committed: not inside a ``TestCase``, which will roll it back."""
    if connection.in_atomic_block:
        follow(connection)
        return False
    return True


# --- Following Django's connection -----------------------------------------------------------------------------------


def follow(connection: BaseDatabaseWrapper) -> None:
    """Wrap the methods of this connection object that end a transaction or move between its savepoints."""
    if connection.__dict__.setdefault(_HOOKED, False):
        return
    connection.__dict__[_HOOKED] = True
    hooks: dict[str, Callable[..., Any]] = {
        "commit": _on_commit,
        "rollback": _on_rollback,
        "savepoint": _on_savepoint,
        "savepoint_commit": _on_release,
        "savepoint_rollback": _on_rollback_to,
        "set_autocommit": _on_set_autocommit,
    }
    for name, hook in hooks.items():
        setattr(connection, name, partial(hook, connection, getattr(connection, name)))


class _Savepoints(list[str | None]):
    """Django's list of the savepoints of open blocks, which tells the end of a block without one, too.

    Nothing else does inside a ``TestCase``, where the outermost of the tested code's blocks may be such a block.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        super().__init__(connection.savepoint_ids)
        self._connection = weakref.proxy(connection)

    def pop(self, *index: SupportsIndex) -> str | None:
        """Remove the savepoint of the block that ends, and flush what it has collected if nothing was wrong with it."""
        sid = super().pop(*index)
        connection = self._connection
        if sid is None and not in_transaction(connection) and not connection.needs_rollback and not any(sys.exc_info()):
            with mark_for_rollback_on_error(connection.alias):
                settle(connection)
        return sid


@contextmanager
def _uncounted(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Keep what stands for a commit inside a ``TestCase`` from those who count queries there."""
    counted = connection.force_debug_cursor
    connection.force_debug_cursor = False
    try:
        yield
    finally:
        connection.force_debug_cursor = counted


def _on_commit(connection: BaseDatabaseWrapper, original: Callable[[], None]) -> None:
    connection.validate_no_atomic_block()
    unit = _peek(connection)
    connection.__dict__.pop(_UNIT, None)
    if unit is not None:
        try:
            flush(connection, unit, commit=True)
        except BaseException:
            _abandon(connection)
            raise
    original()
    if unit is not None:
        _tell(connection, unit.committed)


def _abandon(connection: BaseDatabaseWrapper) -> None:
    """Roll back after a failed flush; Django does so only for database errors."""
    try:
        connection.rollback()
    except Error:
        connection.close()


def _on_rollback(connection: BaseDatabaseWrapper, original: Callable[[], None]) -> None:
    connection.validate_no_atomic_block()
    connection.__dict__.pop(_UNIT, None)
    rolled_back.send(sender=None, using=connection.alias)
    original()


def _on_savepoint(connection: BaseDatabaseWrapper, original: Callable[[], str | None]) -> str | None:
    if not in_transaction(connection):
        settle(connection)  # else a rollback to this savepoint would drop what was written before it
    sid = original()
    if sid is not None and (unit := _peek(connection)) is not None:
        unit.savepoint(sid)
    return sid


def _on_release(connection: BaseDatabaseWrapper, original: Callable[[str], None], sid: str) -> None:
    if (unit := _peek(connection)) is not None:
        unit.release(sid)
        if not in_transaction(connection):  # the end of the tested code's outermost block, inside a TestCase
            connection.__dict__.pop(_UNIT, None)
            with _uncounted(connection):
                flush(connection, unit, commit=False)
    original(sid)


def _on_rollback_to(connection: BaseDatabaseWrapper, original: Callable[[str], None], sid: str) -> None:
    if (unit := _peek(connection)) is not None:
        unit.rollback_to(sid)
        if not in_transaction(connection):
            connection.__dict__.pop(_UNIT, None)
    rolled_back.send(sender=None, using=connection.alias)
    original(sid)


def _on_set_autocommit(
    connection: BaseDatabaseWrapper, original: Callable[..., None], autocommit: bool, *args: Any, **kwargs: Any
) -> None:
    """Refuse to leave manual transaction management with writes pending, as psycopg does once it has sent some."""
    if autocommit and (unit := _peek(connection)) is not None and unit.pending:
        raise TransactionManagementError("There are writes that are not committed. Call commit() or rollback() first.")
    original(autocommit, *args, **kwargs)
