"""Looking again, every second, whether those who have streams open are still who they were.

One look-up a session, whatever number of streams it has; its thread and connection are gone in between.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextvars import Context
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from django.db import InterfaceError, OperationalError

from kontract.context import Identity, namespace
from kontract.events.credentials import Credential
from kontract.events.sharing import renewers, run
from kontract.exceptions import KontractError

logger = logging.getLogger("kontract.events")

PERIOD: Final = 1.0  # seconds

Found = Identity | KontractError


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

    async def look(self, streams: Sequence[Watched]) -> None:
        """Look now.  Where the database does not answer nothing is found out."""
        places = {(stream.namespace, stream.credential.key): stream.credential for stream in streams}
        looked_at = time.monotonic()
        found = dict(zip(places, await run(renewers, _renew_all, list(places.items())), strict=True))
        for stream in streams:
            if (one := found[stream.namespace, stream.credential.key]) is not None:
                stream.renewed(one, looked_at)

    async def _look_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            try:
                await self.look(list(self._watched))
            except Exception:
                logger.exception("Sessions of streams cannot be looked up; trying again.")


def _renew_all(places: Sequence[tuple[tuple[str, tuple[str, ...]], Credential]]) -> list[Found | None]:
    return [_renew(name, credential) for (name, _), credential in places]


def _renew(name: str, credential: Credential) -> Found | None:
    try:
        with namespace(name):
            return credential.renew()
    except KontractError as error:
        return error
    except (OperationalError, InterfaceError):
        return None


_watches: "WeakKeyDictionary[asyncio.AbstractEventLoop, Watch]" = WeakKeyDictionary()


def get_watch() -> Watch:
    """Return the watch of this event loop."""
    return _watches.setdefault(asyncio.get_running_loop(), Watch())
