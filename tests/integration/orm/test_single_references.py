"""What one write refers to: looked up with the write, and only if it did not refer to it before."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection

from kontract.mvcc.prepared import PREPARE_AFTER
from tests.twins.compare import Models

OFTEN = range(1, PREPARE_AFTER + 4)  # as often as the statement is used before it is prepared, and more


def test_an_object_may_refer_to_itself(twin: Models) -> None:
    for number in OFTEN:
        node = twin.Category.objects.create(id=number, name="root", parent_id=number)
        node.name = "still the root"
        node.save()
    late = twin.Category.objects.create(id=99, name="late")
    late.parent = late
    late.save()
    assert twin.Category.objects.get(id=99).parent_id == 99


def test_nothing_else_is_there_because_it_is_referred_to(twin: Models) -> None:
    for number in OFTEN:
        with pytest.raises(IntegrityError):
            twin.Category.objects.create(id=number, name="child", parent_id=99)
    child = twin.Category.objects.create(id=1, name="child")
    for number in OFTEN:
        child.parent_id = 99 + number
        with pytest.raises(IntegrityError):
            child.save()
    assert twin.Category.objects.get().parent_id is None


def test_a_reference_may_change_and_end(twin: Models) -> None:
    roots = [twin.Category.objects.create(id=number, name="root") for number in (1, 2)]
    child = twin.Category.objects.create(id=3, name="child", parent=roots[0])
    for number in OFTEN:
        child.parent = roots[number % 2]
        child.save()
        assert twin.Category.objects.get(id=3).parent_id == roots[number % 2].id
    child.parent = None
    child.save(update_fields=["parent"])
    assert twin.Category.objects.get(id=3).parent_id is None


def test_a_reference_to_a_unique_value_is_one(twin: Models) -> None:
    twin.Country.objects.create(id=1, code="NL")
    city = twin.City.objects.create(id=1, country_id="NL")
    for _ in OFTEN:
        city.save()
        with pytest.raises(IntegrityError):
            twin.City.objects.create(id=2, country_id="BE")
    city.country_id = "BE"
    with pytest.raises(IntegrityError):
        city.save()


def test_a_key_may_be_a_reference(twin: Models) -> None:
    twin.Slug.objects.create(slug="there")
    twin.Linked.objects.create(to_id="there")
    for _ in OFTEN:
        with pytest.raises(IntegrityError):
            twin.Linked.objects.create(to_id="not there")


@pytest.mark.more_privilege
def test_what_was_referred_to_before_is_not_looked_up_again(versioned: Models) -> None:
    group = Group.objects.create(name="readers")
    note: Any = versioned.Note.objects.create(text="one", group=group)
    with connection.cursor() as cursor:  # as somebody would that knows nothing of versioned models
        cursor.execute("DELETE FROM auth_group WHERE id = %s", [group.pk])
    for number in OFTEN:
        note.text = str(number)
        note.save()
        assert versioned.Note.objects.get().text == str(number)
    note.group_id = group.pk + 1
    with pytest.raises(IntegrityError, match="group_id_fk"):
        note.save()
