"""Models in Django's transactions: savepoints, errors, the end of the block, and what it takes with it."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.transaction import TransactionManagementError

import kontract
from tests.savepoints import set_savepoint
from tests.twins.compare import Models


def names(m: Models) -> list[str]:
    """Return the names of all tasks."""
    return list(m.Task.objects.values_list("name", flat=True))


class Stop(Exception):
    """Ends a block."""


def test_a_block_sees_its_own_writes_and_leaves_nothing_when_it_fails(twin: Models) -> None:
    @transaction.atomic
    def write() -> None:
        task = twin.Task.objects.create(name="a")
        twin.Task.objects.bulk_create([twin.Task(name="b"), twin.Task(name="c")])
        twin.Task.objects.filter(name="b").update(count=2)
        task.delete()
        assert names(twin) == ["b", "c"]
        assert twin.Task.objects.filter(count=2).count() == 1
        raise Stop

    with pytest.raises(Stop):
        write()
    assert names(twin) == []


def test_nested_savepoints_keep_what_is_released_and_drop_what_is_rolled_back(twin: Models) -> None:
    def block(name: str, *inner: Any, fail: bool = False) -> None:
        try:
            with transaction.atomic():
                twin.Task.objects.create(name=name)
                for function in inner:
                    function()
                if fail:
                    raise Stop
        except Stop:
            pass

    block(
        "a",
        lambda: block("b", lambda: block("c")),
        lambda: block("d", lambda: block("e"), fail=True),
        lambda: block("f", lambda: block("g", fail=True)),
    )
    assert names(twin) == ["a", "b", "c", "f"]
    assert len({task.pk for task in twin.Task.objects.all()}) == 4


def test_a_rolled_back_update_shows_the_value_before_it(twin: Models) -> None:
    twin.Task.objects.create(name="a", count=1)
    with transaction.atomic():
        twin.Task.objects.update(count=2)
        savepoint = set_savepoint()
        twin.Task.objects.update(count=3)
        twin.Task.objects.all().delete()
        assert names(twin) == []
        transaction.savepoint_rollback(savepoint)
        assert twin.Task.objects.get().count == 2
        savepoint = set_savepoint()
        twin.Task.objects.update(count=4)
        transaction.savepoint_commit(savepoint)
    assert twin.Task.objects.get().count == 4


def test_an_error_breaks_the_block_as_postgresql_would(twin: Models) -> None:
    twin.Task.objects.create(name="a")

    @transaction.atomic
    def write() -> None:
        twin.Task.objects.create(name="b")
        with pytest.raises(IntegrityError):
            twin.Task.objects.create(name="a")
        with pytest.raises(TransactionManagementError):
            twin.Task.objects.count()
        raise Stop

    with pytest.raises(Stop):
        write()
    assert names(twin) == ["a"]


def test_a_missing_reference_is_told_at_the_commit(twin: Models) -> None:
    reached = []

    @transaction.atomic
    def write() -> None:
        twin.Author.objects.create(id=1, name="a", mentor_id=2)
        twin.Author.objects.filter(id=1).update(age=3)
        reached.append(True)

    with pytest.raises(IntegrityError):
        write()
    assert reached
    assert not twin.Author.objects.exists()


def test_what_is_referred_to_may_go_if_those_that_refer_go_too(twin: Models) -> None:
    twin.Parent.objects.create(id=1)
    twin.Protected.objects.create(id=1, parent_id=1)
    with transaction.atomic():
        twin.Parent.objects.filter(id=1)._raw_delete("default")
        twin.Protected.objects.all().delete()
    assert not twin.Parent.objects.exists()
    twin.Parent.objects.create(id=2)
    twin.Protected.objects.create(id=2, parent_id=2)
    with pytest.raises(IntegrityError):
        twin.Parent.objects.filter(id=2)._raw_delete("default")
    assert twin.Parent.objects.count() == 1


def test_on_commit_runs_after_the_write_is_there(twin: Models) -> None:
    seen: list[list[str]] = []
    with transaction.atomic():
        twin.Task.objects.create(name="a")
        transaction.on_commit(lambda: seen.append(names(twin)))
        assert seen == []
    assert seen == [["a"]]


def test_all_writes_of_a_block_are_one_version(versioned: Models) -> None:
    m = versioned
    with kontract.transaction() as block:
        task = m.Task.objects.create(name="a")
        for n in range(5):
            task.count = n
            task.save()
        m.Task.objects.create(name="b")
    assert [version.txid for version in task.history] == [block.txid]
    assert block.txid is not None
    assert not m.Task.objects.as_of(block.txid - 1).exists()
    with transaction.atomic():
        m.Task.objects.update(count=9)
    assert len(task.history) == 2


def test_generated_keys_survive_a_rollback_without_being_used_twice(versioned: Models) -> None:
    keys = []
    for _ in range(3):
        with transaction.atomic():
            keys.append(versioned.BigAuto.objects.create().pk)
            transaction.set_rollback(True)
    keys.append(versioned.BigAuto.objects.create().pk)
    assert len(set(keys)) == 4
    assert versioned.BigAuto.objects.count() == 1
