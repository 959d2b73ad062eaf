"""What a model demands of its objects holds, however they are written, and breaks at the same statement."""

import datetime as dt
import uuid
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F, Value

from tests.twins.compare import Models, rolled_back

DAY = dt.date(2024, 2, 29)

REFUSED: dict[str, Any] = {
    "unique field": lambda m: m.Account.objects.create(id=9, email="a@x"),
    "unique number": lambda m: m.Account.objects.create(id=9, email="new", code=1),
    "unique in an update": lambda m: m.Account.objects.filter(id=2).update(email="a@x"),
    "unique in a computed update": lambda m: m.Account.objects.filter(id=2).update(code=F("code") - 1),
    "unique in an update of all": lambda m: m.Account.objects.update(email="same"),
    "unique in save": lambda m: m.Account(id=2, email="a@x").save(),
    "unique in save of a field": lambda m: m.Account(id=2, code=1).save(update_fields=["code"]),
    "unique in bulk_update": lambda m: m.Account.objects.bulk_update([m.Account(id=2, email="a@x")], ["email"]),
    "unique together": lambda m: m.Seat.objects.create(id=9, row="A", number=1),
    "unique together in an update": lambda m: m.Seat.objects.filter(id=2).update(number=1),
    "unique constraint": lambda m: m.Booking.objects.create(id=9, name="z", room=1, day=DAY, end=9),
    "unique expression": lambda m: m.Booking.objects.create(id=9, name="ANN", end=9),
    "unique under a condition": lambda m: m.Booking.objects.create(id=9, name="z", end=1),
    "unique by coming under a condition": lambda m: m.Booking.objects.filter(id=2).update(active=True),
    "null once": lambda m: m.Reading.objects.create(id=9, sensor=None),
    "check": lambda m: m.Booking.objects.create(id=9, name="z", start=5, end=4),
    "check in an update": lambda m: m.Booking.objects.filter(id=1).update(start=F("end")),
    "check with a condition": lambda m: m.Booking.objects.filter(id=1).update(room=100),
    "primary key": lambda m: m.Account.objects.create(id=1, email="new"),
    "foreign key": lambda m: m.Book.objects.create(id=1, title="x", publisher_id="nobody"),
    "foreign key in an update": lambda m: m.Author.objects.update(mentor=9),
    "one to one": lambda m: [m.Profile.objects.create(id=n, author_id=1) for n in (1, 2)],
    "not null": lambda m: m.Account.objects.create(id=9, email=None),
    "not null in an update": lambda m: m.Account.objects.update(email=None),
    "not null in a computed update": lambda m: m.Booking.objects.filter(id=2).update(end=F("room")),
}
ALLOWED: dict[str, Any] = {
    "null twice in a unique field": lambda m: [m.Account.objects.create(id=n, email=str(n)) for n in (8, 9)],
    "null twice in unique together": lambda m: [m.Seat.objects.create(id=n, row="B") for n in (8, 9)],
    "null in a unique constraint": lambda m: [
        m.Booking.objects.create(id=n, name=str(n), room=1, end=n) for n in (8, 9)
    ],
    "not under the condition": lambda m: m.Booking.objects.create(id=9, name="z", end=1, active=False),
    "a check of NULL": lambda m: m.Booking.objects.create(id=9, name="z", room=None, end=9),
    "the same again": lambda m: m.Account.objects.filter(id=1).update(email="a@x"),
    "what was given up": lambda m: [
        m.Account.objects.filter(id=1).update(email="b"),
        m.Account.objects.create(id=9, email="a@x"),
    ],
    "what was deleted": lambda m: [
        m.Account.objects.get(id=1).delete(),
        m.Account.objects.create(id=9, email="a@x", code=1),
    ],
    "moved up one by one": lambda m: [m.Account.objects.filter(id=n).update(code=F("code") + 1) for n in (2, 1)],
    "a function of the value": lambda m: m.Booking.objects.create(id=9, name="ANN", start=1, end=9),
}


def fill(m: Models) -> None:
    """Make what others clash with."""
    m.Account.objects.create(id=1, email="a@x", code=1)
    m.Account.objects.create(id=2, email="b@x", code=2)
    m.Seat.objects.bulk_create([m.Seat(id=1, row="A", number=1), m.Seat(id=2, row="A", number=2)])
    m.Booking.objects.create(id=1, name="Ann", room=1, day=DAY)
    m.Booking.objects.create(id=2, name="Bob", active=False)
    m.Reading.objects.create(id=1)
    m.Author.objects.create(id=1, name="Jane")


def everything(m: Models) -> Any:
    """Return all objects, to see that nothing has changed."""
    names = ("Account", "Seat", "Booking", "Reading", "Author", "Book", "Profile")
    return {name: sorted(map(str, getattr(m, name).objects.values_list())) for name in names}


LATE = {"foreign key", "foreign key in an update"}  # checked at the commit, as Django's deferred constraints are


@pytest.mark.parametrize("name", REFUSED)
def test_what_breaks_a_rule_raises_and_changes_nothing(twin: Models, name: str) -> None:
    fill(twin)
    before = everything(twin)
    with pytest.raises(IntegrityError), transaction.atomic():
        REFUSED[name](twin)
    assert everything(twin) == before
    if name != "one to one":  # which takes two writes
        with pytest.raises(IntegrityError):
            REFUSED[name](twin)
        assert everything(twin) == before


@pytest.mark.parametrize("name", sorted(REFUSED.keys() - LATE))
def test_the_error_comes_from_the_statement_and_the_transaction_goes_on(twin: Models, name: str) -> None:
    fill(twin)
    before = everything(twin)

    @transaction.atomic
    def write() -> None:
        REFUSED[name](twin)
        pytest.fail("no error came from the statement")

    with transaction.atomic():
        with pytest.raises(IntegrityError):
            write()
        assert everything(twin) == before
        twin.Author.objects.create(id=2, name="James")
    assert twin.Author.objects.count() == 2


@pytest.mark.parametrize("name", sorted(LATE))
def test_what_is_referred_to_may_come_until_the_commit(twin: Models, name: str) -> None:
    fill(twin)
    with transaction.atomic():
        REFUSED[name](twin)
        twin.Publisher.objects.create(name="nobody")
        twin.Author.objects.create(id=9, name="late")
    assert everything(twin)["Author"] != []


@pytest.mark.parametrize("name", ALLOWED)
def test_what_breaks_no_rule_is_written(twin: Models, name: str) -> None:
    fill(twin)
    before = everything(twin)
    with rolled_back():
        ALLOWED[name](twin)
        inside = everything(twin)
    ALLOWED[name](twin)
    assert everything(twin) == inside
    assert (inside == before) == (name == "the same again")


def test_values_move_between_objects_in_one_transaction(twin: Models) -> None:
    fill(twin)
    with transaction.atomic():
        twin.Account.objects.filter(id=1).update(email="c")
        twin.Account.objects.filter(id=2).update(email="a@x")
        twin.Account.objects.filter(id=1).update(email="b@x")
    assert list(twin.Account.objects.order_by("id").values_list("email", flat=True)) == ["b@x", "a@x"]
    with pytest.raises(IntegrityError):
        twin.Account.objects.create(id=3, email="a@x")


def test_a_rolled_back_value_is_free_again(twin: Models) -> None:
    with transaction.atomic():
        with rolled_back():
            twin.Account.objects.create(id=1, email="a@x")
        twin.Account.objects.create(id=2, email="a@x")
    with rolled_back():
        twin.Account.objects.create(id=3, email="b@x")
    assert twin.Account.objects.create(id=4, email="b@x").pk == 4


KEY = uuid.UUID(int=5)


@pytest.mark.parametrize("first_inside", [True, False])
def test_a_key_that_was_given_by_hand_is_taken_but_once(twin: Models, first_inside: bool) -> None:
    if not first_inside:
        twin.Uuid.objects.create(id=KEY, name="one")

    @transaction.atomic
    def create() -> None:
        if first_inside:
            twin.Uuid.objects.create(id=KEY, name="one")
        twin.Uuid.objects.create(id=KEY, name="two")

    with pytest.raises(IntegrityError):
        create()
    assert twin.Uuid.objects.count() == (0 if first_inside else 1)
    with pytest.raises(IntegrityError):
        twin.Uuid.objects.bulk_create([twin.Uuid(id=uuid.UUID(int=6), name=name) for name in ("one", "two")])


def test_forms_and_full_clean_find_the_same(twin: Models) -> None:
    fill(twin)
    with pytest.raises(ValidationError) as raised:
        twin.Account(id=9, email="a@x", code=9).full_clean()
    assert list(raised.value.message_dict) == ["email"]
    with pytest.raises(ValidationError) as raised:
        twin.Booking(id=9, name="ANN", day=DAY, room=100, start=2, end=1).full_clean()
    assert len(raised.value.messages) == 3


def test_an_expression_is_unique_too_when_it_is_saved(twin: Models) -> None:
    fill(twin)
    with pytest.raises(IntegrityError):
        twin.Account(id=9, email=Value("a@x")).save()
