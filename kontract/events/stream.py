"""One stream of server-sent events: what a subscriber is told, in order, until it leaves or may not stay.

A generator finds out what there is to say.  When it has said everything the stream rests, and most of what comes then
is as simple as can be: the next page, which ``notice`` turns into a text that goes right out, past the generator.
Everything else wakes the generator, which looks at all again.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest

from kontract.context import CallContext, Identity, get_namespace, namespace
from kontract.events.credentials import Credential, Found, check_expiry
from kontract.events.cursor import Cursor
from kontract.events.live import Question
from kontract.events.patience import RESTS, SENDS, WORKS, Patience
from kontract.events.results import Results
from kontract.events.seats import Seat
from kontract.events.shape import find_shape
from kontract.events.sharing import Hub, Shared, catchers, get_hub, read_latest, read_shared, run
from kontract.events.subscriptions import TableSubscription, check_subscriber
from kontract.events.watching import PERIOD, get_watch
from kontract.events.wire import PADDING, encode
from kontract.events.workers import release_thread
from kontract.exceptions import InvalidSnapshotError, SnapshotTooOldError
from kontract.rpc.access import check_access
from kontract.rpc.problems import describe

logger = logging.getLogger("kontract.events")

_STALE_SECONDS: Final = PERIOD * 1.5  # since the caller was looked up, after which nothing is told before a new look
_PAUSE: Final = 0.5  # seconds before reading again what could not be read


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
        self._subscriptions = tables
        self._questions = questions
        self._results = Results(questions, request, self._wake)
        self._cursor = cursor
        self._seat = seat
        self._hub: Hub = get_hub()
        self._loop = asyncio.get_running_loop()
        self._parts = self._say_all()
        self._is_at_rest = False  # and the generator has nothing to say
        self._is_woken = False  # and it may have again
        self._is_silent = False  # for long
        self._waiter: asyncio.Future[bytes | None] | None = None
        self._patience = Patience(credential, self._be_silent, self._cut_off)
        self._sender: asyncio.Task[Any] | None = None
        self._failure: Exception | None = None
        self._must_read = is_resumed  # from the database, which tells whether the position can be gone on from
        self._accept(identity)
        self._looked_at = time.monotonic()

    def _accept(self, identity: Identity) -> None:
        self.identity = identity
        self._shape = find_shape(self._subscriptions, identity)

    # --- What happens to it ------------------------------------------------------------------------------------------

    def notice(self, page: Shared) -> None:
        """See Follower.notice()."""
        if page.cursor <= self._cursor:
            return
        is_next = page.after <= self._cursor and self.tables <= page.tables
        if self._waiter is None or self._waiter.done() or not is_next or not self._is_sound():
            self._wake()
            return
        text = self._shape.tell_new(page, self._cursor)
        self._cursor = page.cursor
        if text:
            self._waiter.set_result(text)

    def restart(self) -> None:
        """See Follower.restart()."""
        self._must_read = True
        self._wake()

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
        self._wake()

    def check(self) -> None:
        """Raise unless the caller may have the stream: what the tables' rules and the procedures' groups say."""
        for table in self.tables:
            check_subscriber(table, self.identity)
        for question in self._questions.values():
            check_access(question.procedure, _as_call(self.identity))

    def leave(self) -> None:
        """Let go of everything; may be called more than once."""
        self._seat.release()
        self._hub.leave(self)
        get_watch().remove(self)
        self._results.leave()
        self._patience.stop()

    # --- Being read from ---------------------------------------------------------------------------------------------

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> bytes:
        """Return the next part of the text; whoever calls has sent the last one."""
        text = None
        while not text:
            if self._is_at_rest and not self._is_woken:
                self._patience.enter(RESTS)
                self._waiter = self._loop.create_future()
                text = await self._waiter  # None where the generator knows what there is
            else:
                self._patience.enter(WORKS)
                text = await anext(self._parts)
                self._is_at_rest = not text
        self._patience.enter(SENDS)
        return text

    async def aclose(self) -> None:
        """End it."""
        await self._parts.aclose()
        self.leave()

    def _wake(self) -> None:
        self._is_woken = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _be_silent(self) -> None:
        self._is_silent = True
        self._wake()

    def _cut_off(self, seconds: float) -> None:
        """End what sends: the client does not read, so it cannot be told why."""
        logger.info("A stream is cut off (too_slow): its client has not read since %.0f s.", seconds)
        if self._sender is not None:
            self._sender.cancel()

    # --- What it says ------------------------------------------------------------------------------------------------

    async def _say_all(self) -> AsyncGenerator[bytes]:
        """Yield the parts of the text, and nothing (``b""``) where there is nothing to say for now."""
        try:
            self._sender = asyncio.current_task()
            self._patience.start()
            await release_thread()
            yield PADDING + encode("stream-open", json.dumps({"txid": self._cursor.txid}), self._cursor)
            get_watch().add(self)
            if self.tables:
                await self._hub.join(self)
            async for text in self._speak():
                yield text
        except Exception as error:
            yield encode("stream-error", _report(error).decode())
        finally:
            self.leave()

    async def _speak(self) -> AsyncIterator[bytes]:
        while True:
            self._is_woken = False
            await self._check_caller()
            if self._questions:
                with namespace(self.namespace):
                    await self._results.follow(self.identity)
            async for text in self._tell_changes():
                yield text
            for text in self._results.tell():
                yield text
            yield b""
            if self._is_silent:
                self._is_silent = False
                await self._check_caller()
                yield encode("keep-alive", "", self._cursor if self.tables else None)

    def _is_sound(self) -> bool:
        """Return whether it may go on without a further look at anything."""
        return not self._must_read and self._failure is None and not self._is_stale() and not self._has_expired()

    def _is_stale(self) -> bool:
        return bool(self.credential.key) and time.monotonic() - self._looked_at > _STALE_SECONDS

    def _has_expired(self) -> bool:
        return self.credential.expires is not None and time.time() >= self.credential.expires

    async def _check_caller(self) -> None:
        """Raise where the stream is over; look the caller up, where nobody has for too long."""
        while self._is_stale() and self._failure is None:
            await get_watch().look(self)
            if self._is_stale():
                await asyncio.sleep(_PAUSE)
        if self._failure is not None:
            raise self._failure
        check_expiry(self.credential)

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
            text = self._shape.tell(page, self._cursor)
            if text:
                await self._check_caller()
                yield text
            self._cursor = page.cursor

    async def _read(self) -> Shared | None:
        """Return the next page from the database; None, after a pause, where that does not answer."""
        try:
            page, _ = await run(catchers, read_shared, self.namespace, self._cursor, self.tables)
        except (OperationalError, InterfaceError) as error:
            logger.warning("A stream cannot read changes; trying again: %s", error)
            await asyncio.sleep(_PAUSE)
            return None
        self._must_read = False
        return page

    async def _reset(self) -> bytes:
        latest = await run(catchers, read_latest, self.namespace)
        self._must_read = False
        self._cursor = Cursor(latest)
        return encode("stream-reset", json.dumps({"txid": latest}), self._cursor)


def _report(error: Exception) -> bytes:
    problem = describe(error)
    if problem.is_our_fault:
        logger.error("A stream failed.", exc_info=error)
    return problem.encode()


def _as_call(identity: Identity) -> CallContext:
    return CallContext(owner=identity.owner, ugroups=identity.ugroups, is_anonymous=identity.is_anonymous)
