"""Live queries: the result of a procedure, pushed again whenever it may have become another one.

A run records what it has read (``kontract.mvcc.reads``).  A change concerns it where the document, before or after, is
among that; then it runs again.  Who asks for the same with the same arguments shares one: what a procedure returns can
depend on who calls it, so that is part of "the same"; and where it depends on more of the request, nobody shares it.
Everything here runs in the event loop, but for the runs.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from django.http import HttpRequest
from pydantic_core import from_json

from kontract.context import Identity, get_namespace
from kontract.events.cursor import Cursor
from kontract.events.patch import make_patch
from kontract.events.running import Run, is_personal, run_procedure
from kontract.events.sharing import Hub, Shared, get_hub, run, runners
from kontract.events.subscriptions import Seen
from kontract.mvcc.reads import Read
from kontract.rpc.procedure import Procedure

logger = logging.getLogger("kontract.events")

_LEAST_SPACING: Final = 0.01  # seconds from the beginning of one run to the next, unless they take longer
_SHARE: Final = 2  # so many times as long as a run takes
_PAUSE: Final = 1.0  # seconds before running again what could not be run at all

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One state of a live query.  ``patch`` makes it of the result with the number ``base``."""

    number: int
    txid: int
    is_result: bool
    text: bytes
    digest: str
    base: int | None = None
    patch: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a client wants to follow, and what it knows of it: the digest of a result."""

    procedure: Procedure[..., Any]
    args: Mapping[str, Any]
    known: str | None = None

    def make_key(self, identity: Identity, request: HttpRequest) -> Key:
        """Return what is the same for those who share an answer."""
        return (
            get_namespace(),
            self.procedure.name,
            json.dumps(self.args, sort_keys=True),
            identity.owner,
            identity.sid,
            identity.ugroups,
            identity.is_anonymous,
            request.headers.get("Accept-Language"),
            hasattr(request, "raystream"),
            request if is_personal(request, self.procedure) else None,
        )


class Index:
    """Which live queries of one namespace a change concerns; it follows the reader for all of them."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.tables: frozenset[str] = frozenset()
        self._counts: Counter[str] = Counter()
        self._by_id: dict[tuple[str, str], set[SharedLive]] = {}
        self._by_table: dict[str, set[SharedLive]] = {}

    def add(self, live: "SharedLive", reads: Iterable[Read]) -> None:
        """Tell ``live`` of what concerns these reads."""
        for read in reads:
            for entries, key in self._places(read):
                entries.setdefault(key, set()).add(live)
        self._count(read.table for read in reads)

    def remove(self, live: "SharedLive", reads: Iterable[Read]) -> None:
        """End what ``add`` began."""
        for read in reads:
            for entries, key in self._places(read):
                if live in (found := entries.get(key, set())):
                    found.discard(live)
                    if not found:
                        del entries[key]
        self._counts.subtract(read.table for read in reads)
        self._count(())

    def _places(self, read: Read) -> list[tuple[dict[Any, set["SharedLive"]], Any]]:
        ids = read.ids
        if ids is None:
            return [(self._by_table, read.table)]
        return [(self._by_id, (read.table, document_id)) for document_id in ids]

    def _count(self, tables: Iterable[str]) -> None:
        self._counts.update(tables)
        if (found := frozenset(+self._counts)) != self.tables:
            self.tables = found

    def notice(self, page: Shared) -> None:
        """See Follower.notice()."""
        if not self.tables <= page.tables:  # the page was being read when some of them were first read from
            self._touch_all(self.tables - page.tables)
        for seen in page.seen:
            change = seen.change
            for live in [*self._by_id.get((change.table, change.id), ()), *self._by_table.get(change.table, ())]:
                live.notice(seen)

    def restart(self) -> None:
        """See Follower.restart()."""
        self._touch_all(self.tables)

    def _touch_all(self, tables: frozenset[str]) -> None:
        by_id = (lives for (table, _), lives in self._by_id.items() if table in tables)
        by_table = (lives for table, lives in self._by_table.items() if table in tables)
        for live in set().union(*by_id, *by_table):
            live.touch()


class SharedLive:
    """One live query, and the streams that follow it."""

    def __init__(self, question: Question, request: HttpRequest, identity: Identity, index: Index) -> None:
        self._question = question
        self._request = request
        self._identity = identity
        self._namespace = get_namespace()
        self._index = index
        self._is_personal = is_personal(request, question.procedure)
        self._reads: tuple[Read, ...] = ()
        self._followers: dict[Callable[[], None], None] = {}
        self._touched = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._position = 0  # changes up to this txid are in the result
        self._result: Version | None = None  # the last version that is no problem
        self.version: Version | None = None
        self.runs = 0

    def follow(self, follower: Callable[[], None]) -> None:
        """Have ``follower`` called when there is a new version."""
        self._followers[follower] = None
        if self._task is None:
            self._task = asyncio.create_task(self._run_again_and_again(), context=Context())

    def leave(self, follower: Callable[[], None]) -> bool:
        """End what ``follow`` began; return whether nobody follows any more."""
        self._followers.pop(follower, None)
        if self._followers:
            return False
        if self._task is not None:
            self._task.cancel()
        self._index.remove(self, self._reads)
        self._reads = ()
        return True

    def notice(self, seen: Seen) -> None:
        """Run again if a change, of which the index says that it may concern this, does."""
        if seen.change.txid > self._position and self._is_concerned(seen):
            self._touched.set()

    def touch(self) -> None:
        """Run again whatever has changed."""
        self._touched.set()

    def _is_concerned(self, seen: Seen) -> bool:
        change = seen.change
        return any(
            read.table == change.table
            and (
                (change.old is not None and read.has(change.id, change.old_owner, change.old))
                or (change.data is not None and read.has(change.id, change.owner, change.data))
            )
            for read in self._reads
        )

    async def _run_again_and_again(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._touched.clear()
            started, position = loop.time(), self._index.hub.position.txid
            try:
                made, patch = await run(runners, self._make, self._result)
            except Exception:
                logger.exception("The live query %r cannot be run; trying again.", self._question.procedure.name)
                await asyncio.sleep(_PAUSE)
                continue
            if is_personal(self._request, self._question.procedure) and not self._is_personal:
                self._wake()  # each follower will ask for a live query of its own
                return
            self._settle(made, position)
            self._publish(made, patch)
            took = loop.time() - started
            with suppress(TimeoutError):
                async with asyncio.timeout(made.retry_after):
                    await self._touched.wait()
            await asyncio.sleep(max(0.0, started + max(_LEAST_SPACING, _SHARE * took) - loop.time()))

    def _make(self, last: Version | None) -> tuple[Run, bytes | None]:
        """Return what a run gives, and what makes it of the ``last`` result; in a thread."""
        asked = self._question
        made = run_procedure(self._request, asked.procedure, asked.args, self._identity, self._namespace)
        if last is None or not made.is_result or made.digest == last.digest:
            return made, None
        return made, make_patch(from_json(last.text), from_json(made.text), size=len(made.text))

    def _settle(self, made: Run, position: int) -> None:
        """Follow what the run has read, all of whose changes up to ``position`` it has seen in any case."""
        self.runs += 1
        self._index.remove(self, self._reads)
        self._reads = made.reads
        self._index.add(self, self._reads)
        self._position = max(position, made.snapshot or 0)
        if self._is_outdated():
            self._touched.set()

    def _is_outdated(self) -> bool:
        """Return whether something has changed since the snapshot, while nobody knew that it concerns this."""
        if not self._reads or (read := Cursor(self._position)) >= self._index.hub.position:
            return False
        tables = {one.table for one in self._reads}
        return not self._index.hub.has_kept(read) or any(
            not tables <= page.tables
            or any(seen.change.txid > self._position and self._is_concerned(seen) for seen in page.seen)
            for page in self._index.hub.after(read)
        )

    def _publish(self, made: Run, patch: bytes | None) -> None:
        last = self.version
        if last is not None and (last.is_result, last.digest) == (made.is_result, made.digest):
            return
        self.version = Version(
            number=1 if last is None else last.number + 1,
            txid=self._position,
            is_result=made.is_result,
            text=made.text,
            digest=made.digest,
            base=None if self._result is None else self._result.number,
            patch=patch,
        )
        if made.is_result:
            self._result = self.version
        self._wake()

    def _wake(self) -> None:
        for follower in list(self._followers):
            follower()


class Lives:
    """The live queries of one event loop."""

    def __init__(self) -> None:
        self._shared: dict[Key, SharedLive] = {}
        self._indexes: dict[str, tuple[Index, set[Key]]] = {}

    async def follow(
        self, question: Question, request: HttpRequest, identity: Identity, follower: Callable[[], None]
    ) -> tuple[Key, SharedLive]:
        """Let ``follower`` follow, with others or first."""
        index, keys = await self._open_index()
        key = question.make_key(identity, request)
        keys.add(key)
        if (live := self._shared.get(key)) is None:
            live = self._shared[key] = SharedLive(question, request, identity, index)
        live.follow(follower)
        return key, live

    def leave(self, key: Key, follower: Callable[[], None]) -> None:
        """End what ``follow`` began."""
        live = self._shared.get(key)
        if live is None or not live.leave(follower):
            return
        del self._shared[key]
        index, keys = self._indexes[key[0]]
        keys.discard(key)
        if not keys:
            del self._indexes[key[0]]
            index.hub.leave(index)

    def count_runs(self) -> list[int]:
        """Return how often each live query has run."""
        return [live.runs for live in self._shared.values()]

    async def _open_index(self) -> tuple[Index, set[Key]]:
        name = get_namespace()
        if name not in self._indexes:
            self._indexes[name] = Index(get_hub()), set()
        index, keys = self._indexes[name]
        await index.hub.join(index)
        return index, keys


_lives: "WeakKeyDictionary[asyncio.AbstractEventLoop, Lives]" = WeakKeyDictionary()


def get_lives() -> Lives:
    """Return the live queries of this event loop."""
    return _lives.setdefault(asyncio.get_running_loop(), Lives())
