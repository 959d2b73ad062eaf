"""``kontract.transaction()``: a block that is one transaction, and its retries."""

import asyncio
import functools
import inspect
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast, overload

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import atomic
from psycopg import IsolationLevel

from kontract.conf import Isolation, get_settings
from kontract.context import get_call, get_namespace
from kontract.exceptions import ConflictError, IsolationError
from kontract.mvcc import asynchronous
from kontract.mvcc.connections import get_alias, get_connection, get_raw
from kontract.mvcc.errors import translate
from kontract.mvcc.lazy import Armed, can_arm
from kontract.mvcc.unit import Unit
from kontract.mvcc.units import begin, find_unit, follow, in_transaction, settle

P = ParamSpec("P")
T = TypeVar("T")

_LEVELS = {"snapshot": IsolationLevel.REPEATABLE_READ, "serializable": IsolationLevel.SERIALIZABLE}
_STRENGTH = {"joined": 0, "snapshot": 1, "serializable": 2}
_FIRST_PAUSE = 0.02  # seconds: a few transactions long, so that those who collided once do not again


class Transaction:
    """A block that is one transaction; made by ``kontract.transaction``.

    A ``lazy`` one begins with the first use of the database, if there is any; inside another it is as any other.
    """

    can_run_again = True  # after a conflict: not inside another transaction, nor once this one has committed
    result: Any = None  # what the block gives to ``at_end``, and then what that returns
    _connection: BaseDatabaseWrapper | None = None
    _armed: Armed | None = None
    _atomic: AbstractContextManager[object] | None = None
    _restore: Callable[[], None] | None = None
    _unit: Unit | None = None
    _gate: asynchronous.Gate | None = None

    def __init__(
        self,
        *,
        using: str | None,
        isolation: Isolation | None,
        label: str | None,
        lazy: bool = False,
        at_end: Callable[[Any, BaseDatabaseWrapper], Any] | None = None,
    ) -> None:
        self._using = using
        self._isolation = isolation
        self._label = label
        self._lazy = lazy
        self._at_end = at_end

    @property
    def txid(self) -> int | None:
        """The position in commit order, once the outermost block has committed; None if it wrote nothing.

        A transaction that wrote to several namespaces has one in each; this is the first.
        """
        return next(iter(self._unit.committed.values()), None) if self._unit else None

    def __enter__(self) -> "Transaction":
        connection = self._connection = connections[get_alias(get_namespace(), self._using)]
        self._label = self._label or get_call().route
        if self._lazy and can_arm(connection):
            follow(connection)
            self._armed = Armed(connection, self._begin)
        else:
            self._begin()
        return self

    def _begin(self) -> None:
        connection = get_connection(cast(BaseDatabaseWrapper, self._connection).alias)
        joining = in_transaction(connection)
        if joining:
            self.can_run_again = False
            self._check_isolation(find_unit(connection))
        else:
            settle(connection)
        isolation = self._isolation or get_settings().ISOLATION
        if not connection.in_atomic_block and not joining:  # else the transaction has begun, perhaps a TestCase's
            self._restore = _set_level(connection, isolation)
        block = atomic(using=connection.alias)
        try:
            block.__enter__()
        except BaseException:
            self._restore_level()
            raise
        self._atomic = block
        self._unit = find_unit(connection) if joining else begin(connection, isolation, self._label)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None and self._at_end is not None:
            self._run_last(self._at_end)
        connection = cast(BaseDatabaseWrapper, self._connection)
        armed, self._armed = self._armed, None
        block, self._atomic = self._atomic, None
        try:
            if block is not None:
                block.__exit__(kind, error, traceback)
            elif armed is not None:  # else it was never entered
                armed.end(failed=error is not None)
        except DatabaseError as failure:
            # Django has this set from a commit until everything that waits for it has run.
            if block is None or connection.run_commit_hooks_on_set_autocommit_on:
                self.can_run_again = False
            _raise_translated(failure)
            raise
        finally:
            self._restore_level()
        if isinstance(error, DatabaseError):
            _raise_translated(error)

    def _run_last(self, at_end: Callable[[Any, BaseDatabaseWrapper], Any]) -> None:
        try:
            self.result = at_end(self.result, cast(BaseDatabaseWrapper, self._connection))
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise

    def _restore_level(self) -> None:
        restore, self._restore = self._restore, None
        if restore is not None:
            restore()

    def _check_isolation(self, unit: Unit | None) -> None:
        held = unit.isolation if unit else "joined"
        if self._isolation and _STRENGTH[held] < _STRENGTH[self._isolation]:
            raise IsolationError(
                f"The transaction that is already open does not have {self._isolation} isolation. Ask for it in the "
                f'outermost block: kontract.transaction(isolation="{self._isolation}").'
            )

    async def __aenter__(self) -> "Transaction":
        self._gate = await asynchronous.enter()
        try:
            return await asynchronous.finish(self.__enter__)
        except BaseException as error:
            try:
                await asynchronous.finish(self.__exit__, type(error), error, None)
            finally:
                self._gate.leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await asynchronous.finish(self.__exit__, kind, error, traceback)
        finally:
            cast(asynchronous.Gate, self._gate).leave()


def _raise_translated(error: DatabaseError) -> None:
    if (ours := translate(error)) is not None:
        raise ours from error


def _set_level(connection: BaseDatabaseWrapper, isolation: Isolation) -> Callable[[], None]:
    """Make the next BEGIN, which psycopg sends with the first statement, ask for ``isolation``; return the way back."""
    raw = get_raw(connection)
    before = raw.isolation_level

    def restore() -> None:
        if not raw.closed:
            raw.isolation_level = before

    raw.isolation_level = _LEVELS[isolation]
    return restore


def transaction(
    *, using: str | None = None, isolation: Isolation | None = None, label: str | None = None
) -> Transaction:
    """Return a block (``with`` or ``async with``) whose writes are one transaction.

    Writes are collected and flushed together when the block ends; reads see one snapshot and the block's own writes.
    Inside another transaction the block is a savepoint of it, and the outermost one commits.

    ``isolation`` is ``"snapshot"`` (the default, setting ``ISOLATION``) or ``"serializable"``: PostgreSQL's REPEATABLE
    READ and SERIALIZABLE, https://www.postgresql.org/docs/current/transaction-iso.html.  ``label`` names the
    transaction in the log.

    Raises ``ConflictError`` where another transaction committed a write to the same documents first; nothing is
    retried (see ``transactional``).  Raises ``IsolationError`` inside a transaction with a weaker isolation.
    """
    return Transaction(using=using, isolation=isolation, label=label)


def attempts(retries: int | None = None) -> Iterator[float]:
    """Yield the seconds to wait before each further attempt: exponential, with full jitter."""
    for attempt in range(get_settings().RETRIES if retries is None else retries):
        yield random.uniform(0, _FIRST_PAUSE * 2**attempt)  # noqa: S311 - not a secret


def run_transaction(
    function: Callable[[], T],
    *,
    using: str | None = None,
    isolation: Isolation | None = None,
    retries: int | None = None,
    label: str | None = None,
    lazy: bool = False,
    at_end: Callable[[T, BaseDatabaseWrapper], T] | None = None,
) -> tuple[T, int | None]:
    """Call ``function`` in a transaction, again after each conflict; return its result and the txid.

    Inside another transaction it runs once: only the outermost one can be run again.  A ``lazy`` transaction begins
    with the first use of the database: a function without any neither opens a connection nor needs one.

    ``at_end`` is given the result in the transaction, as the last thing in it, and returns what replaces it.
    """
    pauses = None
    while True:
        block = Transaction(using=using, isolation=isolation, label=label, lazy=lazy, at_end=at_end)
        try:
            with block:
                block.result = function()
            return block.result, block.txid
        except ConflictError:
            pauses = attempts(retries) if pauses is None else pauses
            if not block.can_run_again or (pause := next(pauses, None)) is None:
                raise
            time.sleep(pause)


def is_outermost(connection: BaseDatabaseWrapper, *, lazy: bool) -> bool:
    """Return whether a transaction would be inside no other; a ``lazy`` one establishes no connection to tell."""
    return (lazy and can_arm(connection)) or not in_transaction(get_connection(connection.alias))


async def arun_transaction(
    function: Callable[[], Awaitable[T]],
    *,
    using: str | None = None,
    isolation: Isolation | None = None,
    retries: int | None = None,
    label: str | None = None,
    lazy: bool = False,
    at_end: Callable[[T, BaseDatabaseWrapper], T] | None = None,
) -> tuple[T, int | None]:
    """See run_transaction()."""
    pauses = None
    while True:
        block = Transaction(using=using, isolation=isolation, label=label, lazy=lazy, at_end=at_end)
        try:
            async with block:
                block.result = await function()
            return block.result, block.txid
        except ConflictError:
            pauses = attempts(retries) if pauses is None else pauses
            if not block.can_run_again or (pause := next(pauses, None)) is None:
                raise
            await asyncio.sleep(pause)


@overload
def transactional(function: Callable[P, T], /) -> Callable[P, T]: ...


@overload
def transactional(
    *, using: str | None = None, isolation: Isolation | None = None, retries: int | None = None
) -> Callable[[Callable[P, T]], Callable[P, T]]: ...


def transactional(
    function: Callable[P, T] | None = None,
    /,
    *,
    using: str | None = None,
    isolation: Isolation | None = None,
    retries: int | None = None,
) -> Any:
    """Make each call of a function (sync or async) one transaction, run again after a conflict.

    ``retries`` is how often at most (setting ``RETRIES``); then ``ConflictError`` is raised.  The function must bear
    being run again: keep effects outside the database in ``django.db.transaction.on_commit``.
    """
    if function is None:
        return functools.partial(transactional, using=using, isolation=isolation, retries=retries)
    options: dict[str, Any] = {"using": using, "isolation": isolation, "retries": retries}
    options["label"] = function.__qualname__

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        result: T = run_transaction(lambda: function(*args, **kwargs), **options)[0]
        return result

    @functools.wraps(function)
    async def arun(*args: P.args, **kwargs: P.kwargs) -> Any:
        coroutine_function = cast(Callable[P, Awaitable[Any]], function)
        return (await arun_transaction(lambda: coroutine_function(*args, **kwargs), **options))[0]

    return arun if inspect.iscoroutinefunction(function) else run
