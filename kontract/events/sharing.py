"""One reader of changes in each process and namespace, for all streams together.

It reads each new page once, and keeps the last ones.  A stream has no queue, only a position: it takes page after page
from here and, when it has fallen behind what is kept, from the database.  So a slow reader costs no memory, and misses
nothing.  Everything here but ``_read`` runs in the event loop.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar
from weakref import WeakKeyDictionary

from kontract.conf import get_settings
from kontract.context import get_namespace, namespace
from kontract.events import listener
from kontract.events.cursor import Cursor
from kontract.events.pages import read_page
from kontract.events.subscriptions import Seen
from kontract.events.workers import Workers
from kontract.exceptions import InvalidSnapshotError, SnapshotTooOldError
from kontract.mvcc import clock
from kontract.tables.catalog import locate

T = TypeVar("T")

logger = logging.getLogger("kontract.events")

_KEPT_PAGES: Final = 1000
_KEPT_BYTES: Final = 16 << 20
_FIRST_PAUSE: Final = 0.05  # seconds before reading again after a failure; each further one is twice as long
_LONGEST_PAUSE: Final = 2.0

_AT_ONCE: Final = 16  # followers that are told of a page before the event loop turns

readers: Final = Workers("reader", lambda: 2)
catchers: Final = Workers("catcher", lambda: 2)  # for who has fallen behind: nobody else waits for them
renewers: Final = Workers("renewer", lambda: 1, idle=0.0)
runners: Final = Workers("runner", lambda: get_settings().EVENTS.threads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Everything that happened to ``tables`` after one position and up to another."""

    after: Cursor
    cursor: Cursor
    seen: tuple[Seen, ...]
    tables: frozenset[str]
    texts: dict[Any, bytes] = field(default_factory=dict, compare=False)  # made of it, while followers are told of it

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return 500 + sum(seen.size for seen in self.seen)


class Follower(Protocol):
    """What is told of changes."""

    tables: frozenset[str]

    def notice(self, page: Shared) -> None:
        """Look at a new page; called for each, so be quick."""

    def restart(self) -> None:
        """Take note that pages are missing between the last one and the next."""


class Hub:
    """The reader of one namespace."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._followers: dict[Follower, None] = {}
        self._pages: deque[Shared] = deque()
        self._kept = 0
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._starting = asyncio.Lock()
        self.position = Cursor(0)

    async def join(self, follower: Follower) -> None:
        """Tell ``follower`` of every page from now on; ``position`` is where the first one begins, or later."""
        self._followers[follower] = None
        async with self._starting:
            if self._task is None:
                alias, ns, latest = await run(readers, self._locate)
                self.position = Cursor(latest)
                self._task = asyncio.create_task(self._follow(), context=Context())
                self._unsubscribe = listener.subscribe(self._wake, alias, ns)

    def leave(self, follower: Follower) -> None:
        """End what ``join`` began; with the last one the reader ends."""
        self._followers.pop(follower, None)
        if not self._followers and self._task is not None:
            self._task.cancel()
            self._task = None
            self._pages.clear()
            self._kept = 0
            if self._unsubscribe is not None:
                self._unsubscribe()
            _hubs.get(self._loop, {}).pop(self._name, None)

    def since(self, cursor: Cursor, tables: frozenset[str]) -> Shared | None:
        """Return the page that goes on from ``cursor``; None where it is not (or no longer) kept."""
        for page in reversed(self._pages):
            if page.after <= cursor:
                return page if cursor < page.cursor and tables <= page.tables else None
        return None

    def after(self, cursor: Cursor) -> Iterator[Shared]:
        """Yield the pages that are kept and end after ``cursor``."""
        return (page for page in self._pages if page.cursor > cursor)

    def has_kept(self, cursor: Cursor) -> bool:
        """Return whether every page after ``cursor`` is kept."""
        return cursor >= (self._pages[0].after if self._pages else self.position)

    def _locate(self) -> tuple[str, int, int]:
        with namespace(self._name):
            connection, ns = locate()
            return connection.alias, ns, clock.latest(connection, ns)

    def _wake(self, alias: str, ns: int, txid: int) -> None:
        """Be told by the listener, in its thread."""
        with suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(self._woken.set)

    async def _follow(self) -> None:
        failures = 0
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                while not await self._turn_page():
                    pass
                failures = 0
            except (SnapshotTooOldError, InvalidSnapshotError):
                await self._start_anew()
            except Exception:
                if not failures:
                    logger.exception("The changes of the namespace %r cannot be read; trying again.", self._name)
                await asyncio.sleep(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures, 6)))
                failures += 1
                self._woken.set()

    async def _turn_page(self) -> bool:
        """Read the next page and tell everybody; return whether that was the last one."""
        tables = frozenset().union(*(follower.tables for follower in self._followers))
        page, is_last = await run(readers, read_shared, self._name, self.position, tables)
        if page.cursor > self.position:
            self.position = page.cursor
            self._keep(page)
            await self._tell_all(page)
        return is_last

    async def _tell_all(self, page: Shared) -> None:
        """Tell some followers after others, so that what is sent to the first does not wait for the last."""
        followers = list(self._followers)
        for start in range(0, len(followers), _AT_ONCE):
            for follower in followers[start : start + _AT_ONCE]:
                if follower in self._followers:
                    follower.notice(page)
            await asyncio.sleep(0)
        page.texts.clear()

    def _keep(self, page: Shared) -> None:
        self._pages.append(page)
        self._kept += page.size
        while len(self._pages) > _KEPT_PAGES or (self._kept > _KEPT_BYTES and len(self._pages) > 1):
            self._kept -= self._pages.popleft().size

    async def _start_anew(self) -> None:
        """Go on from the present, where what lies before it cannot be read any more."""
        _, _, latest = await run(readers, self._locate)
        self.position = Cursor(latest)
        self._pages.clear()
        self._kept = 0
        for follower in list(self._followers):
            follower.restart()


def read_shared(name: str, after: Cursor, tables: Collection[str], limit: int | None = None) -> tuple[Shared, bool]:
    """Return the page after a position, and whether it is the last one; in a thread.  Raises as ``read_page`` does."""
    with namespace(name):
        connection, ns = locate()
        page = read_page(connection, ns, after, tables, old=True, **({} if limit is None else {"limit": limit}))
    seen = tuple(map(Seen, page.changes))
    for one in seen:
        one.size  # noqa: B018 - it is made here, where the event loop does not wait for it
    return Shared(after=after, cursor=page.cursor, seen=seen, tables=frozenset(tables)), page.is_last


def read_latest(name: str) -> int:
    """Return the last transaction of a namespace; in a thread."""
    with namespace(name):
        return clock.latest(*locate())


async def run(workers: Workers, function: Callable[..., T], *args: Any) -> T:
    """Call ``function`` in a thread of ``workers``."""
    return await asyncio.wrap_future(workers.submit(function, *args))


_hubs: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Hub]]" = WeakKeyDictionary()


def get_hub() -> Hub:
    """Return the reader of the current namespace, in this event loop."""
    hubs = _hubs.setdefault(asyncio.get_running_loop(), {})
    name = get_namespace()
    if name not in hubs:
        hubs[name] = Hub(name)
    return hubs[name]
