"""Aggregates: over everything, by group, through relations, in subqueries and windows."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.postgres import aggregates as postgres
from django.core.exceptions import FieldError
from django.db import models
from django.db.models import (
    Avg,
    Count,
    DecimalField,
    Exists,
    F,
    FilteredRelation,
    IntegerField,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    StdDev,
    Subquery,
    Sum,
    Value,
    Variance,
)  # fmt: skip
from django.db.models.functions import Coalesce, TruncYear

from tests.twins.compare import Both, Models

pytestmark = pytest.mark.more_privilege


def general(name: str) -> Any:
    """Return an aggregate that newer Djangos have for every database, and only there without a warning."""
    return getattr(models, name, None) or getattr(postgres, name)


AGGREGATES: dict[str, Any] = {
    "Avg": [Avg("pages"), Avg("price"), Avg("rating", default=0), Avg("authors__age")],
    "Count": [Count("id"), Count("*"), Count("authors"), Count("authors", distinct=True), Count("price")],
    "Max": [Max("title"), Max("published"), Max("added"), Max("price")],
    "Min": [Min("title"), Min("published"), Min("publisher__founded")],
    "StdDev": [StdDev("pages"), StdDev("pages", sample=True)],
    "Sum": [Sum("pages"), Sum("price"), Sum(F("pages") * 2), Sum("pages", filter=Q(rating__gt=4)), Sum("rating")],
    "Variance": [Variance("pages"), Variance("rating", sample=True)],
    "ArrayAgg": [postgres.ArrayAgg("id", order_by="-id"), postgres.ArrayAgg("title", distinct=True, order_by="title")],
    "BitAnd": [general("BitAnd")("pages")],
    "BitOr": [general("BitOr")("pages")],
    "BitXor": [general("BitXor")("pages")],
    "BoolAnd": [postgres.BoolAnd(Q(pages__gt=0))],
    "BoolOr": [postgres.BoolOr(Q(pages__gt=700))],
    "JSONBAgg": [postgres.JSONBAgg("data", order_by="id")],
    "StringAgg": [general("StringAgg")("title", Value(", "), order_by="id")],
    "Corr": [postgres.Corr("pages", "id")],
    "CovarPop": [postgres.CovarPop("pages", "id")],
    "RegrAvgX": [postgres.RegrAvgX("pages", "id")],
    "RegrAvgY": [postgres.RegrAvgY("pages", "id")],
    "RegrCount": [postgres.RegrCount("pages", "id")],
    "RegrIntercept": [postgres.RegrIntercept("pages", "id")],
    "RegrR2": [postgres.RegrR2("pages", "id")],
    "RegrSlope": [postgres.RegrSlope("pages", "id")],
    "RegrSXX": [postgres.RegrSXX("pages", "id")],
    "RegrSXY": [postgres.RegrSXY("pages", "id")],
    "RegrSYY": [postgres.RegrSYY("pages", "id")],
}


@pytest.mark.parametrize("name", AGGREGATES)
def test_every_aggregate_gives_what_it_gives_on_an_ordinary_table(library: Both, name: str) -> None:
    for aggregate in AGGREGATES[name]:

        def compute(models: Models, aggregate: Any = aggregate) -> Any:
            books = models.Book.objects
            groups = books.order_by().values("publisher__founded").annotate(x=aggregate).order_by("publisher__founded")
            found = [books.aggregate(x=aggregate), *groups, books.none().aggregate(x=aggregate)]
            return [row | {"x": without_order(row["x"])} for row in found]

        library(compute)


def without_order(value: Any) -> Any:
    """Return a float without its last digits, which depend on the order in which PostgreSQL meets the rows."""
    return float(f"{value:.12g}") if isinstance(value, float) else value


Make = Callable[[Models], Any]

QUERIES: dict[str, Make] = {
    "by group": lambda m: m.Book.objects.values("title").annotate(n=Count("id"), total=Sum("pages")).order_by("title"),
    "per object": lambda m: m.Author.objects.annotate(n=Count("books"), p=Max("books__price")).values_list(
        "id", "n", "p"
    ),
    "having": lambda m: m.Author.objects.annotate(n=Count("books")).filter(n__gt=1),
    "having and where": lambda m: m.Author.objects.filter(age__gt=50).annotate(n=Count("books")).filter(n__gte=1),
    "filtered": lambda m: m.Store.objects.annotate(n=Count("books", filter=Q(books__pages__gt=250))).values("id", "n"),
    "two relations": lambda m: m.Book.objects.annotate(
        a=Count("authors", distinct=True), s=Count("stores", distinct=True)
    ).values_list("id", "a", "s"),
    "of an annotation": lambda m: m.Author.objects.annotate(n=Count("books")).aggregate(Sum("n"), most=Max("n")),
    "of a slice": lambda m: m.Book.objects.order_by("-pages")[:3].aggregate(Sum("pages")),
    "of distinct": lambda m: m.Book.objects.values("title").distinct().aggregate(n=Count("title")),
    "backwards": lambda m: m.Publisher.objects.annotate(
        n=Count("books"), avg=Avg("books__price"), first=Min("books__published")
    ).values_list("name", "n", "avg", "first"),
    "two hops": lambda m: m.Publisher.objects.annotate(ages=Sum("books__authors__age")).values_list("name", "ages"),
    "by year": lambda m: (
        m.Book.objects.exclude(published=None)
        .annotate(y=TruncYear("published"))
        .values("y")
        .annotate(n=Count("id"))
        .order_by("y")
    ),
    "ordered by an aggregate": lambda m: m.Store.objects.annotate(n=Count("books")).order_by("-n", "name"),
    "of a sum": lambda m: m.Book.objects.aggregate(total=Sum(F("price") * F("pages"), output_field=DecimalField())),
    "default": lambda m: m.Book.objects.filter(pages__gt=10**6).aggregate(s=Sum("pages", default=0), m=Max("pages")),
    "in a subquery": lambda m: m.Author.objects.annotate(
        longest=Subquery(m.Book.objects.filter(authors=OuterRef("pk")).order_by("-pages").values("title")[:1])
    ).values_list("id", "longest"),
    "sum in a subquery": lambda m: m.Publisher.objects.annotate(
        total=Coalesce(
            Subquery(
                m.Book.objects.filter(publisher=OuterRef("pk"))
                .order_by()
                .values("publisher")
                .annotate(t=Sum("pages"))
                .values("t"),
                output_field=IntegerField(),
            ),
            Value(0),
        )
    ).values_list("name", "total"),
    "exists": lambda m: m.Author.objects.filter(Exists(m.Book.objects.filter(authors=OuterRef("pk"), pages__gt=400))),
    "not exists": lambda m: m.Author.objects.filter(~Exists(m.Book.objects.filter(authors=OuterRef("pk")))),
    "filtered relation": lambda m: (
        m.Author.objects.annotate(long=FilteredRelation("books", condition=Q(books__pages__gt=250)))
        .annotate(n=Count("long"))
        .values_list("id", "n")
    ),
    "aggregate over json": lambda m: m.Book.objects.values("data__n").annotate(c=Count("id")).order_by("data__n", "c"),
    "group by a foreign key": lambda m: (
        m.Book.objects.values("publisher").annotate(c=Count("id")).order_by("publisher")
    ),
    "group by the related object's": lambda m: (
        m.Book.objects.values("authors__name").annotate(p=Sum("pages")).order_by("authors__name")
    ),
    "alias": lambda m: m.Author.objects.alias(n=Count("books")).filter(n=2),
    "count after annotate": lambda m: m.Author.objects.annotate(n=Count("books")).filter(n__gt=0).count(),
    "union of counts": lambda m: m.Author.objects.values_list("id").union(m.Store.objects.values_list("id")).count(),
}


@pytest.mark.parametrize("name", QUERIES)
def test_aggregating_queries_give_the_same(library: Both, name: str) -> None:
    def run(models: Models) -> Any:
        result = QUERIES[name](models)
        unordered = isinstance(result, QuerySet) and not result.ordered
        return set(result) if unordered and result._fields is None else sorted(result, key=str) if unordered else result

    library(run)


def test_what_cannot_be_aggregated_raises_the_same(library: Both) -> None:
    library.raises(FieldError, lambda models: models.Book.objects.aggregate(Sum("nothing")))
    library.raises(FieldError, lambda models: models.Book.objects.annotate(n=Count("id"), s=Sum("n")).count())
    library.raises(TypeError, lambda models: models.Book.objects.aggregate(F("id")))
