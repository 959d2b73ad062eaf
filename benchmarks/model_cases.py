"""What is compared of models: ``VersionedModel`` with an ordinary one, and with those that packages keep."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, cast

from benchmarks.cases import LISTED, Bulk, Case, Get, Insert, Update
from benchmarks.contenders import Contender
from benchmarks.contenders.books import Books
from benchmarks.database import settle
from benchmarks.documents import AUTHORS, COUNTRIES, SHELF, make_book, scatter
from benchmarks.ledger import Ledger, expect
from benchmarks.measure import Effort


class OfReads(Case):
    """A case for versioned and plain models: the packages read an ordinary table as well."""

    def admits(self, contender: Contender) -> bool:
        return contender.name in ("kontract", "Django")

    def books(self, name: str) -> Books:
        """Return the contender of this name."""
        return cast(Books, self.ledgers[name].contender)


class GetModel(Get, OfReads):
    name = "model_get"
    title = "model: `get(pk=...)`"


class Filter(OfReads):
    name = "model_filter"
    title = "model: filter on an indexed text"
    effort = Effort(rounds=31, repeats=20)
    quick = Effort(rounds=7, repeats=20)

    def condition(self, number: int) -> dict[str, Any]:
        """Return what the book and those beside it have in common."""
        return {"shelf": make_book(number)["shelf"]}

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        books, condition = self.books(name), self.condition(_among_many(step, self.size))
        return lambda: books.filter(**condition)

    def verify(self, name: str, step: int, result: Any) -> None:
        expect(len(result), SHELF, f"books found by {name}")


class FilterNumber(Filter):
    name = "model_filter_number"
    title = "model: filter on an indexed number"

    def condition(self, number: int) -> dict[str, Any]:
        return {"series": make_book(number)["series"]}


class Newest(OfReads):
    name = "model_list"
    title = f"model: list of {LISTED:,}"
    effort = Effort(rounds=21, repeats=7)
    quick = Effort(rounds=7, repeats=5)

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        books = self.books(name)
        return lambda: books.newest(LISTED)

    def verify(self, name: str, step: int, result: Any) -> None:
        expect(len(result), LISTED, f"books listed by {name}")
        expect(result[0].published_at > result[-1].published_at, True, f"the order of those listed by {name}")


class Joined(OfReads):
    """Authors by an indexed column, and their books by the foreign key's index."""

    name = "model_join"
    title = "model: join of two tables"
    effort = Effort(rounds=31, repeats=10)
    quick = Effort(rounds=7, repeats=10)

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        books, country = self.books(name), COUNTRIES[step % len(COUNTRIES)]
        return lambda: books.from_country(country)

    def verify(self, name: str, step: int, result: Any) -> None:
        country = COUNTRIES[step % len(COUNTRIES)]
        expect({book.author.country for book in result}, {country}, f"the authors that {name} has joined")
        written = sum(make_book(n)["author"] % len(COUNTRIES) == step % len(COUNTRIES) for n in range(1, AUTHORS + 1))
        expect(len(result) >= written * (self.size // AUTHORS), True, f"all their books found by {name}")


class Save(Update):
    """An object read before: all of its fields are written, one of them has changed."""

    name = "model_save"
    title = "model: `save()`"


class Create(Insert):
    name = "model_create"
    title = "model: `create()`"

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        books = cast(Books, self.ledgers[name].contender)
        fields = books.fields(make_book(self.size + step))
        return lambda: books.insert(fields)


class BulkCreate(Bulk):
    """Objects in memory are stored: only that is timed."""

    name = "model_bulk"

    def __init__(self, ledgers: Mapping[str, Ledger], size: int) -> None:
        super().__init__(ledgers, size)
        self.batch = size
        self.title = f"model: `bulk_create()` of {self.batch:,}"
        self.objs: list[Any] = []

    def admits(self, contender: Contender) -> bool:
        return True

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        books = cast(Books, self.ledgers[name].contender)
        self.objs = books.make(make_book(number) for number in range(10**6, 10**6 + self.batch))
        return lambda: books.store(self.objs)

    def verify(self, name: str, step: int, result: Any) -> None:
        cast(Books, self.ledgers[name].contender).stored(self.objs)
        super().verify(name, step, result)


class Aggregate(OfReads):
    """Every book is read, ten times as many as there are elsewhere."""

    name = "model_aggregate"
    effort = Effort(rounds=15, repeats=5, warm_up=3)
    quick = Effort(rounds=5, repeats=3, warm_up=3)

    def __init__(self, ledgers: Mapping[str, Ledger], size: int) -> None:
        self.many = 10 * size
        self.title = f"model: sum and average of {self.many:,}"
        super().__init__(ledgers, size)
        settle()

    def prepare(self, ledger: Ledger) -> None:
        ledger.load(max(self.many - ledger.count, 0))

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        books = self.books(name)
        return lambda: books.totals()

    def verify(self, name: str, step: int, result: Any) -> None:
        expect(result["pages"] >= 50 * self.many, True, f"all pages counted by {name}")
        expect(type(result["price"]), Decimal, f"the average price of {name}")


def _among_many(step: int, size: int) -> int:
    """Return a number of which all books of its shelf are there."""
    return max(scatter(step, size - SHELF), SHELF)


MODEL_CASES: tuple[type[Case], ...] = (
    GetModel, Filter, FilterNumber, Newest, Joined, Save, Create, BulkCreate, Aggregate,
)  # fmt: skip
