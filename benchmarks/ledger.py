"""What each contender must hold by now; a benchmark of work that was not done is worth nothing."""

from collections import Counter
from typing import Any

from benchmarks.contenders import Contender
from benchmarks.documents import Make, make_document

SAMPLE = 25  # documents whose last value and number of versions are looked at


class WrongWorkError(Exception):
    """A contender did not do what was measured."""


def expect(actual: object, wanted: object, what: str) -> None:
    """Raise ``WrongWorkError`` unless two values are equal."""
    if actual != wanted:
        raise WrongWorkError(f"{what}: expected {wanted!r}, found {actual!r}.")


class Ledger:
    """The documents that one contender was given, and how often each was written."""

    def __init__(self, contender: Contender, make: Make = make_document) -> None:
        self.contender = contender
        self.make = make
        self.count = 0
        self.written: Counter[int] = Counter()
        self.ages: dict[int, int] = {}

    def load(self, count: int) -> None:
        """Load ``count`` more documents."""
        self.contender.load([self.make(number) for number in range(self.count + 1, self.count + count + 1)])
        self.added(count)

    def added(self, count: int) -> None:
        """Note that ``count`` documents were added."""
        self.count += count

    def wrote(self, number: int, age: int, times: int = 1) -> None:
        """Note that a document was written ``times`` times, ``age`` last."""
        self.written[number] += times
        self.ages[number] = age

    def check(self) -> None:
        """Raise ``WrongWorkError`` unless the contender holds exactly this."""
        name = self.contender.name
        expect(self.contender.count(), self.count, f"documents of {name}")
        if self.contender.keeps_versions:
            expect(self.contender.total_versions(), self.count + self.written.total(), f"versions of {name}")
        for number in list(self.ages)[-SAMPLE:]:
            self.check_document(number)

    def check_document(self, number: int) -> None:
        """Raise ``WrongWorkError`` unless the document has its last value and all its versions."""
        name = self.contender.name
        self.check_found(self.contender.get(number), self.ages[number])
        if self.contender.keeps_versions:
            expect(self.contender.versions(number), 1 + self.written[number], f"versions of {number} of {name}")

    def check_found(self, found: Any, age: int) -> None:
        """Raise ``WrongWorkError`` unless a document that was read has this age."""
        expect(self.contender.value(found), age, f"a document of {self.contender.name}")
