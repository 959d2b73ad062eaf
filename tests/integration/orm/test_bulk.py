"""Writing many objects at a time."""

from typing import Any

import pytest
from django.db import IntegrityError
from django.db.models import Case, F, Value, When
from django.db.models.functions import Lower

from tests.twins.compare import Both, Models

pytestmark = pytest.mark.more_privilege


def authors(m: Models, *ids: int, **values: Any) -> list[Any]:
    """Return unsaved authors."""
    return [m.Author(id=n, name=f"a{n}", **values) for n in ids]


def accounts(m: Models, *rows: tuple[int, str, int | None]) -> list[Any]:
    """Return unsaved accounts."""
    return [m.Account(id=n, email=email, code=code) for n, email, code in rows]


def of_authors(m: Models) -> Any:
    """Return what there is, to compare."""
    return list(m.Author.objects.values_list("id", "name", "age", "mentor"))


def of_accounts(m: Models) -> Any:
    """Return what there is, to compare."""
    return list(m.Account.objects.order_by("id").values_list("id", "email", "code"))


CREATES: dict[str, Any] = {
    "nothing": lambda m: m.Author.objects.bulk_create([]),
    "some": lambda m: m.Author.objects.bulk_create(authors(m, 1, 2, 3)),
    "in batches": lambda m: m.Author.objects.bulk_create(authors(m, *range(1, 8)), batch_size=3),
    "a generator": lambda m: m.Author.objects.bulk_create(m.Author(id=n, name=str(n)) for n in range(3)),
    "with an expression": lambda m: m.Author.objects.bulk_create([m.Author(id=1, name=Lower(Value("ABC")))]),
    "that refer to each other": lambda m: m.Author.objects.bulk_create(
        [m.Author(id=1, name="a", mentor_id=2), m.Author(id=2, name="b", mentor_id=1)]
    ),
    "ignoring conflicts": lambda m: m.Account.objects.bulk_create(
        accounts(m, (1, "new", 1), (5, "a@x", 2), (6, "c@x", 7), (7, "d@x", 8), (8, "d@x", 9)), ignore_conflicts=True
    ),
    "updating on the key": lambda m: m.Account.objects.bulk_create(
        accounts(m, (1, "z@x", 1), (4, "d@x", 4)),
        update_conflicts=True,
        update_fields=["email", "code"],
        unique_fields=["id"],
    ),
    "updating on a unique field": lambda m: m.Account.objects.bulk_create(
        accounts(m, (9, "a@x", 5), (4, "d@x", 4)),
        update_conflicts=True,
        update_fields=["code"],
        unique_fields=["email"],
    ),
}


@pytest.mark.parametrize("name", CREATES)
def test_bulk_create_does_what_it_does_in_an_ordinary_table(both: Both, name: str) -> None:
    def create(m: Models) -> Any:
        m.Account.objects.bulk_create(accounts(m, (1, "a@x", 1), (2, "b@x", 7), (3, "c@x", None)))
        made = CREATES[name](m)
        return [type(obj.pk) for obj in made], [obj._state.adding for obj in made], of_authors(m), of_accounts(m)

    both(create)


def test_bulk_create_resolves_conflicts_on_fields_together(both: Both) -> None:
    def create(m: Models) -> Any:
        seats = m.Seat.objects
        seats.bulk_create([m.Seat(id=1, row="A", number=1), m.Seat(id=2, row="A", number=None)])
        made = [m.Seat(id=3, row="A", number=1), m.Seat(id=4, row="A", number=2), m.Seat(id=5, row="A", number=None)]
        seats.bulk_create(made, ignore_conflicts=True)
        return list(seats.order_by("id").values_list("id", "row", "number"))

    both(create)


CREATE_ERRORS: dict[str, tuple[Any, Any]] = {
    "a taken key": (IntegrityError, lambda m: m.Account.objects.bulk_create(accounts(m, (1, "x", None)))),
    "a taken value": (IntegrityError, lambda m: m.Account.objects.bulk_create(accounts(m, (9, "a@x", None)))),
    "the same twice": (IntegrityError, lambda m: m.Author.objects.bulk_create(authors(m, 1, 1))),
    "the same value twice": (
        IntegrityError,
        lambda m: m.Account.objects.bulk_create(accounts(m, (8, "x", None), (9, "x", None))),
    ),
    "nothing to refer to": (IntegrityError, lambda m: m.Author.objects.bulk_create(authors(m, 1, mentor_id=99))),
    "another conflict": (
        IntegrityError,
        lambda m: m.Account.objects.bulk_create(
            accounts(m, (9, "a@x", 2)), update_conflicts=True, update_fields=["email"], unique_fields=["id"]
        ),
    ),
    "both ways": (
        ValueError,
        lambda m: m.Author.objects.bulk_create(authors(m, 1), ignore_conflicts=True, update_conflicts=True),
    ),
    "a batch of none": (ValueError, lambda m: m.Author.objects.bulk_create(authors(m, 1), batch_size=-1)),
    "no fields to update": (ValueError, lambda m: m.Author.objects.bulk_create(authors(m, 1), update_conflicts=True)),
    "an unsaved relation": (
        ValueError,
        lambda m: m.Author.objects.bulk_create(authors(m, 1, mentor=m.Author(name="x"))),
    ),
}


@pytest.mark.parametrize("name", CREATE_ERRORS)
def test_what_bulk_create_refuses_leaves_nothing_behind(both: Both, name: str) -> None:
    error, create = CREATE_ERRORS[name]

    def refuse(m: Models) -> Any:
        m.Account.objects.bulk_create(accounts(m, (1, "a@x", 1), (2, "b@x", 2)))
        with pytest.raises(error):
            create(m)
        return of_authors(m), of_accounts(m)

    both(refuse)


def changed(m: Models, **values: Any) -> list[Any]:
    """Return the authors with changed values."""
    found = list(m.Author.objects.order_by("id"))
    for author in found:
        for name, value in values.items():
            setattr(author, name, value)
    return found


UPDATES: dict[str, Any] = {
    "a value": lambda m: m.Author.objects.bulk_update(changed(m, age=9), ["age"]),
    "two fields in batches": lambda m: m.Author.objects.bulk_update(changed(m, age=9, name="x"), ["age", "name"], 1),
    "null": lambda m: m.Author.objects.bulk_update(changed(m, age=None, mentor=None), ["age", "mentor"]),
    "an expression": lambda m: m.Author.objects.bulk_update(changed(m, age=F("id") * 10), ["age"]),
    "a case": lambda m: m.Author.objects.bulk_update(changed(m, age=Case(When(id=1, then=5), default=6)), ["age"]),
    "a relation": lambda m: m.Author.objects.bulk_update(changed(m, mentor_id=1), ["mentor"]),
    "of those that are left": lambda m: [m.Author.objects.filter(id=1).delete(), m.Author.objects.bulk_update(
        [m.Author(id=1, age=1), m.Author(id=2, age=2)], ["age"])],
    "of a filtered queryset": lambda m: m.Author.objects.filter(id__gt=1).bulk_update(changed(m, age=9), ["age"]),
    "one object twice": lambda m: m.Author.objects.bulk_update([m.Author(id=1, age=5), m.Author(id=2, age=6)], ["age"]),
    "one in two batches": lambda m: m.Author.objects.bulk_update(changed(m, age=9)[:1] * 2, ["age"], batch_size=1),
    "one twice in a batch": lambda m: m.Author.objects.bulk_update(changed(m, age=9)[:1] * 2, ["age"]),
    "nothing": lambda m: m.Author.objects.bulk_update([], ["age"]),
}  # fmt: skip


@pytest.mark.parametrize("name", UPDATES)
def test_bulk_update_does_what_it_does_in_an_ordinary_table(both: Both, name: str) -> None:
    def update(m: Models) -> Any:
        m.Author.objects.bulk_create(authors(m, 1, 2, 3, age=4))
        return UPDATES[name](m), of_authors(m)

    both(update)


UPDATE_ERRORS: dict[str, tuple[Any, Any]] = {
    "no fields": (ValueError, lambda m: m.Author.objects.bulk_update(changed(m), [])),
    "the key": (ValueError, lambda m: m.Author.objects.bulk_update(changed(m), ["id"])),
    "no key": (ValueError, lambda m: m.Author.objects.bulk_update([m.Author(name="x")], ["name"])),
    "a field that is none": (Exception, lambda m: m.Author.objects.bulk_update(changed(m), ["nothing"])),
    "many to many": (ValueError, lambda m: m.Author.objects.bulk_update(changed(m), ["books"])),
    "a batch of none": (ValueError, lambda m: m.Author.objects.bulk_update(changed(m), ["age"], batch_size=-1)),
    "null where none may be": (IntegrityError, lambda m: m.Author.objects.bulk_update(changed(m, name=None), ["name"])),
    "nothing to refer to": (
        IntegrityError,
        lambda m: m.Author.objects.bulk_update(changed(m, mentor_id=9), ["mentor"]),
    ),
}


@pytest.mark.parametrize("name", UPDATE_ERRORS)
def test_what_bulk_update_refuses_changes_nothing(both: Both, name: str) -> None:
    error, update = UPDATE_ERRORS[name]

    def refuse(m: Models) -> Any:
        m.Author.objects.bulk_create(authors(m, 1, 2, 3, age=4))
        with pytest.raises(error):
            update(m)
        return of_authors(m)

    both(refuse)
