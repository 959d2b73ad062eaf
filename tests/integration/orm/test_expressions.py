"""Expressions, conditional ones, windows and database functions, in annotations, conditions and orders."""

import datetime as dt
import zoneinfo
from typing import Any

import pytest
from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db.models import (
    BooleanField,
    Case,
    CharField,
    DateField,
    DecimalField,
    DurationField,
    ExpressionWrapper,
    F,
    FloatField,
    Func,
    IntegerField,
    JSONField,
    OrderBy,
    Q,
    TextField,
    Value,
    When,
    Window,
)  # fmt: skip
from django.db.models import functions as f
from django.db.models.aggregates import Avg, Sum
from django.db.models.expressions import RawSQL, RowRange, ValueRange
from django.db.models.fields.json import KT

from tests.twins.compare import Both, Models, rolled_back

pytestmark = pytest.mark.more_privilege

TOKYO = zoneinfo.ZoneInfo("Asia/Tokyo")

EXPRESSIONS: dict[str, Any] = {
    "F": F("pages"),
    "F through a relation": F("publisher__founded"),
    "F of json": F("data__n"),
    "arithmetic": F("pages") * 2 + F("id") % 3 - 1,
    "division": F("pages") / 7,
    "power": F("id") ** 2,
    "bits": F("pages").bitand(255),
    "decimals": ExpressionWrapper(F("price") * 3, output_field=DecimalField()),
    "mixed": ExpressionWrapper(F("price") * F("rating"), output_field=FloatField()),
    "duration": ExpressionWrapper(F("added") - dt.datetime(2024, 1, 1, tzinfo=dt.UTC), output_field=DurationField()),
    "date and duration": ExpressionWrapper(F("published") + dt.timedelta(days=1), output_field=DateField()),
    "Value": Value("x"),
    "Q": ExpressionWrapper(Q(pages__gt=200), output_field=BooleanField()),
    "Case": Case(When(pages__gt=400, then=Value("long")), When(pages=0, then=Value("none")), default=Value("short")),
    "Case with F": Case(When(price=None, then=F("pages")), default=F("id"), output_field=IntegerField()),
    "Func": Func(F("title"), Value("x"), function="concat", output_field=CharField()),
    "KT": KT("data__tags__0"),
    "RawSQL": RawSQL("%s || 'x'", ["a"], output_field=TextField()),
    "slice": F("title")[1:3],
    "Cast": f.Cast("pages", CharField()),
    "Cast to json": f.Cast("title", TextField()),
    "Coalesce": f.Coalesce("price", Value(0), output_field=DecimalField()),
    "Collate": f.Collate("title", "C"),
    "Greatest": f.Greatest("pages", Value(200)),
    "Least": f.Least("pages", "id"),
    "NullIf": f.NullIf("title", Value("Emma")),
    "JSONObject": f.JSONObject(title="title", p="publisher__name"),
    "JSONArray": getattr(f, "JSONArray", lambda *a: Value(1))("title", "pages"),
    "Extract": f.Extract("published", "year"),
    "ExtractIsoWeekDay": f.ExtractIsoWeekDay("published"),
    "ExtractHour in a zone": f.ExtractHour("added", tzinfo=TOKYO),
    "TruncMonth": f.TruncMonth("published"),
    "TruncDay in a zone": f.TruncDay("added", tzinfo=TOKYO),
    "TruncHour": f.TruncHour("added"),
    "TruncDate": f.TruncDate("added"),
    "TruncTime": f.TruncTime("added"),
    "TruncWeek": f.TruncWeek("published"),
    "TruncQuarter": f.TruncQuarter("published"),
    "Now": ExpressionWrapper(Q(added__lt=f.Now()), output_field=BooleanField()),
    "Abs": f.Abs(F("id") - 4),
    "Ceil": f.Ceil("rating"),
    "Floor": f.Floor("rating"),
    "Round": f.Round("price", precision=1),
    "Sqrt": f.Sqrt("pages"),
    "Power": f.Power("id", 2),
    "Mod": f.Mod("pages", 7),
    "Sign": f.Sign(F("id") - 4),
    "Ln": f.Ln("id"),
    "Log": f.Log(10, "id"),
    "Exp": f.Exp("rating"),
    "Pi": f.Pi(),
    "Sin": f.Sin("rating"),
    "Concat": f.Concat("title", Value(" by "), "publisher__name"),
    "ConcatPair": f.ConcatPair("title", "title"),
    "Length": f.Length("title"),
    "Lower": f.Lower("title"),
    "Upper": f.Upper("title"),
    "Left": f.Left("title", F("id") + 0),
    "Right": f.Right("title", 2),
    "LPad": f.LPad("title", 20, Value("-")),
    "RPad": f.RPad("title", 20),
    "Trim": f.Trim("title"),
    "Repeat": f.Repeat("title", F("id") + 0),
    "Replace": f.Replace("title", Value("m"), Value("n")),
    "Reverse": f.Reverse("title"),
    "StrIndex": f.StrIndex("title", Value("m")),
    "Substr": f.Substr("title", 2, 3),
    "MD5": f.MD5("title"),
    "Chr": f.Chr(F("id") + 64),
    "Ord": f.Ord("title"),
    "FirstValue": Window(f.FirstValue("title"), partition_by="publisher", order_by="id"),
    "LastValue": Window(f.LastValue("title"), partition_by="publisher", order_by="id"),
    "NthValue": Window(f.NthValue("title", 2), order_by="id"),
    "Lag": Window(f.Lag("pages", default=0), order_by="id"),
    "Lead": Window(f.Lead("pages"), order_by="id"),
    "Rank": Window(f.Rank(), order_by=F("rating").desc(nulls_last=True)),
    "DenseRank": Window(f.DenseRank(), order_by=F("rating").desc(nulls_last=True)),
    "PercentRank": Window(f.PercentRank(), order_by="pages"),
    "CumeDist": Window(f.CumeDist(), order_by="pages"),
    "Ntile": Window(f.Ntile(3), order_by="pages"),
    "RowNumber": Window(f.RowNumber(), order_by="title", partition_by=["publisher"]),
    "running sum": Window(Sum("pages"), order_by="id", frame=RowRange(start=None, end=0)),
    "window over values": Window(Avg("rating"), partition_by="publisher", order_by="id", frame=ValueRange()),
    "SearchRank": SearchRank(SearchVector("title"), SearchQuery("emma")),
    "JSON value": Value({"a": [1]}, JSONField()),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_expression_gives_what_it_gives_on_an_ordinary_table(library: Both, name: str) -> None:
    expression = EXPRESSIONS[name]

    def annotate(models: Models) -> Any:
        shown = models.Book.objects.annotate(x=expression)
        by_value = shown.order_by(OrderBy(F("x")), "id") if name not in ("Value", "RawSQL", "JSON value", "Pi") else []
        return [book.x for book in shown.order_by("id")], by_value, shown.values_list("id", "x").order_by("id")

    library(annotate)


@pytest.mark.parametrize("name", ["arithmetic", "Case", "Coalesce", "Lower", "Length", "TruncMonth", "KT", "Rank"])
def test_expressions_are_conditions(library: Both, name: str) -> None:
    def find(models: Models) -> Any:
        books = models.Book.objects.annotate(x=EXPRESSIONS[name]).order_by("id")
        smallest = books.exclude(x=None).order_by("x", "id").values_list("x", flat=True)[0]
        return books.filter(x=smallest), books.filter(x__gt=smallest), books.filter(x__isnull=True)

    assert library(find)[0]


UPDATES: dict[str, dict[str, Any]] = {
    "F": {"pages": F("pages") + 1},
    "function": {"title": f.Upper("title")},
    "case": {"pages": Case(When(price=None, then=1), default=F("id"))},
    "json": {"data": Value({"x": 1}, JSONField())},
    "two": {"pages": F("id"), "title": f.Concat("title", Value("!"))},
    "other field": {"title": f.Cast("pages", CharField())},
    "null": {"price": None, "publisher": None, "data": None},
    "rounded": {"pages": F("rating") * 1.1 + 3},
    "swap": {"pages": F("id") * 2, "rating": F("pages")},
    "decimals": {"price": F("price") / 3},
    "now": {"added": f.TruncYear(f.Now())},
}


@pytest.mark.parametrize("name", UPDATES)
def test_the_database_computes_updates(library: Both, name: str) -> None:
    def update(models: Models) -> Any:
        with rolled_back():
            books = models.Book.objects
            count = books.filter(id__gt=2, rating__gte=0).update(**UPDATES[name])
            return count, list(books.order_by("id").values_list("id", *UPDATES[name]))

    library(update)


def test_an_expression_is_saved_and_then_known(both: Both) -> None:
    def save(models: Models) -> Any:
        task = models.Task.objects.create(name="t", count=3)
        task.count = F("count") * 2
        task.save()
        task.refresh_from_db()
        made = models.Task(name=f.Lower(Value("NEW")))
        made.save()
        made.refresh_from_db()
        return task.count, made.name

    assert both(save) == ["6", "new"]
