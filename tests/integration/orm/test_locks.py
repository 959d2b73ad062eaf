"""``select_for_update`` with two real connections."""

import time
from collections.abc import Iterator

import pytest
from django.db import DatabaseError, transaction
from django.db.transaction import TransactionManagementError

from kontract import env
from kontract.exceptions import ConflictError, UnsupportedError
from tests.interleave import Actor
from tests.twins.compare import Models

A_MOMENT = 0.3  # seconds in which what does not wait would long be done


@pytest.fixture
def tasks(twin: Models) -> Models:
    twin.Task.objects.create(name="a")
    twin.Task.objects.create(name="b")
    return twin


@pytest.fixture
def other() -> Iterator[Actor]:
    with Actor() as actor:
        yield actor


def test_the_second_waits_for_the_first_and_sees_what_it_wrote(tasks: Models, other: Actor) -> None:
    def increment() -> int:
        with transaction.atomic():
            task = tasks.Task.objects.select_for_update().get(name="a")
            task.count += 1
            task.save()
            return int(task.count)

    with transaction.atomic():
        task = tasks.Task.objects.select_for_update().get(name="a")
        waiting = other.start(increment)
        time.sleep(A_MOMENT)
        assert not waiting.done()
        task.count = 10
        task.save()
    assert waiting.result(timeout=20) == 11
    assert tasks.Task.objects.get(name="a").count == 11


def test_nowait_raises_and_skip_locked_skips(tasks: Models, other: Actor) -> None:
    def names(**options: bool) -> list[str]:
        with transaction.atomic():
            found = tasks.Task.objects.select_for_update(**options).values_list("name", flat=True)
            return list(found)

    with transaction.atomic():
        list(tasks.Task.objects.select_for_update().filter(name="a"))
        with pytest.raises(DatabaseError):
            other.do(lambda: names(nowait=True))
        assert other.do(lambda: names(skip_locked=True)) == ["b"]
    assert other.do(lambda: names(nowait=True)) == ["a", "b"]


def test_a_lock_ends_with_its_transaction_also_by_a_rollback(tasks: Models, other: Actor) -> None:
    def lock() -> str:
        with transaction.atomic():
            return str(tasks.Task.objects.select_for_update(nowait=True).get(name="a").name)

    with transaction.atomic():
        tasks.Task.objects.select_for_update().get(name="a")
        transaction.set_rollback(True)
    assert other.do(lock) == "a"


def test_rows_are_locked_in_a_transaction_only(tasks: Models) -> None:
    with pytest.raises(TransactionManagementError):
        list(tasks.Task.objects.select_for_update())


def test_a_writer_that_did_not_ask_makes_a_conflict(versioned: Models, other: Actor) -> None:
    task = versioned.Task.objects.create(name="a")
    document = str(task.pk)

    def lock_and_write() -> None:
        with transaction.atomic():
            task = versioned.Task.objects.select_for_update().get()
            other.do(lambda: env.storage["versioned_task"].update(document, {"count": 5}))
            task.count = 1
            task.save()

    with pytest.raises(ConflictError):
        lock_and_write()
    assert versioned.Task.objects.get().count == 5


def test_only_documents_of_the_model_are_locked(versioned: Models) -> None:
    with transaction.atomic():
        assert list(versioned.Book.objects.select_for_update(of=("self",))) == []
        with pytest.raises(UnsupportedError):
            list(versioned.Book.objects.select_related("publisher").select_for_update(of=("publisher",)))
