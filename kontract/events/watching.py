"""Looking again, every second, whether those who have streams open are still who they were.

One look-up for all of them, whatever number of streams they have; its thread and connection are gone in between.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from contextvars import Context
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from kontract.context import namespace
from kontract.events.credentials import Credential, Found, renew_all
from kontract.events.sharing import renewers, run

logger = logging.getLogger("kontract.events")

PERIOD: Final = 1.0  # seconds

_Place = tuple[str, tuple[str, ...]]  # a namespace, and the key of a credential in it


class Watched(Protocol):
    """A stream."""

    credential: Credential
    namespace: str

    def renewed(self, found: Found, looked_at: float) -> None:
        """Take note of who it is now, by the monotonic clock, or why it is nobody any more."""


class Watch:
    """Looks after the streams of one event loop."""

    def __init__(self) -> None:
        self._watched: dict[Watched, None] = {}
        self._task: asyncio.Task[None] | None = None
        self._waiting: dict[Watched, None] = {}
        self._look_soon: asyncio.Task[None] | None = None

    def add(self, stream: Watched) -> None:
        """Look after a stream, unless it is nobody's."""
        if not stream.credential.key:
            return
        self._watched[stream] = None
        if self._task is None:
            self._task = asyncio.create_task(self._look_again_and_again(), context=Context())

    def remove(self, stream: Watched) -> None:
        """End what ``add`` began."""
        self._watched.pop(stream, None)
        if not self._watched and self._task is not None:
            self._task.cancel()
            self._task = None

    async def look(self, stream: Watched) -> None:
        """Look now, once for all who ask for it together.  Where the database does not answer nothing is found out."""
        self._waiting[stream] = None
        if self._look_soon is None:
            self._look_soon = asyncio.create_task(self._look_for_those_who_wait(), context=Context())
        await asyncio.shield(self._look_soon)

    async def _look_for_those_who_wait(self) -> None:
        await asyncio.sleep(0)
        streams, self._waiting, self._look_soon = self._waiting, {}, None
        await _look(streams)

    async def _look_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            try:
                await _look(list(self._watched))
            except Exception:
                logger.exception("Sessions of streams cannot be looked up; trying again.")


async def _look(streams: Iterable[Watched]) -> None:
    by_place: dict[_Place, list[Watched]] = {}
    for stream in streams:
        by_place.setdefault((stream.namespace, stream.credential.key), []).append(stream)
    looked_at = time.monotonic()
    found = await run(renewers, _renew_all, {place: alike[0].credential for place, alike in by_place.items()})
    for place, one in found.items():
        if one is not None:
            for stream in by_place[place]:
                stream.renewed(one, looked_at)


def _renew_all(credentials: Mapping[_Place, Credential]) -> dict[_Place, Found | None]:
    found: dict[_Place, Found | None] = {}
    for name in dict.fromkeys(name for name, _ in credentials):
        places = [place for place in credentials if place[0] == name]
        with namespace(name):
            found |= zip(places, renew_all([credentials[place] for place in places]), strict=True)
    return found


_watches: "WeakKeyDictionary[asyncio.AbstractEventLoop, Watch]" = WeakKeyDictionary()


def get_watch() -> Watch:
    """Return the watch of this event loop."""
    return _watches.setdefault(asyncio.get_running_loop(), Watch())
