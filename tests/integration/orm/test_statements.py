"""How many statements a method takes: as many as on an ordinary model, or how many more."""

import unittest
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Value
from django.db.models.functions import Concat
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from tests.twins.compare import Models
from tests.twins.queries import count_queries


def test_a_block_deletes_what_a_query_finds_by_one_statement(twin: Models) -> None:
    twin.Task.objects.bulk_create(twin.Task(name=str(n)) for n in range(3))
    with transaction.atomic():
        with count_queries() as statements:
            assert twin.Task.objects.filter(name__gte="1").delete()[0] == 2
        assert len(statements) == 1
        assert [task.name for task in twin.Task.objects.all()] == ["0"]
    assert [task.name for task in twin.Task.objects.all()] == ["0"]


def test_a_block_inserts_unique_values_by_one_statement(twin: Models) -> None:
    assert not twin.Person.objects.exists()  # the logical table is there
    with transaction.atomic(), count_queries() as statements:
        twin.Person.objects.create(name="ann")
        assert len(statements) == 1
        twin.Person.objects.bulk_create([twin.Person(name="bob"), twin.Person(name="cat")])
        assert len(statements) == 2
    with pytest.raises(IntegrityError):
        twin.Person.objects.create(name="bob")


def test_a_default_that_is_a_constant_is_not_asked_for(twin: Models) -> None:
    now = datetime(2026, 1, 5, tzinfo=UTC)
    with count_queries() as statements:
        line = twin.Line.objects.create(id=1, price=2, at=now)
    assert (line.name, line.quantity, line.total) == ("thing", 2, 4)
    assert not [sql for sql in statements if sql.startswith("SELECT (")]
    assert twin.Line.objects.values_list("name", "quantity").get() == ("thing", 2)


def test_explaining_a_selection_for_update_locks_nothing(twin: Models) -> None:
    twin.Task.objects.create(name="a")
    with transaction.atomic(), count_queries() as statements:
        assert "Scan" in twin.Task.objects.select_for_update().filter(name="a").explain()
    assert len([sql for sql in statements if "EXPLAIN" in sql]) == 1
    assert not [sql for sql in statements if "advisory" in sql]


def test_an_update_takes_four_statements_in_a_block(versioned: Models) -> None:
    versioned.BigAuto.objects.bulk_create(versioned.BigAuto(name=str(n)) for n in range(20))
    with transaction.atomic(), count_queries() as statements:
        assert versioned.BigAuto.objects.filter(name__gte="1").update(name=Concat("name", Value("x"))) == 19
        assert len(statements) == 4
    assert versioned.BigAuto.objects.filter(name__endswith="x").count() == 19


def test_bulk_methods_take_no_savepoint_inside_a_block(twin: Models) -> None:
    tasks = twin.Task.objects.bulk_create(twin.Task(name=str(n)) for n in range(3))
    with transaction.atomic(), count_queries() as statements:
        for task in tasks:
            task.count = 7
        twin.Task.objects.bulk_update(tasks, ["count"])
        twin.Task.objects.bulk_create([twin.Task(name="0"), twin.Task(name="x")], ignore_conflicts=True)
    assert not [sql for sql in statements if "SAVEPOINT" in sql]
    assert sorted(twin.Task.objects.values_list("name", "count")) == [("0", 7), ("1", 7), ("2", 7), ("x", 0)]


def test_saving_after_a_look_reads_and_writes_once(versioned: Models) -> None:
    task = versioned.Task.objects.create(name="a")
    model = type(task)
    options, before = model._meta, model._meta.select_on_save
    options.select_on_save = True
    try:
        task.count = 3
        with count_queries() as statements:
            task.save()
        assert len(statements) == 2
        task.delete()
        task.save()  # inserts what is gone
    finally:
        options.select_on_save = before
    assert model.objects.get().count == 3


class BlockWithoutSavepoint(TestCase):
    """What a block without a savepoint writes inside a TestCase; run below, once for each kind of model."""

    __test__ = False
    models: Any

    def setUp(self) -> None:
        self.models.Task.objects.exists()  # makes the logical table

    def test_it_is_written_at_the_end_of_the_block_and_counted_as_no_query(self) -> None:
        task = self.models.Task(name="a")
        with CaptureQueriesContext(connection) as captured, transaction.atomic(savepoint=False):
            task.save()
        assert len(captured) == 1
        with self.assertNumQueries(1):
            assert [found.name for found in self.models.Task.objects.all()] == ["a"]

    def test_a_savepoint_counts_but_not_what_is_written_at_its_end(self) -> None:
        with self.assertNumQueries(3), transaction.atomic():
            self.models.Task.objects.create(name="a")

    def test_a_failed_block_leaves_nothing(self) -> None:
        with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012 - the block is what is tested
            with transaction.atomic(savepoint=False):
                self.models.Task.objects.create(name="a")
                raise ZeroDivisionError
        assert not self.models.Task.objects.exists()


@pytest.mark.parametrize("name", [name for name in dir(BlockWithoutSavepoint) if name.startswith("test_")])
def test_blocks_of_a_test_case(twin: Models, name: str) -> None:
    case = type(BlockWithoutSavepoint.__name__, (BlockWithoutSavepoint,), {"models": twin})(name)
    result = unittest.TestResult()
    unittest.TestSuite([case]).run(result)
    assert (result.testsRun, result.failures, result.errors) == (1, [], [])
