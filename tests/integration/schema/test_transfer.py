"""In and out: ordinary tables copied into versioned models, and documents taken out again."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import connection, models
from psycopg.sql import SQL, Identifier

from kontract import env
from kontract.context import get_namespace
from kontract.schema import transfer_in, transfer_out
from kontract.schema.transfer_in import Source, copy_rows, find_fields
from kontract.schema.transfer_out import Export, insert_rows
from kontract.tables.catalog import locate, resolve
from tests.integration.schema.releases import forget, release

COUNT = 25
Author: Any = apps.get_model("library", "Author")


@pytest.fixture
def groups() -> Iterator[list[Group]]:
    mark = get_namespace()
    for model in (User.groups.through, Group.permissions.through, Group):  # those of other tests
        model.objects.all()._raw_delete("default")
    yield Group.objects.bulk_create(Group(name=f"{mark} {n:02}") for n in range(COUNT))
    Group.objects.all()._raw_delete("default")


@pytest.fixture
def thing() -> Iterator[Any]:
    """A versioned model like ``Group``."""
    key = models.IntegerField(primary_key=True)
    yield release("things", id=key, name=models.CharField(max_length=150, unique=True))
    forget()


def run(command: str, *arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(command, *arguments, namespace=get_namespace(), stdout=out, stderr=io.StringIO(), **options)
    return out.getvalue()


@pytest.mark.more_privilege
def test_the_command_copies_rows_and_goes_on_with_later_ones(groups: list[Group]) -> None:
    arguments = ("library.Author", "auth.Group", "--skip", "id", "--map", "name=email")
    assert run("kontract_import", *arguments) == f"{COUNT} rows of auth_group are in library.Author.\n"
    assert sorted(Author.objects.values_list("email", flat=True)) == [group.name for group in groups]
    Group.objects.create(name="a later one")
    run("kontract_import", *arguments)
    assert Author.objects.count() == COUNT + 1
    with pytest.raises(CommandError, match=r"no field for 'id'.*--map"):
        run("kontract_import", "library.Author", "auth_group", skip=[], map=["id=number"])
    with pytest.raises(CommandError, match="'nowhere' is not in the database"):
        run("kontract_import", "library.Author", "nowhere")
    with pytest.raises(CommandError, match="no versioned model"):
        run("kontract_import", "auth.Group", "auth_group")


@pytest.mark.more_privilege
def test_a_copy_that_is_stopped_goes_on(groups: list[Group], thing: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(transfer_in, "_BATCH", 10)
    source = Source.find(connection, "auth_group")
    read, reads = Source.read, iter(range(2))

    def read_twice(self: Source, *arguments: Any) -> Any:
        if next(reads, None) is None:
            raise KeyboardInterrupt
        return read(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Source, "read", read_twice)
        with pytest.raises(KeyboardInterrupt):
            copy_rows(source, thing, find_fields(source, thing, {}, []), restart=False, out=None)
    assert thing.objects.count() == 20
    assert copy_rows(source, thing, find_fields(source, thing, {}, []), restart=False, out=None) == COUNT
    assert list(thing.objects.order_by("pk").values("id", "name")) == list(
        Group.objects.order_by("pk").values("id", "name")
    )


@pytest.mark.more_privilege
def test_objects_become_rows_again(groups: list[Group], thing: Any) -> None:
    source = Source.find(connection, "auth_group")
    copy_rows(source, thing, find_fields(source, thing, {}, []), restart=False, out=None)
    before = list(Group.objects.order_by("pk").values())
    then = thing.objects.get(pk=groups[0].pk).history[0].txid
    thing.objects.filter(pk=groups[0].pk).update(name="changed since")
    Group.objects.filter(pk__in=[group.pk for group in groups[:5]])._raw_delete("default")
    for _ in range(2):  # again: what is there is left alone
        export = Export.of(connection, resolve(*locate(), "things"), then)
        assert insert_rows(export, thing, Group, {}, out=None) == COUNT
    assert list(Group.objects.order_by("pk").values()) == before


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_json_lines_of_a_snapshot_go_on_where_they_were_stopped(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(transfer_out, "_BATCH", 4)
    env.storage.users.set_many({f"u{n:02}": {"n": n, "text": "Ä"} for n in range(COUNT)})
    snapshot = env.storage.users.set("u00", {"n": 0, "text": "Ä"}).txid
    path = tmp_path / "users.jsonl"
    assert run("kontract_export", "users", to=path).startswith(f"{COUNT} lines")
    whole = path.read_bytes()
    header, *documents = lines(path)
    assert header == {"kontract_export": 1, "table": "users", "snapshot": snapshot, "history": False}
    assert {line["id"]: line["data"] for line in documents} == dict(env.storage.users.items())
    for size in (len(whole) - 1, len(whole) // 2, len(whole) // 2 + 7, len(json.dumps(header)) + 1, 0):
        path.write_bytes(whole[:size])
        if size:
            env.storage.users.set("u01", {"n": size})  # the file stays what it was begun as
            env.storage.users.set(f"u{size}", {"new": True})
            run("kontract_export", "users", to=path)
            assert path.read_bytes() == whole
    env.storage.orders.set("o", {})
    path.write_bytes(whole)
    with pytest.raises(CommandError, match="no export of 'orders'"):
        run("kontract_export", "orders", to=path)


def test_history_and_moments(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(transfer_out, "_BATCH", 2)
    first = env.storage.users.set("u1", {"n": 1}).txid
    for n in range(4):
        env.storage.users.set(f"u{n}", {"n": n + 10})
    env.storage.users.delete("u2")
    out = run("kontract_export", "users", as_of=str(first))
    assert [json.loads(line)["data"] for line in out.splitlines()] == [{"n": 1}]
    path = tmp_path / "history.jsonl"
    run("kontract_export", "users", to=path, history=True)
    whole = path.read_bytes()
    _, *versions = lines(path)
    assert [(line["id"], line["data"]["n"]) for line in versions] == [
        ("u0", 10), ("u1", 1), ("u1", 11), ("u2", 12), ("u3", 13),
    ]  # fmt: skip
    assert [line["deleted_txid"] is None for line in versions] == [True, False, True, False, True]
    for size in range(len(whole.splitlines()[0]) + 1, len(whole), 40):
        path.write_bytes(whole[:size])
        run("kontract_export", "users", to=path, history=True)
        assert path.read_bytes() == whole


def test_an_unversioned_table_has_only_its_present(tmp_path: Path) -> None:
    env.storage.counters.set("c", {"n": 1})
    assert json.loads(run("kontract_export", "counters"))["data"] == {"n": 1}
    with pytest.raises(CommandError, match="unversioned"):
        run("kontract_export", "counters", history=True, to=tmp_path / "counters.jsonl")


@pytest.mark.more_privilege
@pytest.mark.own_tables
@pytest.mark.parametrize("name", ['the "old" one', "100%", "%s", 'x" FROM auth_user; --'])
def test_names_of_ordinary_tables_may_have_any_characters(name: str, thing: Any) -> None:
    where = f"{get_namespace()[-9:]} {name}"
    names = {"table": Identifier(where), "column": Identifier(name)}
    with connection.cursor() as cursor:
        cursor.execute(SQL("CREATE TABLE {table} (id int PRIMARY KEY, {column} text)").format(**names))
        cursor.execute(SQL("INSERT INTO {table} VALUES (1, 'x')").format(**names))
    try:
        source = Source.find(connection, where)
        copy_rows(source, thing, find_fields(source, thing, {name: "name"}, []), restart=False, out=None)
        assert thing.objects.get().name == "x"
    finally:
        with connection.cursor() as cursor:
            cursor.execute(SQL("DROP TABLE {table}").format(**names))
