"""Every lookup and transform, on its own type of field and through relations."""

import datetime as dt
import uuid
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import Any

import pytest
from django.contrib.postgres.lookups import SearchLookup
from django.db.models import CharField, F, Q
from django.test.utils import register_lookup

from tests.twins.compare import Both, Models

pytestmark = pytest.mark.more_privilege

DAY = dt.date(1817, 12, 20)
MOMENT = dt.datetime(2024, 1, 2, 12, 59, 30, 123456, dt.UTC)

# What the documentation's table calls the lookup, and uses of it on books.
LOOKUPS: dict[str, list[dict[str, Any]]] = {
    "exact": [
        *({"title": "Emma"}, {"id": "3"}, {"title": None}, {"rating__exact": 4.5}, {"price": Decimal("9.990")}),
        *({"published": DAY}, {"added": MOMENT}, {"publisher": "Murray"}, {"publisher__name": "Murray"}),
        *({"authors": 1}, {"authors__name": "Jane"}, {"data": {"n": 1, "tags": ["novel"]}}, {"pk": 1}),
    ],
    "iexact": [{"title__iexact": "eMMA"}, {"title__iexact": None}, {"publisher__name__iexact": "murray"}],
    "contains": [{"title__contains": "mm"}, {"title__contains": "%"}, {"title__contains": "_"}, {"pages__contains": 7}],
    "icontains": [{"title__icontains": "DUB"}, {"publisher__name__icontains": "& co"}, {"price__icontains": "9.9"}],
    "in": [
        *({"id__in": [1, "2", 9]}, {"id__in": []}, {"title__in": ("Emma", None)}, {"publisher__in": ["Murray"]}),
        *({"authors__in": [1, 3]}, {"price__in": [Decimal("10")]}, {"published__in": {DAY}}),
    ],
    "gt": [
        {"pages__gt": 288},
        {"published__gt": DAY},
        {"title__gt": "F"},
        {"added__gt": MOMENT},
        {"authors__age__gt": 50},
    ],
    "gte": [{"pages__gte": 288}, {"published__gte": DAY}, {"price__gte": "9.99"}, {"added__gte": MOMENT}],
    "lt": [{"pages__lt": 288}, {"published__lt": DAY}, {"rating__lt": 4.25}, {"added__lt": MOMENT}, {"id__lt": 2.5}],
    "lte": [{"pages__lte": 288}, {"published__lte": DAY}, {"publisher__founded__lte": 1919}, {"added__lte": MOMENT}],
    "startswith": [{"title__startswith": "E"}, {"title__startswith": "100%"}, {"publisher__name__startswith": "M"}],
    "istartswith": [{"title__istartswith": "D"}],
    "endswith": [{"title__endswith": "a"}, {"title__endswith": "_"}],
    "iendswith": [{"title__iendswith": "ERS"}],
    "range": [{"pages__range": (100, 300)}, {"published__range": (DAY, dt.date(1922, 2, 2))}, {"id__range": (2, 4)}],
    "date": [{"added__date": MOMENT.date()}, {"added__date__gt": MOMENT.date()}],
    "year": [
        {"published__year": 1817},
        {"published__year__gte": 1914},
        {"added__year": 2024},
        {"published__year__in": [1990]},
    ],
    "iso_year": [{"published__iso_year": 1815}],
    "month": [{"published__month": 12}, {"added__month__lt": 2}],
    "day": [{"published__day": 20}],
    "week": [{"published__week": 51}],
    "week_day": [{"published__week_day": 7}],
    "iso_week_day": [{"published__iso_week_day": 6}],
    "quarter": [{"published__quarter": 4}],
    "time": [{"added__time__gt": dt.time(12)}],
    "hour": [{"added__hour": 12}],
    "minute": [{"added__minute": 59}],
    "second": [{"added__second": 30}],
    "isnull": [
        {"price__isnull": True},
        {"publisher__isnull": False},
        {"authors__isnull": True},
        {"data__isnull": True},
    ],
    "regex": [{"title__regex": r"^[A-Z]\w+$"}],
    "iregex": [{"title__iregex": r"^d"}],
    "JSON key, index and path": [
        *({"data__n": 1}, {"data__n": None}, {"data__tags__0": "novel"}, {"data__a__b__1": 2}, {"data__a__b": [1, 2]}),
        *({"data__n__gt": 1}, {"data__n__isnull": False}, {"data__n__in": [1, 2]}, {"data__tags__0__startswith": "no"}),
    ],
    "JSON contains": [{"data__contains": {"n": 1}}, {"data__tags__contains": "late"}, {"data__contains": []}],
    "JSON contained_by": [{"data__contained_by": {"n": 1, "tags": ["novel"], "x": 0}}],
    "JSON has_key": [{"data__has_key": "n"}, {"data__a__has_key": "b"}],
    "JSON has_keys": [{"data__has_keys": ["n", "tags"]}],
    "JSON has_any_keys": [{"data__has_any_keys": ["a", "tags"]}],
}

NUMBERS = [[1, 2, 3], [2], [], None, [3, 1]]
RANGES = [(1, 5), (5, 10), None, (3, 4), (None, 2)]
# The same on the fields of contrib.postgres; ``numbers`` is an array, ``int_range`` a range.
POSTGRES: dict[str, list[dict[str, Any]]] = {
    "ArrayField contains": [{"numbers__contains": [2]}, {"numbers__contains": []}],
    "ArrayField contained_by": [{"numbers__contained_by": [1, 2, 3]}],
    "ArrayField overlap": [{"numbers__overlap": [3, 9]}],
    "ArrayField len": [{"numbers__len": 1}, {"numbers__len__gt": 1}],
    "ArrayField index": [{"numbers__0": 2}, {"numbers__1__gte": 1}],
    "ArrayField slice": [{"numbers__0_2": [1, 2]}],
    "ArrayField in": [{"numbers__in": [[2], [3, 1]]}],
    "range contains": [{"int_range__contains": 3}, {"int_range__contains": (3, 4)}],
    "range contained_by": [{"int_range__contained_by": (1, 6)}],
    "range overlap": [{"int_range__overlap": (4, 6)}],
    "range fully_lt": [{"int_range__fully_lt": (5, 6)}],
    "range fully_gt": [{"int_range__fully_gt": (1, 3)}],
    "range not_lt": [{"int_range__not_lt": (3, 4)}],
    "range not_gt": [{"int_range__not_gt": (3, 4)}],
    "range adjacent_to": [{"int_range__adjacent_to": (10, 12)}],
    "range startswith": [{"int_range__startswith": 5}],
    "range endswith": [{"int_range__endswith": 5}],
    "range isempty": [{"int_range__isempty": False}],
    "range lower_inc": [{"int_range__lower_inc": True}],
    "range lower_inf": [{"int_range__lower_inf": True}],
    "range upper_inc": [{"int_range__upper_inc": False}],
    "range upper_inf": [{"int_range__upper_inf": False}],
}


def look_up(lookup: dict[str, Any], models: Models) -> Any:
    """Return what is found, what is not, and both in the other forms that a lookup has."""
    objects = models.Book.objects.order_by("id")
    negated = objects.filter(~Q(**lookup))
    return objects.filter(**lookup).distinct(), objects.exclude(**lookup), negated, objects.filter(**lookup).count()


@pytest.mark.parametrize("name", LOOKUPS)
def test_every_lookup_finds_what_it_finds_in_an_ordinary_table(library: Both, name: str) -> None:
    for lookup in LOOKUPS[name]:
        library(partial(look_up, lookup))


@pytest.fixture
def arrays(both: Both) -> Both:
    def fill(models: Models) -> None:
        objects = models.Everything.objects
        objects.bulk_create(
            models.Everything(id=n, numbers=numbers, int_range=int_range)
            for n, (numbers, int_range) in enumerate(zip(NUMBERS, RANGES, strict=True))
        )

    both(fill)
    return Both(shared=True)


def test_every_lookup_of_postgresql_fields_does(arrays: Both) -> None:
    def find(lookup: dict[str, Any], models: Models) -> Any:
        return models.Everything.objects.filter(**lookup), models.Everything.objects.exclude(**lookup)

    for lookup in chain.from_iterable(POSTGRES.values()):
        arrays(partial(find, lookup))


def test_a_lookup_of_full_text_search_does(library: Both) -> None:
    with register_lookup(CharField, SearchLookup):
        assert library(lambda models: models.Book.objects.filter(title__search="omen")) == [("Book", "5")]


QUERIES = {
    "F on the same object": Q(pages__gt=F("id") * 100),
    "F through a relation": Q(publisher__founded__gt=F("published__year")),
    "or": Q(title="Emma") | Q(pages__gt=500),
    "xor": Q(title="Emma") ^ Q(pages__gt=200),
    "not or": ~(Q(title="Emma") | Q(price=None)),
    "not through a relation to many": ~Q(authors__name="Jane"),
    "two hops": Q(authors__mentor__name="Jane"),
    "three hops": Q(authors__mentor__mentor__name="Jane"),
    "backwards": Q(stores__name="B"),
    "backwards and on": Q(stores__books__title="Ulysses"),
    "one to one": Q(authors__profile__text__contains="first"),
    "no one to one": Q(authors__profile=None),
    "empty in": Q(id__in=[]) | Q(title="Emma"),
    "key of the related": Q(publisher_id="Murray"),
    "nulls on both sides": Q(publisher__books__price=None),
}


@pytest.mark.parametrize("name", QUERIES)
def test_conditions_combine(library: Both, name: str) -> None:
    def find(models: Models) -> Any:
        objects = models.Book.objects.order_by("id")
        return (
            objects.filter(QUERIES[name]).distinct(),
            objects.exclude(QUERIES[name]),
            objects.filter(QUERIES[name]).count(),
        )

    both_ways = library(find)
    assert both_ways[0] != both_ways[1]


@pytest.mark.parametrize(
    "lookup",
    [
        *({"nothing": 1}, {"title__nothing": 1}, {"authors__nothing": 1}, {"id": "x"}, {"published": "x"}),
        *({"id__in": 5}, {"pages__range": 5}, {"title__isnull": "x"}, {"title__regex": "("}, {"authors__gt__x": 1}),
    ],
)
def test_what_cannot_be_looked_up_raises_the_same(library: Both, lookup: dict[str, Any]) -> None:
    def kind_of_error(models: Models) -> str:
        try:
            list(models.Book.objects.filter(**lookup))
        except Exception as error:
            return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__.split(".")[0] != "kontract")
        return "none"

    assert library(kind_of_error) != "none"


def test_keys_of_all_kinds_are_looked_up(both: Both) -> None:
    one = uuid.UUID(int=7)

    def find(models: Models) -> Any:
        models.Uuid.objects.create(id=one, name="u")
        models.Slug.objects.bulk_create([models.Slug(slug=slug) for slug in ("a", "b", "B")])
        models.Amount.objects.create(amount=Decimal("1.5"))
        models.Day.objects.create(day=DAY)
        models.Linked.objects.create(to_id="a")
        return [
            *(models.Uuid.objects.filter(pk=str(one)), models.Uuid.objects.filter(id__in=[one.hex])),
            *(models.Uuid.objects.filter(id__startswith="00000000"), models.Slug.objects.filter(pk__gt="a").count()),
            *(models.Slug.objects.filter(slug__iexact="b").count(), models.Amount.objects.get(pk="1.50").amount),
            *(models.Amount.objects.filter(pk__lt=2), models.Day.objects.filter(day__year=1817)),
            *(
                models.Day.objects.in_bulk(),
                models.Linked.objects.filter(to__slug="a"),
                models.Linked.objects.get(pk="a"),
            ),
        ]

    both(find)
