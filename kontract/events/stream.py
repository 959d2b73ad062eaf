"""One stream of server-sent events: what a subscriber is told, in order, until it leaves or may not stay.

The wire is django-eventstream's: ``stream-open``, ``keep-alive``, ``stream-reset`` and ``stream-error``, see
https://github.com/fanout/django-eventstream.  Its views are not used: they cost a thread for each open stream.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest
from django_eventstream.utils import sse_encode_event
from pydantic_core import to_json

from kontract.conf import get_settings
from kontract.context import CallContext, Identity, get_namespace, namespace
from kontract.events.credentials import Credential, check_expiry
from kontract.events.cursor import Cursor
from kontract.events.live import Key, Question, SharedLive, Version, get_lives
from kontract.events.seats import Seat
from kontract.events.sharing import Hub, Shared, get_hub, read_latest, read_shared, readers, run, runners
from kontract.events.subscriptions import Seen, TableSubscription, check_subscriber, find_scope
from kontract.events.watching import PERIOD, Found, get_watch
from kontract.events.workers import release_thread
from kontract.exceptions import InvalidSnapshotError, SnapshotTooOldError
from kontract.rpc.access import check_access
from kontract.rpc.problems import describe

logger = logging.getLogger("kontract.events")

# Proxies and browsers that wait for some bytes before they show any get them.
_PADDING: Final = b":" + b" " * 2048 + b"\n\n"
_STALE_SECONDS: Final = PERIOD * 1.5  # since the caller was looked up, after which nothing is told before a new look
_PAUSE: Final = 0.5  # seconds before reading again what could not be read


def encode(event: str, data: str, cursor: Cursor | None = None) -> bytes:
    """Return an event as it is sent."""
    text: str = sse_encode_event(event, data, event_id=None if cursor is None else str(cursor))
    return text.encode()


@dataclass(slots=True)
class _Following:
    """A live query of this stream, and what was sent of it: the last version, and the last that was a result."""

    question: Question
    key: Key
    live: SharedLive
    wake: Callable[[], None]
    sent: int | None = None
    result: int | None = None
    digest: str | None = None


class Stream:
    """What one client has subscribed to; ``tables`` and ``questions`` by the names that it has given them."""

    def __init__(
        self,
        request: HttpRequest,
        *,
        tables: Mapping[str, TableSubscription],
        questions: Mapping[str, Question],
        identity: Identity,
        credential: Credential,
        cursor: Cursor,
        is_resumed: bool,
        seat: Seat,
    ) -> None:
        """``cursor`` is where it goes on from; one that ``is_resumed`` comes from the client."""
        self.credential = credential
        self.namespace = get_namespace()
        self.tables = frozenset(subscription.table for subscription in tables.values())
        self._subscriptions = {
            table: [(name, one) for name, one in tables.items() if one.table == table] for table in self.tables
        }
        self._questions = questions
        self._following: dict[str, _Following] = {}
        self._request = request
        self._cursor = cursor
        self._seat = seat
        self._hub: Hub = get_hub()
        self._woken = asyncio.Event()
        self._failure: Exception | None = None
        self._must_read = is_resumed  # from the database, which tells whether the position can be gone on from
        self._accept(identity)
        self._looked_at = time.monotonic()

    def _accept(self, identity: Identity) -> None:
        self.identity = identity
        self._scopes = {table: find_scope(table, identity) for table in self.tables}

    # --- What happens to it ------------------------------------------------------------------------------------------

    def notice(self, page: Shared) -> None:
        """See Follower.notice()."""
        if page.cursor <= self._cursor:
            return
        is_next = page.after <= self._cursor
        if is_next and not any(seen.change.table in self.tables for seen in page.seen):
            self._cursor = page.cursor
        else:
            self._woken.set()

    def restart(self) -> None:
        """See Follower.restart()."""
        self._must_read = True
        self._woken.set()

    def renewed(self, found: Found, looked_at: float) -> None:
        """See Watched.renewed()."""
        if not isinstance(found, Identity):
            self._failure = found
        else:
            self._looked_at = looked_at
            if found == self.identity:
                return
            self._accept(found)
            try:
                self.check()
            except Exception as error:
                self._failure = error
        self._woken.set()

    def check(self) -> None:
        """Raise unless the caller may have the stream: what the tables' rules and the procedures' groups say."""
        for table in self.tables:
            check_subscriber(table, self.identity)
        for question in self._questions.values():
            check_access(question.procedure, _as_call(self.identity))

    def close(self) -> None:
        """Let go of everything; may be called more than once."""
        self._seat.release()
        self._hub.leave(self)
        get_watch().remove(self)
        for name in list(self._following):
            self._unfollow(name)

    # --- What it says ------------------------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[bytes]:
        """Yield the text of the stream."""
        try:
            await release_thread()
            yield _PADDING + encode("stream-open", json.dumps({"txid": self._cursor.txid}), self._cursor)
            get_watch().add(self)
            if self.tables:
                await self._hub.join(self)
            async for text in self._speak():
                yield text
        except Exception as error:
            yield encode("stream-error", _report(error).decode())
        finally:
            self.close()

    async def _speak(self) -> AsyncIterator[bytes]:
        while True:
            self._woken.clear()
            await self._check_caller()
            await self._follow_all()
            async for text in self._tell_changes():
                yield text
            for text in self._tell_results():
                yield text
            if not await self._rest():
                await self._check_caller()
                yield encode("keep-alive", "", self._cursor if self.tables else None)

    async def _check_caller(self) -> None:
        """Raise where the stream is over; look the caller up, where nobody has for too long."""
        while self.credential.key and time.monotonic() - self._looked_at > _STALE_SECONDS and self._failure is None:
            await get_watch().look([self])
            if time.monotonic() - self._looked_at > _STALE_SECONDS:
                await asyncio.sleep(_PAUSE)
        if self._failure is not None:
            raise self._failure
        check_expiry(self.credential)

    async def _rest(self) -> bool:
        """Wait until there may be something to say; return False where there was nothing for long."""
        seconds = get_settings().EVENTS.keep_alive_seconds
        if self.credential.expires is not None:
            seconds = max(0.0, min(seconds, self.credential.expires - time.time()))
        try:
            async with asyncio.timeout(seconds):  # wait_for() of Python 3.11 makes a task each time
                await self._woken.wait()
        except TimeoutError:
            return False
        return True

    # --- Changes -----------------------------------------------------------------------------------------------------

    async def _tell_changes(self) -> AsyncIterator[bytes]:
        while self.tables and (self._cursor < self._hub.position or self._must_read):
            page = None if self._must_read else self._hub.since(self._cursor, self.tables)
            if page is None:
                try:
                    page = await self._read()
                except (SnapshotTooOldError, InvalidSnapshotError):
                    yield await self._reset()
                    continue
            if page is None:
                continue
            text = b"".join(self._tell(page))
            if text:
                await self._check_caller()
                yield text
            self._cursor = page.cursor

    async def _read(self) -> Shared | None:
        """Return the next page from the database; None, after a pause, where that does not answer."""
        try:
            page, _ = await run(readers, read_shared, self.namespace, self._cursor, self.tables)
        except (OperationalError, InterfaceError) as error:
            logger.warning("A stream cannot read changes; trying again: %s", error)
            await asyncio.sleep(_PAUSE)
            return None
        self._must_read = False
        return page

    async def _reset(self) -> bytes:
        latest = await run(runners, read_latest, self.namespace)
        self._must_read = False
        self._cursor = Cursor(latest)
        return encode("stream-reset", json.dumps({"txid": latest}), self._cursor)

    def _tell(self, page: Shared) -> Iterator[bytes]:
        for seen in page.seen:
            subscriptions = self._subscriptions.get(seen.change.table)
            if subscriptions is None or seen.change.cursor <= self._cursor:
                continue
            scope = self._scopes[seen.change.table]
            outcomes = [(name, one, one.decide(seen, scope)) for name, one in subscriptions]
            told = tuple((name, one.tell(seen, outcome)) for name, one, outcome in outcomes if outcome is not None)
            if told:
                yield _encode_change(seen, told)

    # --- Results -----------------------------------------------------------------------------------------------------

    async def _follow_all(self) -> None:
        """Follow the live queries as who the caller is now."""
        if not self._questions:
            return
        with namespace(self.namespace):
            for name, question in self._questions.items():
                before = self._following.get(name)
                if before is not None and before.key == question.make_key(self.identity, self._request):
                    continue
                wake = partial(self._woken.set)  # of its own: two live queries may be the same
                key, live = await get_lives().follow(question, self._request, self.identity, wake)
                self._unfollow(name)
                digest = question.known if before is None else before.digest
                self._following[name] = _Following(question, key, live, wake, digest=digest)

    def _unfollow(self, name: str) -> None:
        if (following := self._following.pop(name, None)) is not None:
            get_lives().leave(following.key, following.wake)

    def _tell_results(self) -> Iterator[bytes]:
        for name, following in self._following.items():
            version = following.live.version
            if version is not None and version.number != following.sent:
                yield encode("live", _tell_version(name, following, version))
                following.sent = version.number
                if version.is_result:
                    following.result, following.digest = version.number, version.digest


def _tell_version(name: str, following: _Following, version: Version) -> str:
    """Return what is sent of a version: whatever is the shortest."""
    head = json.dumps({"sub": name, "txid": version.txid})[:-1]
    if not version.is_result:
        return f'{head},"problem":{version.text.decode()}}}'
    head = f'{head},"digest":"{version.digest}"'
    if following.digest == version.digest:
        return f'{head},"same":true}}'
    if version.patch is not None and version.base == following.result:
        return f'{head},"patch":{version.patch.decode()}}}'
    return f'{head},"result":{version.text.decode()}}}'


def _encode_change(seen: Seen, told: tuple[tuple[str, str], ...]) -> bytes:
    """Return the event of a change; it is made once for all who are told the same."""
    made: bytes | None = seen.events.get(told)
    if made is None:
        change = seen.change
        head = to_json(
            {"txid": change.txid, "ordinal": change.ordinal, "at": change.committed_at, "label": change.label}
        )
        to = ",".join(f"{json.dumps(name)}:{text}" for name, text in told)
        made = seen.events[told] = encode("change", f'{head.decode()[:-1]},"to":{{{to}}}}}', change.cursor)
    return made


def _report(error: Exception) -> bytes:
    problem = describe(error)
    if problem.is_our_fault:
        logger.error("A stream failed.", exc_info=error)
    return problem.encode()


def _as_call(identity: Identity) -> CallContext:
    return CallContext(owner=identity.owner, ugroups=identity.ugroups, is_anonymous=identity.is_anonymous)
