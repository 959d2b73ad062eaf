"""Eight threads at once: the rules hold, and nothing is lost or made twice."""

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from django.db.models import F

import kontract
from kontract.exceptions import ConflictError
from tests.savepoints import set_savepoint
from tests.twins.compare import Models

pytestmark = pytest.mark.usefixtures("consistent")

THREADS = 8


def at_once(function: Callable[[int], Any]) -> list[Any]:
    """Call ``function`` in many threads at the same moment; return what each returns or raises."""
    barrier = Barrier(THREADS)

    def run(n: int) -> Any:
        try:
            barrier.wait(20)
            return function(n)
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        jobs = [pool.submit(contextvars.copy_context().run, run, n) for n in range(THREADS)]
        return [job.result(timeout=60) for job in jobs]


@pytest.fixture(autouse=True)
def _tables(versioned: Models) -> None:
    """Make the logical tables before the threads want them."""
    for name in ("Account", "Task", "Parent", "Protected"):
        getattr(versioned, name).objects.count()


@pytest.mark.parametrize("inside", [True, False])
def test_exactly_one_gets_a_unique_value(versioned: Models, inside: bool) -> None:
    def create(n: int) -> Any:
        if not inside:
            return versioned.Account.objects.create(id=n, email="a@x")
        with transaction.atomic():
            return versioned.Account.objects.create(id=n, email="a@x")

    outcomes = at_once(create)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Account"] + ["ConstraintError"] * (THREADS - 1)
    assert versioned.Account.objects.count() == 1


def test_exactly_one_gets_a_primary_key(versioned: Models) -> None:
    outcomes = at_once(lambda n: versioned.Account.objects.create(id=1, email=str(n)))
    assert sum(isinstance(outcome, IntegrityError) for outcome in outcomes) == THREADS - 1
    assert versioned.Account.objects.count() == 1


@pytest.mark.parametrize("method", ["get_or_create", "update_or_create"])
def test_one_object_is_made_however_many_want_it(versioned: Models, method: str) -> None:
    def make(n: int) -> Any:
        made = []
        for name in ("a", "b"):
            obj, created = getattr(versioned.Task.objects, method)(name=name, defaults={"count": n})
            made.append((obj.pk, created))
        return made

    outcomes = at_once(make)
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert versioned.Task.objects.count() == 2
    for place in (0, 1):
        assert sum(outcome[place][1] for outcome in outcomes) == 1
        assert len({outcome[place][0] for outcome in outcomes}) == 1


def test_no_increment_is_lost(versioned: Models) -> None:
    versioned.Task.objects.create(name="a")

    def increment(n: int) -> int:
        done = 0
        for _ in range(5):
            try:
                done += versioned.Task.objects.filter(name="a").update(count=F("count") + 1)
            except ConflictError:
                continue
        return done

    done = at_once(increment)
    assert versioned.Task.objects.get().count == sum(done) >= 5


def test_no_increment_is_lost_in_retried_transactions(versioned: Models) -> None:
    versioned.Task.objects.create(name="a")

    @kontract.transactional(retries=50)
    def increment(n: int) -> None:
        task = versioned.Task.objects.get(name="a")
        task.count += 1
        task.save()

    assert at_once(increment) == [None] * THREADS
    assert versioned.Task.objects.get().count == THREADS


@pytest.mark.parametrize("inside", [True, False])
def test_no_child_is_left_without_its_parent(versioned: Models, inside: bool) -> None:
    m = versioned
    for round_ in range(3):
        m.Parent.objects.create(id=round_)

        def race(n: int, parent: int = round_) -> Any:
            if not inside:
                return create_or_delete(n, parent)
            with transaction.atomic():
                return create_or_delete(n, parent)

        def create_or_delete(n: int, parent: int) -> Any:
            if n % 2:
                return m.Parent.objects.filter(id=parent)._raw_delete("default")
            return m.Protected.objects.create(id=parent * 10 + n, parent_id=parent)

        outcomes = at_once(race)
        errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert all(isinstance(error, (IntegrityError, ConflictError)) for error in errors), errors
        assert not m.Protected.objects.filter(parent__id=None).exists()
        assert m.Parent.objects.filter(id=round_).exists() == m.Protected.objects.filter(parent_id=round_).exists()


def test_a_value_given_up_at_a_savepoint_goes_to_another_thread(versioned: Models) -> None:
    def create(n: int) -> Any:
        with transaction.atomic():
            savepoint = set_savepoint()
            versioned.Account.objects.create(id=n, email=f"{n}@x")
            transaction.savepoint_rollback(savepoint)
            versioned.Account.objects.create(id=n, email=f"{(n + 1) % THREADS}@x")

    outcomes = at_once(create)
    errors = [outcome for outcome in outcomes if outcome is not None]
    assert all(isinstance(error, (IntegrityError, ConflictError)) for error in errors), errors
    made = THREADS - len(errors)
    assert versioned.Account.objects.count() == made
    assert len(set(versioned.Account.objects.values_list("email", flat=True))) == made
    for n in range(THREADS):  # every value is either an account's or free
        versioned.Account.objects.get_or_create(email=f"{n}@x", defaults={"id": 100 + n})
    assert versioned.Account.objects.count() == THREADS
