"""Who wants to know that something was committed: one listener per process and database tells them.

It is a thread with one connection of its own, on which it hears of other processes' commits (LISTEN) and tells them of
this one's (NOTIFY).  Both are hints without content.  A NOTIFY is sent after the commit, never inside the committing
transaction, where it would make all writers of the database wait for each other, and at most once in a few milliseconds
however much is committed.  Because hints can be lost (with the connection, or behind a pooler), every half second the
listener looks by itself, too.  https://www.postgresql.org/docs/current/sql-notify.html

Without subscribers there is a thread only in processes that commit, and a connection only while they do.
"""

import atexit
import logging
import os
import selectors
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from math import inf
from typing import Final

import psycopg

from kontract.conf import EventsOptions, get_settings
from kontract.events.line import Line
from kontract.mvcc import clock

logger = logging.getLogger("kontract.events")

Callback = Callable[[str, int, int], object]  # alias, namespace's number, its latest txid

_LINGER: Final = 5.0  # seconds that a connection which only notifies is kept without a commit
_FIRST_PAUSE: Final = 0.1  # seconds before connecting again; each further one is twice as long
_LONGEST_PAUSE: Final = 10.0


class Listener:
    """The listener of one database; see subscribe()."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._callbacks: dict[int, dict[int, Callback]] = {}  # by namespace
        self._numbers = count()
        self._start_anew()

    def _start_anew(self) -> None:
        """Forget the thread, which a fork has not."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._told: dict[int, int] = {}  # namespace -> the txid that callbacks were told last
        self._committed: dict[int, int] = {}  # namespace -> a txid that this process has committed since
        self._is_woken = False
        self._is_new = False  # whether somebody has subscribed since the last look
        self._stopping = False
        self._waiter, self._waker = os.pipe()
        os.set_blocking(self._waiter, False)
        self._next_notify = 0.0

    # --- From any thread ---------------------------------------------------------------------------------------------

    def subscribe(self, ns: int, callback: Callback) -> Callable[[], None]:
        """See subscribe()."""
        with self._lock:
            number = next(self._numbers)
            self._callbacks.setdefault(ns, {})[number] = callback
            self._told.pop(ns, None)  # so that it is told once, whatever was told to others
            self._is_new = True
            self._wake()
        return partial(self._unsubscribe, ns, number)

    def _unsubscribe(self, ns: int, number: int) -> None:
        with self._lock:
            callbacks = self._callbacks.get(ns, {})
            callbacks.pop(number, None)
            if not callbacks:
                self._callbacks.pop(ns, None)
                self._told.pop(ns, None)
            if self._thread is not None:
                self._wake()

    def committed(self, ns: int, txid: int) -> None:
        """Take note of a commit of this process; costs the writer next to nothing."""
        if ns not in self._callbacks and not get_settings().EVENTS.notify:
            return
        with self._lock:
            self._committed[ns] = max(txid, self._committed.get(ns, 0))
            self._wake()

    def _wake(self) -> None:
        if self._stopping:
            return
        if not self._is_woken:
            self._is_woken = True
            os.write(self._waker, b"!")
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"kontract-listener-{self._alias}", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread and its connection; what is subscribed then is not told of anything any more."""
        with self._lock:
            self._wake()
            self._stopping = True
            thread = self._thread
        if thread is not None:
            thread.join()
        self._close()

    def after_fork(self) -> None:
        """Give the child of a fork its own thread, if anybody in it is to be told."""
        self._close()
        self._start_anew()
        if self._callbacks:
            with self._lock:
                self._wake()

    def _close(self) -> None:
        for end in (self._waiter, self._waker):
            os.close(end)

    # --- In the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        failures = 0
        while self._is_needed():
            try:
                with Line.open(self._alias) as line:
                    if failures:
                        logger.info("The listener of the database %r is connected again.", self._alias)
                    failures = 0
                    self._serve(line)
            except (psycopg.Error, OSError) as error:
                if not failures:
                    logger.warning(
                        "The listener of the database %r has no connection; changes are heard of late until it has "
                        "one again: %s", self._alias, error,
                    )  # fmt: skip
                failures += 1
                self._rest(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures - 1, 10)))

    def _is_needed(self) -> bool:
        """Return whether there is anything to do; if not, the thread is about to end, and another may start."""
        with self._lock:
            if not self._stopping and (self._callbacks or self._is_woken):
                return True
            self._thread = None
            return False

    def _serve(self, line: Line) -> None:
        """Tell and hear of commits until the connection fails (which raises) or is not needed any more."""
        options = get_settings().EVENTS
        looked, busy = -inf, time.monotonic()
        while not self._stopping and (self._callbacks or time.monotonic() < busy + _LINGER):
            if self._callbacks:
                if options.listen and not line.is_listening:
                    line.listen()
                if self._is_new or time.monotonic() >= looked + _pause(line, options):
                    self._is_new = line.has_heard = False
                    self._tell(line.latest_of(list(self._callbacks)))
                    looked = time.monotonic()
            if self._is_woken and time.monotonic() >= self._next_notify and (committed := self._take()):
                self._tell(committed)
                if options.notify:
                    line.notify()
                busy = time.monotonic()
                self._next_notify = busy + options.notify_seconds
            until = looked + _pause(line, options) if self._callbacks else busy + _LINGER
            if self._stopping or (self._is_new and self._callbacks):
                continue  # it has become so in this very round, which perhaps has read the byte that would tell
            if self._is_woken:
                line.wait(None, min(until, self._next_notify) - time.monotonic())
            else:
                line.wait(self._waiter, until - time.monotonic())

    def _take(self) -> dict[int, int]:
        """Return what was committed since the last time."""
        with self._lock, suppress(BlockingIOError):
            self._is_woken = False
            committed, self._committed = self._committed, {}
            os.read(self._waiter, 64)
        return committed

    def _tell(self, latest: dict[int, int]) -> None:
        for ns, txid in latest.items():
            with self._lock:
                callbacks = list(self._callbacks.get(ns, {}).values())
                if not callbacks or self._told.get(ns) == txid:
                    continue
                self._told[ns] = txid
            for callback in callbacks:
                self._call(callback, ns, txid)

    def _call(self, callback: Callback, ns: int, txid: int) -> None:
        try:
            callback(self._alias, ns, txid)
        except Exception:
            logger.exception("A listener's callback failed; the others go on.")

    def _rest(self, seconds: float) -> None:
        """Wait before connecting again; commits of this process are told of meanwhile."""
        end = time.monotonic() + seconds
        while not self._stopping and (left := end - time.monotonic()) > 0:
            with selectors.DefaultSelector() as selector:
                selector.register(self._waiter, selectors.EVENT_READ)
                if selector.select(left):
                    self._tell(self._take())


def _pause(line: Line, options: EventsOptions) -> float:
    """Return the seconds between two looks, which many notifications at once do not make more frequent."""
    return options.notify_seconds if line.has_heard else options.tick_seconds


# --- The listeners of this process -----------------------------------------------------------------------------------

_listeners: dict[str, Listener] = {}
_making = threading.Lock()


def subscribe(callback: Callback, alias: str, ns: int) -> Callable[[], None]:
    """Have ``callback(alias, ns, txid)`` called when a namespace may have new transactions, up to ``txid``.

    It is called in the listener's thread, soon once in any case, so it must be quick: set an event.  Who subscribes
    first and reads then misses nothing.  Returns what ends the subscription.
    """
    return _get(alias).subscribe(ns, callback)


def stop() -> None:
    """End all listeners of this process."""
    while _listeners:
        _listeners.popitem()[1].stop()


def _get(alias: str) -> Listener:
    with _making:
        if alias not in _listeners:
            _listeners[alias] = Listener(alias)
        return _listeners[alias]


def _on_commit(alias: str, ns: int, txid: int) -> None:
    listener = _listeners.get(alias)
    if listener is None:
        if not get_settings().EVENTS.notify:
            return
        listener = _get(alias)
    listener.committed(ns, txid)


def _after_fork() -> None:
    global _making
    _making = threading.Lock()
    for listener in _listeners.values():
        listener.after_fork()


clock.register_after_commit(_on_commit)
os.register_at_fork(after_in_child=_after_fork)
atexit.register(stop)
