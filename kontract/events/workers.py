"""Threads that read from the database for streams, and let go of their connections when there is nothing to do."""

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from typing import Any, Final, ParamSpec, TypeVar

from asgiref.sync import SyncToAsync, sync_to_async
from django.db import connections

P = ParamSpec("P")
T = TypeVar("T")

_IDLE_SECONDS: Final = 1.0


class Workers(Executor):
    """At most ``size`` threads, started when there is work for them.

    ``asyncio``'s and ``concurrent.futures``' own never end a thread, and so would keep a connection each for ever.
    """

    def __init__(self, name: str, size: Callable[[], int], *, idle: float = _IDLE_SECONDS) -> None:
        """``idle``: seconds without work, after which a thread ends and closes its connections."""
        self._name = name
        self._size = size
        self._idle = idle
        self._start_anew()
        os.register_at_fork(after_in_child=self._start_anew)

    def _start_anew(self) -> None:
        self._turn = threading.Condition()
        self._tasks: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._threads = 0
        self._resting = 0

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Have ``function`` called in a thread, with the context variables of now."""
        future: Future[T] = Future()
        context = copy_context()
        with self._turn:
            self._tasks.append((future, lambda: context.run(function, *args, **kwargs)))
            if self._resting >= len(self._tasks) or self._threads >= self._size():
                self._turn.notify()
            else:
                self._threads += 1
                threading.Thread(target=self._work, name=f"kontract-{self._name}", daemon=True).start()
        return future

    def _work(self) -> None:
        while (task := self._next()) is not None:
            _run(*task)
            del task  # or its result would stay until the next one
        connections.close_all()

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        """Return what to do next; None, and the thread no longer counts, where there has been nothing for long."""
        with self._turn:
            self._resting += 1
            has_task = self._turn.wait_for(lambda: self._tasks, timeout=self._idle)
            self._resting -= 1
            if has_task:
                return self._tasks.popleft()
            self._threads -= 1
            return None


def _run(future: "Future[Any]", call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:
        connections.close_all()  # it may be the connection that has failed
        future.set_exception(error)
    else:
        future.set_result(result)


async def release_thread() -> None:
    """Let go of the thread that Django has for the current request, and of its connections, until it is needed again.

    Both would stay for as long as the response lasts.
    """
    context = SyncToAsync.thread_sensitive_context.get(None)
    if context is None or context not in SyncToAsync.context_to_thread_executor:
        return
    await sync_to_async(connections.close_all)()
    SyncToAsync.context_to_thread_executor.pop(context).shutdown(wait=False)
