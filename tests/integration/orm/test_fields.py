"""What goes into a field comes out of it, and is found by it, as with an ordinary column."""

import datetime as dt
import math
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection
from django.db.backends.postgresql.psycopg_any import DateRange, DateTimeTZRange, NumericRange
from django.db.models import JSONField, Value

from tests.twins.compare import Both, Models
from tests.twins.shapes.fields import Colour, Level

pytestmark = pytest.mark.more_privilege

UTC = dt.UTC
KOLKATA = dt.timezone(dt.timedelta(hours=5, minutes=30))

VALUES: dict[str, list[Any]] = {
    "char": ["", "a", "ä€😀", "null", "1", 'quo"te\\', "tab\t\n", "%s %% {}", Colour.RED, 5],
    "text": ["", "x" * 3000, " spaces ", "{}"],
    "slug": ["a-b_c"],
    "email": ["a@example.org"],
    "url": ["https://example.org/?q=%20"],
    "collated": ["Z", "a"],
    "small": [0, -32768, 32767],
    "integer": [0, -2147483648, 2147483647, "12", 3.0, True],
    "big": [0, -9223372036854775808, 9223372036854775807],
    "positive_small": [0, 32767],
    "positive": [0, 2147483647],
    "positive_big": [0, 9223372036854775807],
    "float": [0.0, -0.0, 1.5, -1e300, 5e-324, 0.1, 1e22, 3, math.inf, -math.inf, math.nan],
    "decimal": [0, Decimal("1.1"), Decimal("-1.100"), Decimal("9999999.999"), "2.5", 3, 0.5, Decimal("1E+2")],
    "boolean": [True, False, "1", 0],
    "date": [dt.date(2024, 2, 29), dt.date(1, 1, 1), dt.date(9999, 12, 31), "2024-01-02"],
    "moment": [
        dt.datetime(2024, 2, 29, 12, 30, 1, 5, UTC),
        dt.datetime(2024, 2, 29, 12, 30, tzinfo=KOLKATA),
        dt.datetime(1, 1, 2, tzinfo=UTC),
        dt.datetime(9999, 12, 30, tzinfo=UTC),
        "2024-01-02T03:04:05+01:00",
    ],
    "time": [dt.time(0), dt.time(23, 59, 59, 999999), "12:30"],
    "duration": [
        dt.timedelta(0),
        dt.timedelta(days=-1, seconds=3, microseconds=1),
        dt.timedelta(microseconds=-1),
        dt.timedelta(days=40000, hours=23),
        "3 02:01:00",
    ],
    "uuid": [uuid.UUID(int=1), "01890a5d-ac96-774b-bcce-b302099a8057"],
    "json": [
        *({}, [], "", "text", 0, 1.5, True, False, [1, [2, {"a": None}]], {"a": {"b": [1]}, "ä": "😀"}),
        *({"big": 2**70}, {"deep": {"k" * 5: [None, True]}}, {"%s": "%(x)s"}),
    ],
    "binary": [b"", b"\0\xff", bytearray(b"abc"), memoryview(b"xyz")],
    "ip": ["127.0.0.1", "::1", "2001:db8::ff00:42:8329"],
    "file": ["files/a.txt", ""],
    "image": ["images/a.png"],
    "path": ["/tmp/x"],  # noqa: S108
    "colour": [Colour.RED, "b"],
    "level": [Level.HIGH, 1],
    "numbers": [[], [1, 2, 3], [None, 1], (4, 5)],
    "words": [[], ["a", "", 'quo"te', "com,ma", "NULL", "{}", "back\\slash"], ["null", None]],
    "days": [[], [dt.date(2024, 1, 1), None]],
    "blobs": [[], [b"\x00\xff", b"", None]],
    "matrix": [[], [[1, 2], [3, 4]], [[None, 1]], [None, None]],
    "table": [[["a]", "[b{"], ['"', ","]]],
    "int_range": [(1, 5), NumericRange(1, 5, "[]"), NumericRange(None, 5), NumericRange(empty=True)],
    "big_range": [(1, 2**40)],
    "decimal_range": [(Decimal("1.5"), Decimal("2.5")), NumericRange(Decimal(1), None, "(]")],
    "date_range": [(dt.date(2024, 1, 1), dt.date(2024, 2, 1)), DateRange(dt.date(2024, 1, 1), None)],
    "moment_range": [DateTimeTZRange(dt.datetime(2024, 1, 1, tzinfo=UTC), dt.datetime(2024, 2, 1, tzinfo=KOLKATA))],
}
UNORDERED = {"json", "moment_range"}
# For a JSON field, Django 6.1 wants JSONNull(), which Django 5.2 does not have.
NONE_IS_NULL = pytest.mark.filterwarnings("ignore:Using None as the right-hand side")


@NONE_IS_NULL
@pytest.mark.parametrize("name", VALUES)
def test_values_come_back_are_found_and_ordered_as_those_of_a_column(both: Both, name: str) -> None:
    def insert_and_read(models: Models) -> Any:
        objects = models.Everything.objects
        values = [None, *VALUES[name]]
        objects.bulk_create([models.Everything(id=n, **{name: value}) for n, value in enumerate(values)])
        found = [objects.filter(**{name: value}) for value in values]
        others = [objects.exclude(**{name: value}) for value in values]
        orders = [objects.order_by(name, "id"), objects.order_by(f"-{name}", "id")] if name not in UNORDERED else []
        columns = objects.values_list(name, flat=True)
        return [getattr(obj, name) for obj in objects.all()], columns, found, others, orders, columns.distinct().count()

    both(insert_and_read)


@pytest.mark.parametrize("name", VALUES)
def test_values_are_saved_one_by_one_and_updated(both: Both, name: str) -> None:
    def save_and_update(models: Models) -> Any:
        obj = models.Everything.objects.create(id=1)
        seen = []
        for value in VALUES[name]:
            setattr(obj, name, value)
            obj.save()
            seen.append(getattr(models.Everything.objects.get(), name))
            models.Everything.objects.update(**{name: None})
            models.Everything.objects.update(**{name: value})
            seen.append(models.Everything.objects.values_list(name, flat=True).get())
        return seen

    both(save_and_update)


REFUSED = [
    ("char", "x" * 21, DataError),
    ("slug", "x" * 51, DataError),
    ("small", 32768, DataError),
    ("integer", 1 << 31, DataError),
    ("integer", "x", ValueError),
    ("big", 1 << 63, DataError),
    ("positive", -1, IntegrityError),
    ("positive_small", -1, IntegrityError),
    ("decimal", Decimal("12345678.9"), DataError),
    ("decimal", "x", Exception),
    ("date", "x", Exception),
    ("moment", "x", Exception),
    ("uuid", "x", Exception),
    ("boolean", "x", Exception),
    ("char", "nul\0", DataError),
    ("json", {"nul": "\0"}, DataError),
    ("numbers", [1 << 40], DataError),
    ("json", {"a": object()}, TypeError),
]


@pytest.mark.parametrize(("name", "value", "error"), REFUSED)
def test_what_no_column_takes_no_document_takes(both: Both, name: str, value: Any, error: type[Exception]) -> None:
    both.raises(error, lambda models: models.Everything.objects.create(id=1, **{name: value}))
    both(lambda models: models.Everything.objects.count())


@NONE_IS_NULL
def test_sql_null_and_json_null_are_two_things(both: Both) -> None:
    def tell_apart(models: Models) -> Any:
        objects = models.Everything.objects
        objects.create(id=1, json=None)
        objects.create(id=2, json=Value(None, JSONField()))
        objects.create(id=3, json={"a": None})
        objects.create(id=4, json={})
        return [
            objects.filter(json__isnull=True),
            objects.filter(json=None),
            objects.filter(json=Value(None, JSONField())),
            objects.filter(json__a=None),
            objects.filter(json__a__isnull=True),
            objects.filter(json__has_key="a"),
            objects.values_list("json", flat=True),
        ]

    both(tell_apart)


def test_the_database_makes_defaults_and_generated_values(both: Both) -> None:
    def make(models: Models) -> Any:
        objects = models.Line.objects
        first = models.Line(id=1)
        first.save()
        first.refresh_from_db()
        second = objects.create(id=2, name="screw", price=Decimal("0.05"), quantity=7)
        second.refresh_from_db()
        objects.filter(id=2).update(quantity=8)
        objects.bulk_create([models.Line(id=3), models.Line(id=4, quantity=1)])
        columns = ("name", "price", "quantity", "total", "label")
        made = [getattr(obj, column) for obj in (first, second) for column in columns]
        return (
            made,
            objects.values_list(*columns),
            objects.filter(total__gt=1, label="THING"),
            objects.order_by("total"),
        )

    both(make)


def test_django_makes_values_when_it_saves(both: Both) -> None:
    def make(models: Models) -> Any:
        draft = models.Draft.objects.create()
        before = draft.changed
        draft.tags.append("x")
        draft.save()
        draft.refresh_from_db()
        return draft.title, draft.tags, draft.changed > before >= draft.made, draft.day == draft.made.date()

    both(make)


def test_values_made_by_the_database_are_on_the_instance_at_once(both: Both) -> None:
    def make(models: Models) -> Any:
        line = models.Line.objects.create(id=1, quantity=3)
        return line.name, line.price, line.total, line.label, connection.features.can_return_columns_from_insert

    both(make)


def test_choices_have_their_labels(both: Both) -> None:
    def label(models: Models) -> Any:
        models.Everything.objects.create(id=1, colour=Colour.RED, level=Level.HIGH)
        found = models.Everything.objects.get(colour=Colour.RED, level__in=[Level.HIGH])
        return found.get_colour_display(), found.get_level_display()

    assert both(label) == ["Red", "High"]


def test_a_field_with_a_file_knows_its_name(both: Both) -> None:
    def name(models: Models) -> Any:
        models.Everything.objects.create(id=1, file="files/a.txt")
        found = models.Everything.objects.get()
        return found.file.name, bool(found.image), models.Everything.objects.filter(file="files/a.txt").count()

    both(name)
