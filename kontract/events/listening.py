"""The thread of one database's listener; see kontract.events.listener."""

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

logger = logging.getLogger("kontract.events")

Callback = Callable[[str, int, int], object]  # alias, namespace's number, its latest txid

_LINGER: Final = 5.0  # seconds that a connection which only notifies is kept without a commit
_FIRST_PAUSE: Final = 0.1  # seconds before connecting again; each further one is twice as long
_LONGEST_PAUSE: Final = 10.0


class Listener:
    """The listener of one database; see kontract.events.listener.subscribe().

    A commit leaves a note, without a lock.  It rings only for a thread that sleeps until somebody does: in the pause
    after a notification the thread gets up by itself, and looks for notes.  So who commits often rings seldom.
    """

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
        self._is_asleep = False  # until somebody rings
        self._has_rung = False
        self._must_look = False  # since somebody has subscribed, or a notification does not say what was committed
        self._stopping = False
        self._waiter, self._bell = os.pipe()
        os.set_blocking(self._waiter, False)
        self._next_notify = self._next_hearing = 0.0

    # --- From any thread ---------------------------------------------------------------------------------------------

    def subscribe(self, ns: int, callback: Callback) -> Callable[[], None]:
        """See kontract.events.listener.subscribe()."""
        with self._lock:
            number = next(self._numbers)
            self._callbacks.setdefault(ns, {})[number] = callback
            self._told.pop(ns, None)  # so that it is told once, whatever was told to others
            self._must_look = True
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
        self._committed[ns] = txid  # before looking whether the thread looks: it does so in the opposite order
        if self._is_asleep or self._thread is None:
            with self._lock:
                self._wake()

    def _wake(self) -> None:
        if self._stopping:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"kontract-listener-{self._alias}", daemon=True)
            self._thread.start()
        else:
            self._ring()

    def _ring(self) -> None:
        self._is_asleep = False
        if not self._has_rung:
            self._has_rung = True
            os.write(self._bell, b"!")

    def stop(self) -> None:
        """End the thread and its connection; what is subscribed then is not told of anything any more."""
        with self._lock:
            self._stopping = True
            self._ring()
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
        for end in (self._waiter, self._bell):
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
            thread, self._thread = self._thread, None  # before looking: who commits after that starts another
            if self._stopping or not (self._callbacks or self._committed):
                return False
            self._thread = thread
            return True

    def _serve(self, line: Line) -> None:
        """Tell and hear of commits until the connection fails (which raises) or is not needed any more."""
        options = get_settings().EVENTS
        looked, busy = -inf, time.monotonic()
        while not self._stopping and (self._callbacks or time.monotonic() < busy + _LINGER):
            if self._callbacks and (self._must_look or time.monotonic() >= looked + options.tick_seconds):
                self._look(line, options)
                looked = time.monotonic()
            if time.monotonic() >= self._next_notify and (committed := self._take()):
                self._tell(committed)
                if options.notify:
                    line.notify(committed)
                busy = time.monotonic()
                self._next_notify = busy + options.notify_seconds
            if line.has_heard and time.monotonic() >= self._next_hearing:
                self._hear(line)
                self._next_hearing = time.monotonic() + options.notify_seconds
                continue
            self._wait(line, looked + options.tick_seconds if self._callbacks else busy + _LINGER)

    def _look(self, line: Line, options: EventsOptions) -> None:
        """Tell of what no notification may have told of."""
        if options.listen and not line.is_listening:
            line.listen()
        self._must_look = False
        self._tell(line.latest_of(list(self._callbacks)))

    def _hear(self, line: Line) -> None:
        latest = line.take()
        if latest is None:
            self._must_look = True
        else:
            self._tell(latest)

    def _wait(self, line: Line, until: float) -> None:
        """Wait for a notification, for somebody who rings, and no longer than there is something to do anyway."""
        now = time.monotonic()
        hears = now >= self._next_hearing
        if not hears or line.has_heard:
            until = min(until, self._next_hearing)
        if now < self._next_notify:
            until = min(until, self._next_notify)
        else:
            self._is_asleep = True
            if self._committed:
                until = now
        has_rung = line.wait(self._waiter, until - now, hears=hears)
        self._is_asleep = False
        if has_rung:
            self._answer()

    def _answer(self) -> None:
        with self._lock, suppress(BlockingIOError):
            self._has_rung = False
            os.read(self._waiter, 64)

    def _take(self) -> dict[int, int]:
        """Return what was committed since the last time."""
        taken: dict[int, int] = {}
        while self._committed:
            ns, txid = self._committed.popitem()  # one by one: others write to it meanwhile
            taken[ns] = max(txid, taken.get(ns, 0))
        return taken

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
            self._is_asleep = True
            with selectors.DefaultSelector() as selector:
                selector.register(self._waiter, selectors.EVENT_READ)
                if selector.select(0 if self._committed else left):
                    self._answer()
            self._is_asleep = False
            self._tell(self._take())
