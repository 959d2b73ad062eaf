"""How reads of kontract's tables change as documents and their versions grow in number."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.contenders.ours import Kontract
from benchmarks.documents import make_document, scatter
from benchmarks.ledger import expect
from benchmarks.measure import Effort, Task, Times, compare
from kontract import tables

LOADED = 10_000  # documents loaded in one transaction
REWRITTEN = 100  # documents rewritten in one transaction, drawn at random, as ordinary work leaves them scattered
POINT, POINT_QUICK = Effort(rounds=31, repeats=40), Effort(rounds=7, repeats=20)
SCAN, SCAN_QUICK = Effort(rounds=9, repeats=1, warm_up=2), Effort(rounds=5, repeats=3, warm_up=2)


@dataclass(frozen=True, slots=True)
class Shape:
    """A table of so many documents with so many versions each."""

    documents: int
    versions: int

    def __str__(self) -> str:
        return f"{self.documents}x{self.versions}"


class Grown:
    """A table of one shape; the age of a document is the number of the version, from 1."""

    def __init__(self, shape: Shape) -> None:
        tables.create(name := f"grown_{shape}")
        self.shape = shape
        self.contender = Kontract(name)
        self.table = self.contender.table
        self.middle = (shape.versions + 1) // 2
        self._write(1, LOADED)
        self.moment = self.contender.moment()
        for version in range(2, shape.versions + 1):
            self._write(version, REWRITTEN)
            if version == self.middle:
                self.moment = self.contender.moment()
        expect(self.table.count(), shape.documents, f"documents of {name}")
        expect(self.contender.total_versions(), shape.documents * shape.versions, f"versions of {name}")

    def _write(self, version: int, together: int) -> None:
        for numbers in self._batches(version, together):
            self.table.set_many({str(number): make_document(number, version) for number in numbers})

    def _batches(self, version: int, together: int) -> Iterator[Sequence[int]]:
        numbers = list(range(1, self.shape.documents + 1))
        if version > 1:
            random.Random(version).shuffle(numbers)
        for first in range(0, len(numbers), together):
            yield numbers[first : first + together]


class Growth:
    """Tables of several shapes, which take turns as contenders do."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self.grown = {str(shape): Grown(shape) for shape in shapes}

    def run(self, *, quick: bool) -> dict[str, Times]:
        """Return each kind of read's times by shape; those of scans per document."""
        point, scan = (POINT_QUICK, SCAN_QUICK) if quick else (POINT, SCAN)
        return {
            "get": compare(PointRead(self.grown), list(self.grown), point),
            "scan": self._per_document(compare(Scan(self.grown), list(self.grown), scan)),
            "get_as_of": compare(PastPointRead(self.grown), list(self.grown), point),
            "scan_as_of": self._per_document(compare(PastScan(self.grown), list(self.grown), scan)),
        }

    def _per_document(self, times: Times) -> Times:
        return {name: [time / self.grown[name].shape.documents for time in times[name]] for name in times}


@dataclass
class PointRead(Task):
    """One live document by id."""

    grown: dict[str, Grown]

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        """See ``Task``."""
        grown = self.grown[name]
        number = scatter(step, grown.shape.documents)
        return lambda: grown.contender.get(number)

    def verify(self, name: str, step: int, result: Any) -> None:
        """See ``Task``."""
        expect(result["age"], self.grown[name].shape.versions, f"the live version in {name}")


class PastPointRead(PointRead):
    """One document by id, as it was in the middle of its history."""

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        grown = self.grown[name]
        number = scatter(step, grown.shape.documents)
        return lambda: grown.contender.as_of(number, grown.moment)

    def verify(self, name: str, step: int, result: Any) -> None:
        expect(result["age"], self.grown[name].middle, f"the version read in {name}")


class Scan(PointRead):
    """All live documents, looked at by the server: an unindexed filter."""

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        grown = self.grown[name]
        return lambda: grown.table.query(age=grown.shape.versions).count()

    def verify(self, name: str, step: int, result: Any) -> None:
        expect(result, self.grown[name].shape.documents, f"documents seen in {name}")


class PastScan(Scan):
    """All documents as they were in the middle of their history."""

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        grown = self.grown[name]
        return lambda: grown.table.as_of(grown.moment).query(age=grown.middle).count()


def shapes(*, quick: bool) -> list[Shape]:
    """Return what to grow; the first is what the others are compared with."""
    base = 1_000 if quick else 10_000
    sizes = (1, 10) if quick else (1, 10, 100)
    return [Shape(base * size, 1) for size in sizes] + [Shape(base, versions) for versions in (10, 50)]
