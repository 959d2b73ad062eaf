"""Copies in and out that are killed, again and again, and run once more."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection, models

from kontract import env
from kontract.context import get_namespace
from kontract.schema import transfer_in, transfer_out
from kontract.schema.progress import Progress
from kontract.schema.transfer_in import Source, copy_rows, find_fields
from kontract.schema.transfer_out import Export, insert_rows, write_file
from kontract.tables.catalog import locate, resolve
from tests.integration.schema.releases import forget, release
from tests.processes import Report, Worker

COUNT = 200
BATCH = 20

pytestmark = [pytest.mark.usefixtures("consistent"), pytest.mark.more_privilege]


@pytest.fixture
def groups() -> Iterator[list[dict[str, Any]]]:
    for model in (User.groups.through, Group.permissions.through, Group):  # those of other tests
        model.objects.all()._raw_delete("default")
    Group.objects.bulk_create(Group(name=f"{get_namespace()} {n:03}") for n in range(COUNT))
    yield rows()
    forget()
    Group.objects.all()._raw_delete("default")


def rows() -> list[dict[str, Any]]:
    return [{"id": group.pk, "name": group.name} for group in Group.objects.order_by("pk")]


def declare() -> Any:
    key = models.IntegerField(primary_key=True)
    return release("things", id=key, name=models.CharField(max_length=150, unique=True))


def copy_in() -> int:
    """Copy all groups into things."""
    thing, source = declare(), Source.find(connection, "auth_group")
    return copy_rows(source, thing, find_fields(source, thing, {}, []), restart=False, out=None)


def copy_out() -> int:
    """Copy all things into groups."""
    thing = declare()
    return insert_rows(Export.of(connection, resolve(*locate(), "things")), thing, Group, {}, out=None)


def export(path: str) -> int:
    """Write all things to a file."""
    declare()
    return write_file(Export.of(connection, resolve(*locate(), "things")), Path(path), out=None)


def watched(report: Report, function: Callable[..., int], *args: Any) -> None:
    """Run a function on small batches, and report after each of them, and at the end."""
    vars(transfer_in)["_BATCH"] = vars(transfer_out)["_BATCH"] = BATCH
    Progress.tell = lambda self, done: report(done)  # type: ignore[method-assign]
    function(*args)
    report("done")


def kill_until_done(function: Callable[..., int], *args: Any) -> int:
    """Run a function in processes that are killed after some batches; return how many were before one was through."""
    for kills in range(50):
        with Worker(watched, function, *args) as worker:
            for _ in range(random.randint(1, 4)):
                if worker.report() == "done":
                    return kills
    raise AssertionError("the copy does not end")


def test_a_copy_in_goes_on_behind_the_last_batch(groups: list[dict[str, Any]]) -> None:
    assert kill_until_done(copy_in) >= 2
    thing = declare()
    assert list(thing.objects.order_by("pk").values("id", "name")) == groups
    assert {len(found.history) for found in thing.objects.all()} == {1}


def test_a_copy_out_can_be_repeated(groups: list[dict[str, Any]]) -> None:
    copy_in()
    Group.objects.all()._raw_delete("default")
    with Worker(watched, copy_out) as worker:
        worker.report()
    assert 0 < len(rows()) < COUNT
    with Worker(watched, copy_out) as worker:
        assert worker.reports()[-1] == "done"
    assert rows() == groups


def test_a_file_becomes_what_it_would_have_been(groups: list[dict[str, Any]], tmp_path: Path) -> None:
    copy_in()
    export(str(tmp_path / "whole.jsonl"))
    path = tmp_path / "killed.jsonl"
    with Worker(watched, export, str(path)) as worker:
        worker.report()
    begun = path.read_bytes()
    env.storage.things.delete(str(groups[0]["id"]))  # the file shows the moment at which it was begun
    assert kill_until_done(export, str(path)) >= 1
    assert path.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert path.read_bytes().startswith(begun)
    assert begun.count(b"\n") > BATCH
