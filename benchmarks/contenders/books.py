"""Books in models: the same code on each, for Django's is the interface of all."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.apps import apps
from django.db.models import Avg, Sum

from benchmarks.contenders.ordinary import Django, Reversion, SimpleHistory
from benchmarks.contenders.ours import count_versions
from benchmarks.documents import AUTHORS, make_author
from kontract.tables.catalog import locate, resolve


class Books(Django):
    """An ordinary model.  The first book's number is 1, whatever its key is."""

    model_name = "PlainBook"
    author_name: ClassVar[str] = "PlainAuthor"

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[Any] = []
        self.author_keys: list[Any] = []

    def invite(self) -> None:
        """Add the authors, or find those that another contender with the same ones has added."""
        authors: Any = apps.get_model("benchmarks", self.author_name).objects
        if not authors.exists():
            authors.bulk_create([authors.model(**make_author(number)) for number in range(AUTHORS)])
        self.author_keys = list(authors.order_by("born").values_list("pk", flat=True))

    def fields(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments that make a book, with its author's key in place of the number."""
        return {**data, "author": None, "author_id": self.author_keys[data["author"]]}

    def make(self, documents: Iterable[Any]) -> list[Any]:
        """Return new books, not yet stored."""
        return [self.model(**self.fields(data)) for data in documents]

    def load(self, documents: Sequence[Any]) -> None:
        if not self.author_keys:
            self.invite()
        self.store(objs := self.make(documents))
        self.stored(objs)

    def stored(self, objs: Iterable[Any]) -> None:
        """Note the keys of books that were added."""
        self.keys.extend(obj.pk for obj in objs)

    def insert(self, data: Any) -> None:
        with self.write():
            self.keys.append(self.model.objects.create(**data).pk)

    def hold(self, numbers: Iterable[int]) -> None:
        held = self.model.objects.in_bulk([self.keys[number - 1] for number in numbers])
        self.held = {number: held[self.keys[number - 1]] for number in numbers}

    def save(self, number: int, data: Any) -> None:
        held = self.held[number]
        held.stock = data["stock"]
        held.save()

    def get(self, number: int) -> Any:
        return self.model.objects.get(pk=self.keys[number - 1])

    def value(self, found: Any) -> int:
        stock: int = found.stock
        return stock

    def filter(self, **conditions: Any) -> list[Any]:
        """Return the books that meet some conditions."""
        return list(self.model.objects.filter(**conditions))

    def newest(self, count: int) -> list[Any]:
        """Return the books that were published last."""
        return list(self.model.objects.order_by("-published_at")[:count])

    def from_country(self, country: str) -> list[Any]:
        """Return the books whose authors come from a country, with their authors."""
        return list(self.model.objects.select_related("author").filter(author__country=country))

    def totals(self) -> dict[str, Any]:
        """Return what all books say together."""
        totals: dict[str, Any] = self.model.objects.aggregate(pages=Sum("pages"), price=Avg("price"))
        return totals


class VersionedBooks(Books):
    """A versioned model."""

    name = "kontract"
    keeps_versions = True
    model_name, author_name = "VersionedBook", "VersionedAuthor"

    def versions(self, number: int) -> int:
        return len(self.get(number).history)

    def total_versions(self) -> int:
        return count_versions(resolve(*locate(), self.model._meta.db_table).ptr)


class SimpleHistoryBooks(Books, SimpleHistory):
    """A model with django-simple-history."""

    model_name = "SimpleHistoryBook"

    def history_of(self, number: int) -> Any:
        return super().history_of(self.keys[number - 1])


class ReversionBooks(Books, Reversion):
    """A model with django-reversion."""

    model_name = "ReversionBook"

    def history_of(self, number: int) -> Any:
        return super().history_of(self.keys[number - 1])
