"""What is compared: one class a case."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from benchmarks.contenders import Contender
from benchmarks.documents import NAMES, make_document, scatter
from benchmarks.ledger import Ledger, expect
from benchmarks.measure import Effort

TOGETHER = 10  # writes in one transaction
LISTED = 1_000  # documents in a list
CHANGES = 100  # changes read from a feed


class Case:
    """A task (see ``measure``) for some of the contenders, and what to say about it."""

    name: ClassVar[str]
    title: str
    effort: ClassVar[Effort] = Effort(rounds=31, repeats=20)
    quick: ClassVar[Effort] = Effort(rounds=5, repeats=8)

    def __init__(self, ledgers: Mapping[str, Ledger], size: int) -> None:
        self.ledgers = {name: ledger for name, ledger in ledgers.items() if self.admits(ledger.contender)}
        self.size = size
        for ledger in self.ledgers.values():
            self.prepare(ledger)

    def admits(self, contender: Contender) -> bool:
        """Return whether a contender can do this at all."""
        return True

    def prepare(self, ledger: Ledger) -> None:
        """Do what comes before the first round."""

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        """Prepare one operation; see ``measure.Task``."""
        raise NotImplementedError

    def verify(self, name: str, step: int, result: Any) -> None:
        """Check or note what it did; see ``measure.Task``."""


class Update(Case):
    """Both sides have the new state in memory: ``set()`` against ``save()`` of an object read before."""

    name = "update"
    title = "one write"

    def prepare(self, ledger: Ledger) -> None:
        ledger.contender.hold(range(1, self.size + 1))

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        number = scatter(step, self.size)
        contender, data = self.ledgers[name].contender, self.ledgers[name].make(number, step)
        return lambda: contender.update(number, data)

    def verify(self, name: str, step: int, result: Any) -> None:
        self.ledgers[name].wrote(scatter(step, self.size), step)


class Insert(Case):
    name = "insert"
    title = "one insert"

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        contender, data = self.ledgers[name].contender, self.ledgers[name].make(self.size + step)
        return lambda: contender.insert(data)

    def verify(self, name: str, step: int, result: Any) -> None:
        self.ledgers[name].added(1)


class Together(Update):
    name = "together"
    title = f"{TOGETHER} writes, one transaction"
    effort = Effort(rounds=31, repeats=8)
    quick = Effort(rounds=5, repeats=4)

    def numbers(self, step: int) -> list[int]:
        """Return the documents that a step writes."""
        return [scatter(step * TOGETHER + i, self.size) for i in range(TOGETHER)]

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        contender = self.ledgers[name].contender
        documents = {number: make_document(number, step) for number in self.numbers(step)}
        return lambda: contender.update_together(documents)

    def verify(self, name: str, step: int, result: Any) -> None:
        for number in self.numbers(step):
            self.ledgers[name].wrote(number, step)


class Get(Case):
    name = "get"
    title = "point read"
    effort = Effort(rounds=41, repeats=40)
    quick = Effort(rounds=7, repeats=25)

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        number, contender = scatter(step, self.size), self.ledgers[name].contender
        return lambda: contender.get(number)

    def verify(self, name: str, step: int, result: Any) -> None:
        ledger = self.ledgers[name]
        ledger.check_found(result, ledger.ages.get(scatter(step, self.size), 0))


class Find(Case):
    """A scan on both sides: no index on the name, neither on the column nor on the key of the document."""

    name = "find"
    title = "filter on an unindexed field"
    effort = Effort(rounds=21, repeats=7)
    quick = Effort(rounds=5, repeats=3)

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        contender, wanted = self.ledgers[name].contender, f"Person {step % NAMES}"
        return lambda: contender.find(wanted)

    def verify(self, name: str, step: int, result: Any) -> None:
        expect(len(result) >= self.size // NAMES, True, f"all of that name found by {name}")


class List(Case):
    name = "list"
    title = f"list of {LISTED:,}"
    effort = Effort(rounds=21, repeats=7)
    quick = Effort(rounds=5, repeats=3)

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        contender = self.ledgers[name].contender
        return lambda: contender.first(LISTED)

    def verify(self, name: str, step: int, result: Any) -> None:
        expect(len(result), LISTED, f"documents listed by {name}")


class OfVersions(Case):
    """A case for those who keep versions."""

    def admits(self, contender: Contender) -> bool:
        return contender.keeps_versions


class AsOf(OfVersions):
    """Three versions; the one in the middle is read.  kontract by txid, the others by time: what each is made for."""

    name = "as_of"
    title = "point read of the past"
    numbers = range(1, 101)

    def __init__(self, ledgers: Mapping[str, Ledger], size: int) -> None:
        self.moments: dict[str, Any] = {}
        super().__init__(ledgers, size)

    def prepare(self, ledger: Ledger) -> None:
        ledger.contender.hold(self.numbers)
        self._write(ledger, -1)
        self.moments[ledger.contender.name] = ledger.contender.moment()
        self._write(ledger, -2)

    def _write(self, ledger: Ledger, age: int) -> None:
        for number in self.numbers:
            ledger.contender.update(number, make_document(number, age))
            ledger.wrote(number, age)

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        number, contender = scatter(step, len(self.numbers)), self.ledgers[name].contender
        moment = self.moments[name]
        return lambda: contender.as_of(number, moment)

    def verify(self, name: str, step: int, result: Any) -> None:
        self.ledgers[name].check_found(result, -1)


class Feed(OfVersions):
    """What was changed since, in order: kontract from its log, the others from their tables of versions."""

    name = "feed"
    title = f"{CHANGES} changes since"

    def __init__(self, ledgers: Mapping[str, Ledger], size: int) -> None:
        self.positions: dict[str, int] = {}
        super().__init__(ledgers, size)

    def prepare(self, ledger: Ledger) -> None:
        contender = ledger.contender
        contender.hold(range(1, 2 * CHANGES + 1))
        self.positions[contender.name] = contender.position()
        for number in range(1, 2 * CHANGES + 1):
            contender.update(number, make_document(number, -3))
            ledger.wrote(number, -3)

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        contender, position = self.ledgers[name].contender, self.positions[name]
        return lambda: contender.changes(position, CHANGES)

    def verify(self, name: str, step: int, result: Any) -> None:
        expect(result, list(range(1, CHANGES + 1)), f"changes read from {name}")


class Bulk(Case):
    name = "bulk"
    title = "bulk load"
    effort = Effort(rounds=4, repeats=1, warm_up=0)
    quick = Effort(rounds=2, repeats=1, warm_up=0)

    def __init__(self, ledgers: Mapping[str, Ledger], size: int) -> None:
        super().__init__(ledgers, size)
        self.batch = 10 * size
        self.title = f"bulk load of {self.batch:,}"

    def admits(self, contender: Contender) -> bool:
        return contender.loads_in_bulk

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        contender = self.ledgers[name].contender
        documents = [make_document(number) for number in range(self.batch)]
        return lambda: contender.load(documents)

    def verify(self, name: str, step: int, result: Any) -> None:
        self.ledgers[name].added(self.batch)


CASES: tuple[type[Case], ...] = (Update, Insert, Together, Get, Find, List, AsOf, Feed, Bulk)
