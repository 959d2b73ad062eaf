"""How long a stream may be in one state: that nothing is sent, or that what is sent is not taken."""

import asyncio
import time
from collections.abc import Callable
from math import inf
from typing import Final

from kontract.conf import get_settings
from kontract.events.credentials import Credential

RESTS: Final = "rests"  # there is nothing to send
WORKS: Final = "works"  # it finds out what to send
SENDS: Final = "sends"  # the client has not taken yet what was sent last


class Patience:
    """Calls ``on_silence`` or ``on_slowness`` where a stream rests or sends for too long, or until nobody may have it.

    The timer is not moved with each event, which would cost more than the rest of an event: it rings often enough, and
    looks then.
    """

    def __init__(
        self, credential: Credential, on_silence: Callable[[], None], on_slowness: Callable[[float], None]
    ) -> None:
        """``on_slowness`` is given the seconds since when it sends."""
        self._credential = credential
        self._on_silence = on_silence
        self._on_slowness = on_slowness
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._state = WORKS
        self._since = self._loop.time()

    def enter(self, state: str) -> None:
        """Take note of what the stream does from now on."""
        self._state = state
        self._since = self._loop.time()

    def start(self) -> None:
        """Begin to look."""
        now, expiry = self._loop.time(), self._find_expiry()
        due = min(self._find_due(), now + _period())
        self._timer = self._loop.call_at(min(due, expiry) if expiry > now else due, self._ring)

    def stop(self) -> None:
        """End what start() began."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        now = self._loop.time()
        if now >= self._find_due():
            if self._state is RESTS:
                self._on_silence()
            else:
                self._on_slowness(now - self._since)
            self.enter(WORKS)
        self.start()

    def _find_due(self) -> float:
        """Return when it has done the same for too long, by the clock of the event loop."""
        if self._state is WORKS:
            return inf
        options = get_settings().EVENTS
        seconds = options.keep_alive_seconds if self._state is RESTS else options.send_seconds
        return min(self._since + seconds, self._find_expiry())

    def _find_expiry(self) -> float:
        expires = self._credential.expires
        return inf if expires is None else self._loop.time() + expires - time.time()


def _period() -> float:
    """Return the seconds between two looks, with which none comes too late, whatever the stream does meanwhile."""
    options = get_settings().EVENTS
    return min(options.keep_alive_seconds, options.send_seconds)
