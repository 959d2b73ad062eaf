"""Running the synchronous engine from coroutines.

Django keeps one connection per thread, and ``sync_to_async`` runs everything of one request in one thread.  So two
tasks of a request share a connection, and without further care one task's write would land in the other's open
transaction.  The gate prevents that: a transaction holds it from beginning to end, a single operation while it runs,
and tasks wait for each other.  A task started inside the block belongs to the transaction and passes.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar, Token
from typing import ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from asgiref.sync import SyncToAsync, sync_to_async

P = ParamSpec("P")
T = TypeVar("T")

_locks: "WeakKeyDictionary[object, asyncio.Lock]" = WeakKeyDictionary()
_inside: ContextVar[bool] = ContextVar("kontract_inside_gate", default=False)


class Gate:
    """The right to use the connection, until ``leave``."""

    def __init__(self, lock: asyncio.Lock | None) -> None:
        self._lock = lock
        self._token: Token[bool] | None = None if lock is None else _inside.set(True)

    def leave(self) -> None:
        """Let the next task in."""
        if self._lock is not None and self._token is not None:
            _inside.reset(self._token)
            self._lock.release()


async def enter() -> Gate:
    """Wait for the connection that this task shares with others."""
    if _inside.get():
        return Gate(None)
    lock = _get_lock()
    await lock.acquire()
    return Gate(lock)


def _get_lock() -> asyncio.Lock:
    """Return the lock of whatever decides the thread: the request's context, else the event loop."""
    scope = SyncToAsync.thread_sensitive_context.get(None) or asyncio.get_running_loop()
    return _locks.setdefault(scope, asyncio.Lock())


async def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call ``function`` in the thread that owns the connection; the caller is inside the gate."""
    return await sync_to_async(function, thread_sensitive=True)(*args, **kwargs)


async def finish(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """See run(); a caller that is cancelled waits for the end, so that what began or ended a transaction has."""
    task = asyncio.ensure_future(run(function, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # nobody else will ask for it
        raise


async def call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call ``function`` in the thread that owns the connection, when no other task's transaction is open there."""
    gate = await enter()
    try:
        return await run(function, *args, **kwargs)
    finally:
        gate.leave()
