"""Every method of a queryset, with the uses that its documentation shows."""

import datetime as dt
import pickle
from collections.abc import Callable
from typing import Any

import django
import pytest
from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, F, Prefetch, Q, QuerySet, Sum
from django.db.models.functions import Lower

from kontract.exceptions import UnsupportedError
from kontract.orm import VersionedQuerySet
from tests.twins.compare import Both, Models, rolled_back

pytestmark = pytest.mark.more_privilege

Use = Callable[[Models], Any]

QUERIES: dict[str, Use] = {
    "filter()": lambda m: m.Book.objects.filter(title="Emma", pages__gt=100),
    "complex_filter()": lambda m: m.Book.objects.complex_filter({"title": "Emma"}),
    "exclude()": lambda m: m.Book.objects.exclude(title="Emma"),
    "annotate()": lambda m: [b.double for b in m.Book.objects.annotate(double=F("pages") * 2)],
    "alias()": lambda m: m.Book.objects.alias(low=Lower("title")).filter(low="emma"),
    "order_by()": lambda m: [
        m.Book.objects.order_by("-publisher__founded", "title", "id"),
        m.Book.objects.order_by(F("price").asc(nulls_first=True), Lower("title").desc(), "-pk"),
        m.Book.objects.order_by("data__n", "id").values_list("id", flat=True),
    ],
    "reverse()": lambda m: m.Book.objects.reverse(),
    "distinct()": lambda m: [
        m.Book.objects.values_list("title").distinct().order_by("title"),
        m.Book.objects.distinct("title").order_by("title", "-pages"),
        m.Author.objects.filter(books__pages__gt=1).distinct(),
    ],
    "values()": lambda m: [m.Book.objects.values(), m.Book.objects.values("id", "publisher__name", low=Lower("title"))],
    "values_list()": lambda m: [
        m.Book.objects.values_list("id", "authors__name").order_by("id", "authors__name"),
        m.Book.objects.values_list("title", flat=True),
        [row.title for row in m.Book.objects.values_list("id", "title", named=True)],
    ],
    "dates()": lambda m: [m.Book.objects.dates("published", kind, "DESC") for kind in ("year", "month", "week", "day")],
    "datetimes()": lambda m: [m.Book.objects.datetimes("added", kind) for kind in ("year", "day", "hour", "second")],
    "none()": lambda m: [m.Book.objects.none(), m.Book.objects.none().count()],
    "all()": lambda m: m.Book.objects.all(),
    "union()": lambda m: [
        m.Book.objects.filter(id=1).union(m.Book.objects.filter(id__gt=4)).order_by("-id"),
        m.Book.objects.values_list("id").union(m.Author.objects.values_list("id"), all=True).order_by("id"),
    ],
    "intersection()": lambda m: (
        m.Book.objects.filter(id__gt=2).intersection(m.Book.objects.filter(id__lt=5)).order_by("id")
    ),
    "difference()": lambda m: m.Book.objects.difference(m.Book.objects.filter(title="Emma")).order_by("id"),
    "select_related()": lambda m: [
        [(book, book.publisher) for book in m.Book.objects.select_related("publisher")],
        [author.mentor for author in m.Author.objects.select_related("mentor__mentor")],
        m.Book.objects.select_related("publisher").select_related(None),
    ],
    "prefetch_related()": lambda m: [
        [list(book.authors.all()) for book in m.Book.objects.prefetch_related("authors", "stores__books")],
        [
            author.long
            for author in m.Author.objects.prefetch_related(
                Prefetch("books", m.Book.objects.filter(pages__gt=250), to_attr="long")
            )
        ],
    ],
    "extra()": lambda m: m.Book.objects.extra(select={"x": "pages * 2"}, where=["pages > %s"], params=[200]).values(
        "x"
    ),
    "defer()": lambda m: [sorted(b.get_deferred_fields()) for b in m.Book.objects.defer("title", "data")],
    "only()": lambda m: [(b.title, b.pages) for b in m.Book.objects.only("title")],
    "using()": lambda m: m.Book.objects.using("default").filter(id=1),
    "select_for_update()": lambda m: within(
        lambda: [
            list(m.Book.objects.select_for_update().filter(pages__gt=200)),
            list(m.Book.objects.select_for_update(skip_locked=True).order_by("-id")[:2]),
            list(m.Book.objects.select_for_update(nowait=True, of=("self",)).select_related("publisher").filter(id=1)),
        ]
    ),
    "qs & qs": lambda m: m.Book.objects.filter(id__gt=1) & m.Book.objects.filter(title="Emma"),
    "qs | qs": lambda m: m.Book.objects.filter(id=1) | m.Book.objects.filter(authors__name="Neil"),
    "qs ^ qs": lambda m: m.Book.objects.filter(id__gt=1) ^ m.Book.objects.filter(title="Emma"),
    "slicing": lambda m: [m.Book.objects.all()[2:4], m.Book.objects.all()[1], m.Book.objects.all()[:6:2]],
    "pickling": lambda m: pickle.loads(pickle.dumps(m.Book.objects.filter(id__lt=4))),  # noqa: S301
}

RESULTS: dict[str, Use] = {
    "get()": lambda m: [m.Book.objects.get(id=1), m.Book.objects.get(Q(pages__gt=700))],
    "create()": lambda m: within(lambda: m.Book.objects.create(id=50, title="new")),
    "get_or_create()": lambda m: within(
        lambda: [
            m.Book.objects.get_or_create(id=1, defaults={"title": "x"}),
            m.Book.objects.get_or_create(id=50, title="new"),
        ]
    ),
    "update_or_create()": lambda m: within(
        lambda: [
            m.Book.objects.update_or_create(id=1, defaults={"title": "x"}),
            m.Book.objects.update_or_create(id=50, defaults={"pages": 1}, create_defaults={"title": "new"}),
        ]
    ),
    "bulk_create()": lambda m: within(
        lambda: [
            m.Book.objects.bulk_create([m.Book(id=n, title="x") for n in (50, 51)]),
            m.Book.objects.bulk_create([m.Book(id=n, title="x") for n in (51, 52)], ignore_conflicts=True),
            m.Book.objects.bulk_create(
                [m.Book(id=1, title="y")], update_conflicts=True, unique_fields=["id"], update_fields=["title"]
            ),
            m.Book.objects.values_list("id", "title"),
        ]
    ),
    "bulk_update()": lambda m: within(
        lambda: [
            m.Book.objects.bulk_update([m.Book(id=1, title="a"), m.Book(id=2, title="b")], ["title"]),
            m.Book.objects.values_list("title"),
        ]
    ),
    "count()": lambda m: [m.Book.objects.count(), m.Book.objects.filter(authors__age__gt=50).distinct().count()],
    "in_bulk()": lambda m: [
        m.Book.objects.in_bulk(),
        m.Book.objects.in_bulk([1, 99]),
        m.Publisher.objects.in_bulk(["Murray"]),
        m.Country.objects.in_bulk(field_name="code"),
    ],
    "iterator()": lambda m: [
        list(m.Book.objects.iterator()),
        list(m.Book.objects.prefetch_related("authors").iterator(chunk_size=2)),
    ],
    "latest()": lambda m: [m.Book.published_ones.latest(), m.Book.objects.latest("pages", "id")],
    "earliest()": lambda m: [m.Book.objects.earliest("pages"), m.Book.published_ones.earliest("-published")],
    "first()": lambda m: [
        m.Book.objects.first(),
        m.Book.objects.order_by("-pages").first(),
        m.Book.objects.none().first(),
    ],
    "last()": lambda m: [m.Book.objects.last(), m.Book.objects.filter(id=99).last()],
    "aggregate()": lambda m: m.Book.objects.aggregate(Sum("pages"), n=Count("id"), all=ArrayAgg("id", order_by="id")),
    "exists()": lambda m: [m.Book.objects.exists(), m.Book.objects.filter(id=99).exists()],
    "contains()": lambda m: [m.Book.objects.contains(m.Book(id=1)), m.Book.objects.filter(id=2).contains(m.Book(id=1))],
    "update()": lambda m: within(
        lambda: [
            m.Book.objects.filter(publisher__founded__lt=1900).update(
                pages=F("pages") + 1, published=dt.date(2000, 1, 1)
            ),
            m.Book.objects.values_list("id", "pages", "published"),
        ]
    ),
    "delete()": lambda m: within(lambda: [m.Publisher.objects.filter(name="Murray").delete(), m.Book.objects.count()]),
    "as_manager()": lambda m: type(m.Book.objects).from_queryset(type(m.Book.objects.all())).__name__[:7],
    "explain()": lambda m: bool(m.Book.objects.filter(id=1).explain(analyze=True)),
}

UNSUPPORTED: dict[str, Use] = {
    "raw()": lambda m: m.Book.objects.raw("SELECT 1"),
    "select_for_update(of=...) with other models than its own": lambda m: within(
        lambda: list(m.Book.objects.select_related("publisher").select_for_update(of=("self", "publisher")))
    ),
}


def within(function: Callable[[], Any]) -> Any:
    """Call a function in a transaction that leaves nothing behind; return what it returns, already read."""
    with rolled_back():
        result = function()
        return (
            [list(part) if isinstance(part, QuerySet) else part for part in result] if type(result) is list else result
        )


@pytest.mark.parametrize("name", [*QUERIES, *RESULTS])
def test_every_method_does_what_it_does_for_an_ordinary_model(library: Both, name: str) -> None:
    library((QUERIES | RESULTS)[name])


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_cannot_be_says_what_to_write_instead(versioned: Models, name: str) -> None:
    with pytest.raises(UnsupportedError):
        UNSUPPORTED[name](versioned)


OURS = {"as_of", "changed_between"}
ELSEWHERE = {"resolve_expression", "db", "ordered", "query"}  # public, but not part of the documented interface


@pytest.mark.skipif(django.VERSION[:2] != (5, 2), reason="the list is that of Django 5.2")
def test_no_method_is_left_out() -> None:
    tried = {name.partition("(")[0] for name in (QUERIES | RESULTS | UNSUPPORTED)}
    methods = {name for name in dir(QuerySet) if not name.startswith("_")} - ELSEWHERE
    twins = {name for name in methods if name[0] == "a" and name[1:] in methods}
    assert methods - twins - tried == set()
    assert {name for name in vars(VersionedQuerySet) if not name.startswith("_")} - methods == OURS
