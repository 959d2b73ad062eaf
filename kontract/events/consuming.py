"""A worker: it runs consumers together with other workers, each of which has its share of their parts.

A part is one worker's alone for as long as its lease lasts, which the worker renews while it lives.  Of a worker that
is killed another takes over when the lease has run out.  A worker that was only thought dead cannot do harm: its
transaction fails when it is to move a position that is somebody else's.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from typing import Final

from django.db import Error

from kontract.conf import get_settings
from kontract.context import namespace
from kontract.events import positions
from kontract.events.consumers import Consumer
from kontract.events.parts import Part
from kontract.events.source import Source

logger = logging.getLogger("kontract.events")

_BEATS: Final = 3  # in the time of a lease
_MOST_AT_ONCE: Final = 8  # parts that a worker runs at once where it is to end by itself


@dataclass(slots=True)
class _Place:
    """One namespace: its consumers, and what this worker has of them."""

    source: Source
    consumers: dict[str, Consumer]  # by the ids of their parts
    left: set[str]  # ids of the parts that are still to be run
    parts: dict[str, tuple[Part, threading.Thread]] = field(default_factory=dict)


class Worker:
    """Runs consumers in some namespaces of one database."""

    def __init__(
        self,
        consumers: Sequence[Consumer],
        namespaces: Sequence[str],
        *,
        using: str | None = None,
        report: Callable[[str], None] = logger.info,
    ) -> None:
        self.name = positions.make_worker_name()
        self.taken = 0  # changes that functions took
        self.has_failures = False
        self._report = report
        self._is_ending = False
        self._news: SimpleQueue[None] = SimpleQueue()  # of the end of a part or of all: what a signal handler may call
        self._seconds = get_settings().EVENTS.lease_seconds
        self._places = [_make_place(consumers, name, using) for name in namespaces]

    def stop(self) -> None:
        """Let run() end when the functions have done with the changes that they have now."""
        self._is_ending = True
        self._news.put(None)

    def run(self, *, once: bool = False) -> None:
        """Run consumers until stop() is called; with ``once`` until all are up to date, or have failed."""
        try:
            while not self._is_ending and not (once and self._is_done()):
                for place in self._places:
                    self._beat(place, once=once)
                if self._has_parts() or not once:
                    self._wait()
                self._sweep()
        finally:
            self._finish()

    def _wait(self) -> None:
        with suppress(Empty):
            self._news.get(timeout=self._seconds / _BEATS)

    def _is_done(self) -> bool:
        return not self._has_parts() and not any(place.left for place in self._places)

    def _has_parts(self) -> bool:
        return any(place.parts for place in self._places)

    def _beat(self, place: _Place, *, once: bool) -> None:
        """Renew what this worker has, and take what it should have; while the database fails all stays as it is."""
        try:
            tokens = {part.position.token or "": part for part, _ in place.parts.values()}
            kept, workers = positions.renew(place.source, self.name, tokens, self._seconds)
            for token in tokens.keys() - kept:
                tokens[token].end(lost=True)
            self._take_share(place, _MOST_AT_ONCE if once else -(-len(place.consumers) // workers), once=once)
        except Error as error:
            logger.warning("The worker %s cannot reach its database: %s", self.name, error)
            place.source.rest()

    def _take_share(self, place: _Place, share: int, *, once: bool) -> None:
        for part, _ in list(place.parts.values())[share:]:
            part.end()
        while len(place.parts) < share and (free := place.left - place.parts.keys()):
            position = positions.claim(place.source, free, self.name, self._seconds)
            if position is None:
                if once:
                    place.left -= free  # others have them
                return
            self._start(place, position, once=once)

    def _start(self, place: _Place, position: positions.Position, *, once: bool) -> None:
        consumer = place.consumers[position.id]
        part = Part(consumer, replace(place.source, tables=consumer.tables, old=consumer.old), position)
        thread = threading.Thread(target=self._run_part, args=(part, once), name=f"kontract-{part.name}", daemon=True)
        place.parts[position.id] = part, thread
        if once:
            place.left.discard(position.id)
        thread.start()

    def _run_part(self, part: Part, once: bool) -> None:
        try:
            part.run(once=once)
        except Exception:
            part.has_failed = True
            logger.exception("The consumer %s has stopped.", part.name)
        finally:
            self._news.put(None)

    def _sweep(self) -> None:
        """Report what was done, and forget the parts that have ended."""
        for place in self._places:
            for id_, (part, thread) in list(place.parts.items()):
                self._tell(part)
                if not thread.is_alive():
                    self._tell(part)
                    self.has_failures = self.has_failures or part.has_failed or part.buried > 0
                    del place.parts[id_]

    def _tell(self, part: Part) -> None:
        taken, part.taken = part.taken, 0
        if taken:
            self.taken += taken
            self._report(f"{part.name}: {taken} changes, up to {part.cursor}")

    def _finish(self) -> None:
        running = [pair for place in self._places for pair in place.parts.values()]
        for part, _ in running:
            part.end()
        for _, thread in running:
            while thread.is_alive():
                thread.join(self._seconds / _BEATS)
                self._renew_all()
        self._sweep()
        for place in self._places:
            self._leave(place)

    def _renew_all(self) -> None:
        """Keep what is still running, until it has ended."""
        for place in self._places:
            try:
                tokens = [part.position.token or "" for part, _ in place.parts.values()]
                positions.renew(place.source, self.name, tokens, self._seconds)
            except Error as error:
                logger.warning("The worker %s cannot reach its database: %s", self.name, error)
                place.source.rest()

    def _leave(self, place: _Place) -> None:
        try:
            positions.leave(place.source, self.name)
        except Error as error:
            logger.warning("The worker %s could not say that it ends: %s", self.name, error)
        finally:
            place.source.rest()


def _make_place(consumers: Iterable[Consumer], name: str, using: str | None) -> _Place:
    """Return a namespace in which each consumer has its positions.  Raises what ``Source.here`` does."""
    found: dict[str, Consumer] = {}
    with namespace(name):
        for consumer in consumers:
            source = Source.here(consumer.tables, using=using)
            found |= dict.fromkeys(positions.ensure(consumer, source), consumer)
        return _Place(Source.here(using=using), found, set(found))
