"""Saving, creating, refreshing and updating one object or all that a query finds."""

import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import (
    FieldDoesNotExist,
    FieldError,
    MultipleObjectsReturned,
    ObjectDoesNotExist,
    ValidationError,
)
from django.db import DatabaseError, IntegrityError
from django.db.models import F

from kontract import env
from tests.twins.compare import Both, Models
from tests.twins.queries import count_queries

KEYS: dict[str, dict[str, Any]] = {
    "Auto": {},
    "BigAuto": {},
    "SmallAuto": {},
    "Uuid": {},
    "Slug": {"slug": "a-b"},
    "Amount": {"amount": Decimal("1.50")},
    "Day": {"day": "2024-02-29"},
}


@pytest.mark.parametrize("name", KEYS)
def test_objects_live_under_keys_of_all_kinds(twin: Models, name: str) -> None:
    model = getattr(twin, name)
    obj = model.objects.create(name="one", **KEYS[name])
    assert obj.pk is not None
    obj.refresh_from_db()
    again = model.objects.get(pk=obj.pk)
    again.name = "two"
    again.save()
    assert again == obj == model.objects.get(name="two")
    assert model.objects.in_bulk([obj.pk]) == {obj.pk: obj}
    assert obj.delete() == (1, {model._meta.label: 1})
    assert obj.pk is None
    assert not model.objects.exists()


@pytest.mark.parametrize("name", ["Auto", "BigAuto", "SmallAuto"])
def test_automatic_keys_are_numbers_in_order_of_insertion(twin: Models, name: str) -> None:
    model = getattr(twin, name)
    keys = [model.objects.create().pk for _ in range(3)]
    keys += [obj.pk for obj in model.objects.bulk_create(model() for _ in range(20))]
    assert keys == sorted(set(keys))
    assert all(isinstance(key, int) and 0 < key < 1 << 53 for key in keys)


def test_a_default_key_is_a_uuid_that_tells_the_time(versioned: Models) -> None:
    keys = [versioned.Club.objects.create(name=str(n)).pk for n in range(3)]
    assert [key.version for key in keys] == [7, 7, 7]
    assert keys == sorted(keys)
    assert versioned.Club.objects.get(pk=str(keys[0])).name == "0"


SAVES: dict[str, Any] = {
    "again": lambda m, obj: obj.save(),
    "as new": lambda m, obj: obj.save(force_insert=True),
    "only update": lambda m, obj: obj.save(force_update=True),
    "only update, absent": lambda m, obj: m.Author(id=9, name="x").save(force_update=True),
    "only update, no key": lambda m, obj: m.Author(name="x").save(force_update=True),
    "one field": lambda m, obj: obj.save(update_fields=["age"]),
    "one field, absent": lambda m, obj: m.Author(id=9, name="x").save(update_fields=["name"]),
    "no field": lambda m, obj: obj.save(update_fields=[]),
    "a field that is none": lambda m, obj: obj.save(update_fields=["nothing"]),
    "same key": lambda m, obj: m.Author(id=1, name="other").save(),
    "new key": lambda m, obj: [obj.__dict__.update(id=5), obj.save()],
    "create with a taken key": lambda m, obj: m.Author.objects.create(id=1, name="x"),
    "null where none may be": lambda m, obj: m.Author.objects.create(id=5, name=None),
    "an unsaved relation": lambda m, obj: m.Author(id=6, name="x", mentor=m.Author(name="y")).save(),
    "a deleted object": lambda m, obj: [obj.delete(), obj.save()],
    "deleted twice": lambda m, obj: [obj.delete(), obj.delete()],
    "delete without a key": lambda m, obj: m.Author(name="x").delete(),
    "update nothing": lambda m, obj: m.Author.objects.filter(id=9).update(name="x"),
    "update the key": lambda m, obj: m.Author.objects.filter(id=1).update(id=7),
    "update a relation": lambda m, obj: m.Author.objects.update(mentor=obj),
    "update through a relation": lambda m, obj: m.Author.objects.update(mentor__name="x"),
    "update a slice": lambda m, obj: m.Author.objects.all()[:1].update(name="x"),
    "update what is not": lambda m, obj: m.Author.objects.update(nothing=1),
    "update by a relation's field": lambda m, obj: m.Author.objects.update(age=F("mentor__age")),
    "update found through a relation": lambda m, obj: m.Author.objects.filter(mentor__name="Jane").update(age=9),
    "update in an order": lambda m, obj: m.Author.objects.order_by("-age").update(age=F("age") + 1),
    "update distinct": lambda m, obj: m.Author.objects.distinct().update(age=3),
    "update by an annotation": lambda m, obj: m.Author.objects.annotate(x=F("age") * 2).update(age=F("x")),
    "delete a slice": lambda m, obj: m.Author.objects.all()[:1].delete(),
    "delete values": lambda m, obj: m.Author.objects.values("id").delete(),
    "delete by a relation": lambda m, obj: m.Author.objects.filter(mentor__age=41).delete(),
    "get none": lambda m, obj: m.Author.objects.get(id=9),
    "get two": lambda m, obj: m.Author.objects.get(age__gt=0),
    "get_or_create, there": lambda m, obj: m.Author.objects.get_or_create(id=1, defaults={"name": "x"}),
    "get_or_create, new": lambda m, obj: m.Author.objects.get_or_create(id=5, defaults={"name": lambda: "x"}),
    "update_or_create, there": lambda m, obj: m.Author.objects.update_or_create(name="Jane", defaults={"age": 5}),
    "update_or_create, new": lambda m, obj: m.Author.objects.update_or_create(
        id=5, defaults={"age": 1}, create_defaults={"name": "new"}
    ),
    "refresh what is gone": lambda m, obj: [m.Author.objects.filter(id=1).delete(), obj.refresh_from_db()],
    "refresh a field": lambda m, obj: [m.Author.objects.update(age=1, name="n"), obj.refresh_from_db(fields=["age"])],
    "refresh from a queryset": lambda m, obj: obj.refresh_from_db(from_queryset=m.Author.objects.filter(age=1)),
    "full_clean": lambda m, obj: m.Author(id=1, name="").full_clean(),
    "validate_unique": lambda m, obj: m.Author(id=1, name="x").validate_unique(),
}
ERRORS = (
    IntegrityError, DatabaseError, FieldError, MultipleObjectsReturned, ObjectDoesNotExist, ValidationError,
    FieldDoesNotExist, ValueError, TypeError,
)  # fmt: skip


@pytest.mark.more_privilege
@pytest.mark.parametrize("name", SAVES)
def test_a_write_does_what_it_does_to_an_ordinary_object(both: Both, name: str) -> None:
    def write(m: Models) -> Any:
        jane = m.Author.objects.create(id=1, name="Jane", age=41)
        m.Author.objects.create(id=2, name="James", age=58, mentor=jane)
        outcome = None
        try:
            outcome = SAVES[name](m, jane)
        except ERRORS as error:
            outcome = next(kind.__name__ for kind in ERRORS if isinstance(error, kind))
        state = jane.pk, jane.name, jane.age, jane._state.adding, jane._state.db
        return outcome, state, m.Author.objects.values_list("id", "name", "age", "mentor")

    both(write)


def test_saving_takes_one_statement(versioned: Models) -> None:
    def write() -> None:
        obj = versioned.Uuid.objects.create(name="one")
        obj.name = "two"
        obj.save()
        versioned.Uuid.objects.bulk_create(versioned.Uuid(name=str(n)) for n in range(50))

    write()
    with count_queries() as queries:
        write()
    assert len(queries) == 3


def test_deferred_fields_are_read_when_asked_for_and_not_overwritten(twin: Models) -> None:
    twin.Author.objects.create(id=1, name="Jane", age=41)
    lazy = twin.Author.objects.defer("name").get()
    only = twin.Author.objects.only("name").get()
    twin.Author.objects.update(name="Joan")
    assert (lazy.get_deferred_fields(), only.get_deferred_fields()) == ({"name"}, {"age", "mentor_id"})
    lazy.age = 42
    lazy.save()
    assert twin.Author.objects.values_list("name", "age").get() == ("Joan", 42)
    assert lazy.name == "Joan"


def test_an_object_keeps_what_its_document_has_beside_its_fields(versioned: Models) -> None:
    obj = versioned.Uuid.objects.create(id=uuid.UUID(int=1), name="one")
    table = env.storage[versioned.Uuid._meta.db_table]
    table.update(str(obj.pk), {"extra": [1, {"x": 1.10}]})
    obj.name = "two"
    obj.save()
    versioned.Uuid.objects.update(name="three")
    assert table[str(obj.pk)] == {"name": "three", "extra": [1, {"x": 1.1}]}


def test_a_model_of_a_project_inherits_from_versioned_and_ordinary_abstract_models(versioned: Models) -> None:
    versioned.Book.objects.create(id=1, title="x", pages=301)
    assert versioned.Book.objects.all().long().as_of(0).count() == 0
    assert versioned.Book.published_ones.count() == 0
