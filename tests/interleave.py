"""Stepping two real transactions by hand.

Each ``Actor`` is a thread with a database connection of its own, that does one step at a time when told to::

    with Actor() as one, Actor() as two:
        one.do(lambda: ...)             # waits for the step and returns its result, or raises what it raised
        waiting = two.start(lambda: ...)  # does not wait: for a step that blocks until somebody else commits
        one.do(...)
        waiting.result(timeout=10)
"""

import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from django.db import connections

from kontract import transaction
from kontract.conf import Isolation
from kontract.mvcc.transaction import Transaction

T = TypeVar("T")


class Actor:
    """A thread that runs steps in the context (and so the namespace) it was made in."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1)
        self._context = contextvars.copy_context()
        self._block: Transaction | None = None

    def start(self, step: Callable[[], T]) -> "Future[T]":
        """Begin a step and return its future."""
        return self._executor.submit(self._context.run, step)

    def do(self, step: Callable[[], T]) -> T:
        """Do a step and return its result."""
        return self.start(step).result(timeout=20)

    def begin(self, isolation: Isolation | None = None) -> None:
        """Enter ``kontract.transaction()``."""
        self._block = transaction(isolation=isolation)
        self.do(self._block.__enter__)

    def commit(self) -> int | None:
        """Leave the block normally; return the txid."""
        assert self._block is not None
        block, self._block = self._block, None
        self.do(lambda: block.__exit__(None, None, None))
        return block.txid

    def rollback(self) -> None:
        """Leave the block by an exception."""
        assert self._block is not None
        block, self._block = self._block, None
        error = RuntimeError("rolled back by the test")
        self.do(lambda: block.__exit__(RuntimeError, error, None))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._block is not None:
            self.rollback()
        self._executor.submit(connections.close_all).result(timeout=20)
        self._executor.shutdown()
