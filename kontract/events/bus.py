"""Functions of this process that are called with each change: ``bus.subscribe("users", fn)``.

One thread for each namespace that somebody subscribes to reads its feed and calls the functions one after another.  So
each of them sees the changes in commit order, whichever process made them, as long as this process lives; what has to
survive it is a consumer (see ``kontract.events.consumers``).
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any, Final

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.apps import apps
from django.db import Error

from kontract.context import get_namespace, namespace
from kontract.events import listener
from kontract.events.change import Change
from kontract.events.cursor import Cursor
from kontract.events.feed import LINGER
from kontract.events.source import Source
from kontract.exceptions import InvalidSnapshotError, NamespaceNotFound, SnapshotTooOldError
from kontract.mvcc.connections import get_alias

logger = logging.getLogger("kontract.events")

Subscriber = Callable[[Change], Any]

_PAUSE: Final = 1.0  # seconds before reading again after a failure


def subscribe(table: str, function: Subscriber, *, old: bool = False, using: str | None = None) -> Callable[[], None]:
    """Call ``function(change)`` for each change of ``table``, in the current namespace, that is committed from now on.

    It is called in a thread of the bus, within that namespace, and may be a coroutine function.  What it raises is
    logged, and keeps nobody from anything.  ``old`` asks for what the document was before.  Returns what ends the
    subscription.  In ``AppConfig.ready`` "now" is when the bus has begun, a moment later.

    Raises ``TableNotFound`` and ``NotVersionedError``, but not in ``AppConfig.ready``, which must not use the database.
    """
    name = get_namespace()
    alias = get_alias(name, using)
    after = Source.here([table], using=alias).find_end() if apps.ready else None
    with _making:
        if (bus := _buses.get((alias, name))) is None:
            bus = _buses[alias, name] = _Bus(alias, name)
    return bus.add(_Subscription(table=table, function=function, old=old, after=after))


@dataclass(slots=True, kw_only=True)
class _Subscription:
    """Who is called, and the position up to which that was done (None: from when the bus begins)."""

    table: str
    function: Subscriber
    old: bool
    after: Cursor | None

    def take(self, change: Change) -> None:
        """Call the function, if it wants this change and has not had it."""
        if change.table != self.table or (self.after is not None and change.cursor <= self.after):
            return
        try:
            if iscoroutinefunction(self.function):
                async_to_sync(self.function)(change)
            else:
                self.function(change)
        except Exception:
            logger.exception(
                "A subscriber of the table %r failed on transaction %s; it goes on with the next change.",
                change.table,
                change.cursor,
            )


class _Bus:
    """The thread that calls what is subscribed in one namespace."""

    def __init__(self, alias: str, name: str) -> None:
        self._alias = alias
        self._name = name
        self._subscriptions: dict[int, _Subscription] = {}
        self._numbers = count()
        self._start_anew()

    def _start_anew(self) -> None:
        """Forget the thread, which a fork has not."""
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, subscription: _Subscription) -> Callable[[], None]:
        """Begin with a subscription, and return what ends it."""
        with self._lock:
            number = next(self._numbers)
            self._subscriptions[number] = subscription
            self._ensure_thread()
        self._woken.set()
        return partial(self._remove, number)

    def _remove(self, number: int) -> None:
        with self._lock:
            self._subscriptions.pop(number, None)
            thread = None if self._subscriptions else self._thread
        self._woken.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _ensure_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"kontract-bus-{self._alias}", daemon=True)
            self._thread.start()

    def after_fork(self) -> None:
        """Go on in the child of a fork, which has no thread."""
        self._start_anew()
        if self._subscriptions:
            self._ensure_thread()

    def _is_needed(self) -> bool:
        """Return whether somebody is subscribed; if not, the thread is about to end, and another may start."""
        with self._lock:
            if not self._subscriptions:
                self._thread = None
            return bool(self._subscriptions)

    def _run(self) -> None:
        is_troubled = False
        with namespace(self._name):
            while self._is_needed():
                try:
                    self._follow(Source.here(using=self._alias))
                    is_troubled = False
                except (Error, NamespaceNotFound) as error:
                    if not is_troubled:
                        logger.warning("The bus cannot read changes; it will go on where it was: %s", error)
                    is_troubled = True
                    Source.rest_of(self._alias)
                    time.sleep(_PAUSE)

    def _follow(self, source: Source) -> None:
        """Call the subscribers with what happens, until there are none."""
        unsubscribe = listener.subscribe(lambda *_: self._woken.set(), source.alias, source.ns)
        try:
            while self._subscriptions:
                self._woken.clear()
                if self._step(source) and not self._woken.wait(LINGER):
                    source.rest()
                    self._woken.wait()
        finally:
            unsubscribe()
            source.rest()

    def _step(self, source: Source) -> bool:
        """Call the subscribers with a page of changes; return whether it was the last one."""
        subscriptions = list(self._subscriptions.values())
        for subscription in subscriptions:
            subscription.after = subscription.after or source.find_end()
        tables = frozenset(subscription.table for subscription in subscriptions)
        chosen = replace(source, tables=tables, old=any(subscription.old for subscription in subscriptions))
        begin = min((subscription.after for subscription in subscriptions if subscription.after), default=None)
        if begin is None:
            return True
        try:
            page = chosen.read(begin)
        except (SnapshotTooOldError, InvalidSnapshotError) as error:
            logger.error("Subscribers miss changes, and go on with the present: %s", error)
            for subscription in subscriptions:
                subscription.after = None
            return False
        for change in page.changes:
            for subscription in subscriptions:
                subscription.take(change)
        for subscription in subscriptions:
            subscription.after = max(subscription.after or page.cursor, page.cursor)
        return page.is_last


_buses: dict[tuple[str, str], _Bus] = {}
_making = threading.Lock()


def _after_fork() -> None:
    global _making
    _making = threading.Lock()
    for bus in _buses.values():
        bus.after_fork()


os.register_at_fork(after_in_child=_after_fork)
