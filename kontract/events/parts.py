"""Running one part of a consumer, for as long as this worker has it."""

import logging
import random
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.context import namespace
from kontract.events import listener, positions
from kontract.events.change import Change
from kontract.events.consumers import Consumer
from kontract.events.cursor import Cursor
from kontract.events.feed import LINGER
from kontract.events.positions import Position
from kontract.events.source import Source
from kontract.exceptions import InvalidSnapshotError, LeaseLostError, SnapshotTooOldError
from kontract.mvcc.connections import get_connection
from kontract.mvcc.transaction import run_transaction

logger = logging.getLogger("kontract.events")

_LONGEST_PAUSE: Final = 60.0  # seconds between two attempts
_TROUBLED_PAUSE: Final = 1.0  # seconds before reading again after the database has failed
_PAGE: Final = 500  # changes read at once


class Part:
    """A part of a consumer that this worker has a lease of; run() is for a thread of its own."""

    def __init__(self, consumer: Consumer, source: Source, position: Position) -> None:
        self.consumer = consumer
        self.position = position
        self.cursor = position.cursor
        self.taken = 0  # changes that the function took
        self.buried = 0  # changes that were put aside
        self.has_failed = False  # and what follows waits, as far as this run goes
        self._source = source
        self._attempts = position.attempts
        self._saved = position.cursor
        self._singly_until = position.cursor  # after a batch has failed
        self._is_lost = False
        self._ending = threading.Event()
        self._woken = threading.Event()

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.position.id.removeprefix("at/")

    def end(self, *, lost: bool = False) -> None:
        """Let run() end after the changes that the function has now; ``lost``: somebody else has the part."""
        self._is_lost = self._is_lost or lost
        self._ending.set()
        self._woken.set()

    def run(self, *, once: bool = False) -> None:
        """Call the function with changes until end() is called; with ``once`` up to the present, or a failure."""
        with namespace(self._source.namespace):
            try:
                self._run_once() if once else self._follow()
            except LeaseLostError as error:
                self._is_lost = True
                logger.warning("%s", error)
            finally:
                self._let_go()

    def _run_once(self) -> None:
        while not self._ending.is_set() and not self.has_failed:
            if self._step():
                return

    def _follow(self) -> None:
        unsubscribe = listener.subscribe(lambda *_: self._woken.set(), self._source.alias, self._source.ns)
        try:
            while not self._ending.is_set():
                self._woken.clear()
                if self._try_step() and not self._woken.wait(LINGER):
                    self._save()
                    self._source.rest()
                    if not self._ending.is_set():
                        self._woken.wait()
        finally:
            unsubscribe()

    def _try_step(self) -> bool:
        """Take a page of changes; return whether it was the last one.  After a failure, pause."""
        try:
            is_last = self._step()
            if self.has_failed:
                self._ending.wait(self._find_pause())
            return is_last
        except (SnapshotTooOldError, InvalidSnapshotError) as error:
            logger.error(
                "The consumer %s cannot go on: %s Then: manage.py kontract_consume --reset %s",
                self.name, error, self.consumer.name,
            )  # fmt: skip
            self._note(str(error), self._attempts)
            self._ending.wait(_LONGEST_PAUSE)
        except Error as error:
            logger.warning("The consumer %s waits for its database: %s", self.name, error)
            self._source.rest()
            self._ending.wait(_TROUBLED_PAUSE)
        return False

    def _step(self) -> bool:
        page = self._source.read(self.cursor, _PAGE)
        wanted = [change for change in page.changes if self.consumer.is_for(change, self.position.part)]
        if not wanted and page.is_last and self._attempts:  # who has died before did not die of a change
            self._note("", 0)
            self._attempts = 0
        for batch in self._batches(wanted):
            if self._ending.is_set() or not self._take(batch):
                return False
        self.cursor = page.cursor
        return page.is_last

    def _batches(self, changes: list[Change]) -> Iterator[list[Change]]:
        """Yield the changes in batches; where one has failed, each for itself, so that it is known which cannot go."""
        while changes:
            is_single = self._attempts or changes[0].cursor <= self._singly_until
            size = 1 if is_single else self.consumer.batch or 1
            batch, changes = changes[:size], changes[size:]
            yield batch

    def _take(self, batch: list[Change]) -> bool:
        """Call the function in a transaction with the move of the position; return whether to go on behind it."""
        cursor = batch[-1].cursor
        if self._is_spent(self._attempts):
            self._bury(batch[0], "Each worker that has tried it died.")
            return True
        try:
            self._commit(partial(self.consumer.call, batch), cursor)
        except LeaseLostError:
            raise
        except Exception as error:
            return self._fail(batch, error)
        self._moved_to(cursor)
        self.taken += len(batch)
        return True

    def _fail(self, batch: list[Change], error: Exception) -> bool:
        change = batch[-1]
        if len(batch) > 1:
            logger.warning("The consumer %s failed on %d changes; they follow singly.", self.name, len(batch))
            self._singly_until = change.cursor
            return False
        attempts, text = self._attempts + 1, f"{type(error).__name__}: {error}"
        logger.warning(
            "The consumer %s failed on %s/%s in transaction %s, attempt %d.",
            self.name, change.table, change.id, change.cursor, attempts, exc_info=error,
        )  # fmt: skip
        if self._is_spent(attempts):
            self._bury(change, text)
            return True
        self._note(text, attempts)
        self._attempts = attempts
        self.has_failed = True
        return False

    def _is_spent(self, attempts: int) -> bool:
        return self.consumer.retries is not None and attempts > self.consumer.retries

    def _find_pause(self) -> float:
        seconds: float = self.consumer.pause * 2 ** min(self._attempts - 1, 16)
        return min(_LONGEST_PAUSE, seconds) * random.uniform(0.7, 1)  # noqa: S311 - not a secret

    def _bury(self, change: Change, error: str) -> None:
        source = self._source

        def put_aside() -> None:
            positions.bury(get_connection(source.alias), source.ns, self.consumer.name, change, error)

        self._commit(put_aside, change.cursor)
        self._moved_to(change.cursor)
        self.buried += 1
        logger.error(
            "The consumer %s has put %s/%s aside: see manage.py kontract_consume --dead.", self.name, change.table,
            change.id,
        )  # fmt: skip

    def _commit(self, work: Callable[[], None], cursor: Cursor) -> None:
        def finish(result: None, connection: BaseDatabaseWrapper) -> None:
            positions.move(connection, self._source.ns, self.position, cursor)

        label = f"consumer {self.consumer.name}"
        run_transaction(work, using=self._source.alias, label=label, lazy=True, at_end=finish)

    def _moved_to(self, cursor: Cursor) -> None:
        self.cursor = self._saved = cursor
        self._attempts = 0
        self.has_failed = False

    def _note(self, error: str, attempts: int) -> None:
        """Write down what goes wrong."""
        connection = get_connection(self._source.alias)
        positions.move(connection, self._source.ns, self.position, self.cursor, attempts, error)

    def _save(self) -> None:
        """Write down a position that was reached without anything to do."""
        if self._saved != self.cursor:
            connection = get_connection(self._source.alias)
            positions.move(connection, self._source.ns, self.position, self.cursor)
            self._saved = self.cursor

    def _let_go(self) -> None:
        try:
            if not self._is_lost:
                positions.release(self._source, self.position, self.cursor, self._attempts)
        except Error as error:
            logger.warning("The consumer %s could not be released, and is free later: %s", self.name, error)
        finally:
            self._source.rest()
