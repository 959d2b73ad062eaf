"""The feed of changes, for loops: ``for change in kontract.feed(after=4711): ...``."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator
from contextlib import aclosing, suppress
from itertools import islice
from typing import Final

from django.db.transaction import TransactionManagementError

from kontract.context import is_restricted
from kontract.events import listener
from kontract.events.change import Change
from kontract.events.cursor import Cursor
from kontract.events.pages import MOST_CHANGES, Page
from kontract.events.source import Source
from kontract.exceptions import InvalidQueryError, PermissionDeniedError
from kontract.mvcc import asynchronous, reads

LINGER: Final = 1.0  # seconds without a change, after which a follower gives its connection back


def feed(
    after: int | str | Cursor = 0,
    tables: Collection[str] | None = None,
    *,
    old: bool = False,
    limit: int | None = None,
    follow: bool = False,
    using: str | None = None,
) -> Iterator[Change]:
    """Return the changes after a position in the current namespace, in commit order, without a gap.

    ``after`` is a txid, or a cursor (``change.cursor``, also as text).  ``tables`` are names; by default all tables are
    read.  ``old`` asks for what the documents were before.  The feed ends with the present or after ``limit`` changes;
    with ``follow`` it waits for more.

    Raises ``InvalidCursorError``, ``TableNotFound``, ``NotVersionedError``; while it is read ``SnapshotTooOldError``
    where vacuum has removed what comes after ``after``, and ``InvalidSnapshotError`` where that has not come yet.
    In a call it raises ``PermissionDeniedError``, unless within ``kontract.elevated()``; in a live query without
    ``tables``, ``InvalidQueryError``.
    """
    source = _find_source(tables, old=old, using=using)
    if follow and source.is_in_transaction():
        raise _needs_no_transaction()
    pages = _follow(source, Cursor.of(after)) if follow else _read(source, Cursor.of(after), limit)
    return _take(pages, limit)


def _find_source(tables: Collection[str] | None, *, old: bool, using: str | None) -> Source:
    if isinstance(tables, str):
        tables = [tables]
    if is_restricted():
        raise PermissionDeniedError(
            "The feed shows changes whosever they are and whatever the permissions of their fields. Read it within "
            "kontract.elevated(), and give away only what the caller may see."
        )
    if tables is None and reads.is_recording():
        raise InvalidQueryError(
            "A live query runs again when what it has read changes, and a feed of all tables has what is not there "
            "yet, too. Name the tables: kontract.feed(tables=[...])."
        )
    return Source.here(tables, using=using, old=old)


def _needs_no_transaction() -> TransactionManagementError:
    return TransactionManagementError(
        "A transaction sees one moment, so a feed that follows would wait in it for ever. Follow outside of it."
    )


def _take(pages: Iterator[Page], limit: int | None) -> Iterator[Change]:
    """Yield the changes in ``pages``, at most ``limit``."""
    changes = (change for page in pages for change in page.changes)
    yield from islice(changes, limit)


def _read(source: Source, cursor: Cursor, limit: int | None) -> Iterator[Page]:
    is_last = limit == 0
    while not is_last:
        page = source.read(cursor, min(MOST_CHANGES, limit or MOST_CHANGES))
        cursor, is_last = page.cursor, page.is_last
        yield page


def _follow(source: Source, cursor: Cursor) -> Iterator[Page]:
    woken = threading.Event()
    unsubscribe = listener.subscribe(lambda *_: woken.set(), source.alias, source.ns)
    try:
        while True:
            woken.clear()
            page = source.read(cursor)
            cursor = page.cursor
            yield page
            if page.is_last and not woken.wait(LINGER):
                source.rest()
                woken.wait()
    finally:
        unsubscribe()


async def afeed(
    after: int | str | Cursor = 0,
    tables: Collection[str] | None = None,
    *,
    old: bool = False,
    limit: int | None = None,
    follow: bool = False,
    using: str | None = None,
) -> AsyncIterator[Change]:
    """See feed()."""
    source = await asynchronous.call(lambda: _find_source(tables, old=old, using=using))
    pages = _afollow(source, Cursor.of(after)) if follow else _aread(source, Cursor.of(after), limit)
    left = limit
    async with aclosing(pages):
        async for page in pages:
            for change in islice(page.changes, left):
                yield change
            if left is not None and (left := left - len(page.changes)) <= 0:
                return


async def _aread(source: Source, cursor: Cursor, limit: int | None) -> AsyncGenerator[Page, None]:
    is_last = limit == 0
    while not is_last:
        page = await asynchronous.call(source.read, cursor, min(MOST_CHANGES, limit or MOST_CHANGES))
        cursor, is_last = page.cursor, page.is_last
        yield page


async def _afollow(source: Source, cursor: Cursor) -> AsyncGenerator[Page, None]:
    loop, woken = asyncio.get_running_loop(), asyncio.Event()

    def wake(*_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
            loop.call_soon_threadsafe(woken.set)

    unsubscribe = listener.subscribe(wake, source.alias, source.ns)
    try:
        while True:
            woken.clear()
            page = await asynchronous.call(_aread_outside, source, cursor)
            cursor = page.cursor
            yield page
            if page.is_last:
                try:
                    await asyncio.wait_for(woken.wait(), LINGER)
                except TimeoutError:
                    await asynchronous.call(source.rest)
                    await woken.wait()
    finally:
        unsubscribe()


def _aread_outside(source: Source, cursor: Cursor) -> Page:
    if source.is_in_transaction():
        raise _needs_no_transaction()
    return source.read(cursor)
