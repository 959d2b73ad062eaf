"""Migration files: what they make of a table, and the way back."""

import io
import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.core.management.base import OutputWrapper
from django.db import models

import kontract
from kontract import env, tables
from kontract.context import get_namespace
from kontract.exceptions import ConstraintError, SchemaDataError, SchemaError, SchemaOutdatedError, TableNotFound
from kontract.management import migrating
from kontract.mvcc.connections import fetch_all
from kontract.schema import moving
from kontract.tables.catalog import list_namespaces, locate, read_entry
from tests.integration.schema.releases import Files, down, finish, forget, release, up
from tests.integration.test_dry_run import changes

pytestmark = pytest.mark.usefixtures("consistent")


def text(**options: Any) -> Any:
    return models.CharField(max_length=50, **options)


def test_a_renamed_field(files: Files) -> None:
    old = release("things", title=text())
    thing = old.objects.create(title="Emma")
    files.add('RenameField(table="things", old="title", new="headline")')
    new = release("things", headline=text())
    up()
    assert new.objects.get(headline="Emma").pk == thing.pk
    assert env.storage.things.get(str(thing.pk)) == {"headline": "Emma"}
    down()
    old = release("things", title=text())
    assert old.objects.get(title="Emma").pk == thing.pk
    assert env.storage.things.get(str(thing.pk)) == {"title": "Emma"}


def test_documents_are_read_through_a_change_before_they_are_rewritten(files: Files, monkeypatch: Any) -> None:
    old = release("things", title=text())
    thing = old.objects.create(title="Emma")
    files.add('RenameField(table="things", old="title", new="headline")')
    new = release("things", headline=text())
    with monkeypatch.context() as patch:
        patch.setattr(moving, "finish_moving", lambda ledger: None)  # as if it was killed there
        up()
    assert env.storage.things.history(str(thing.pk))[0].data == {"headline": "Emma"}
    assert len(env.storage.things.history(str(thing.pk))) == 1
    assert env.storage.things.query(headline="Emma").count() == 1
    assert new.objects.filter(headline__startswith="Em").values_list("headline").get() == ("Emma",)
    env.storage.things.update(str(thing.pk), {"pages": 3})
    assert env.storage.things[str(thing.pk)] == {"headline": "Emma", "pages": 3}
    new.objects.filter(headline="Emma").update(headline="Persuasion")
    assert [version.data for version in env.storage.things.history(str(thing.pk))] == [
        {"headline": "Persuasion", "pages": 3},
        {"headline": "Emma", "pages": 3},
        {"headline": "Emma"},
    ]
    assert moving.pending(*locate()) != []
    up()
    assert moving.pending(*locate()) == []


def test_a_migration_is_a_versioned_transaction_with_its_name(files: Files) -> None:
    thing = release("things", title=text()).objects.create(title="Emma")
    name = files.add('RenameField(table="things", old="title", new="headline")')
    release("things", headline=text())
    up()
    assert [version.label for version in env.storage.things.history(str(thing.pk))] == [name, None]
    assert moving.applied(*locate()) == [name]


def test_a_removed_field_comes_back_with_its_values(files: Files) -> None:
    old = release("things", title=text(), pages=models.IntegerField(default=7))
    things = [old.objects.create(title=f"{n}", pages=n) for n in range(3)]
    before = dict(env.storage.things.items())
    files.add('RemoveField(table="things", name="pages")')
    new = release("things", title=text())
    up()
    assert env.storage.things[str(things[1].pk)] == {"title": "1"}
    new.objects.filter(pk=things[2].pk).update(title="changed")
    fresh = new.objects.create(title="fresh")
    down()
    old = release("things", title=text(), pages=models.IntegerField(default=7))
    assert [old.objects.get(pk=thing.pk).pages for thing in things] == [0, 1, 2]
    assert old.objects.get(pk=things[2].pk).title == "changed"
    assert old.objects.get(pk=fresh.pk).pages == 7
    assert env.storage.things[str(things[0].pk)] == before[str(things[0].pk)]


def test_a_changed_type_that_postgresql_converts(files: Files) -> None:
    old = release("things", price=text())
    things = [old.objects.create(price=price) for price in ("12", " 7 ", "3.5")]
    files.add('ChangeType(table="things", name="price")')
    new = release("things", price=models.IntegerField())
    up()
    assert sorted(new.objects.values_list("price", flat=True)) == [4, 7, 12]
    down()
    old = release("things", price=text())
    assert [old.objects.get(pk=thing.pk).price for thing in things] == ["12", " 7 ", "3.5"]


def test_a_value_that_cannot_be_converted_is_named_and_nothing_is_lost(files: Files) -> None:
    old = release("things", price=text())
    thing = old.objects.create(price="a lot")
    files.add('ChangeType(table="things", name="price")')
    release("things", price=models.IntegerField(null=True))
    with pytest.raises(SchemaDataError, match=f"'{thing.pk}'.*\"a lot\" under 'price'"):
        up()
    env.storage.things.update(str(thing.pk), {"price": 12})
    up()
    assert env.storage.things[str(thing.pk)] == {"price": 12}


@pytest.mark.parametrize(
    ("before", "value", "after", "fitting"),
    [
        (text(), "abcdef", models.CharField(max_length=3), "abc"),
        (models.IntegerField(), 40_000, models.SmallIntegerField(), 4),
        (models.IntegerField(), -1, models.PositiveIntegerField(), 1),
    ],
)
def test_a_value_that_does_not_fit_is_named_and_nothing_is_lost(
    files: Files, before: Any, value: Any, after: Any, fitting: Any
) -> None:
    old = release("things", price=before)
    thing, other = old.objects.create(price=value), old.objects.create(price=fitting)
    files.add('ChangeType(table="things", name="price")')
    new = release("things", price=after)
    with pytest.raises(SchemaDataError, match=f"'{thing.pk}' of .* under 'price', which does not fit"):
        up()
    assert env.storage.things[str(thing.pk)] == {"price": value}
    env.storage.things.update(str(thing.pk), {"price": fitting})
    up()
    assert {one.price for one in new.objects.all()} == {fitting}
    assert other.pk in set(new.objects.values_list("pk", flat=True))


CENTS = """
def to_cents(value): return round(float(value.replace(",", ".")) * 100)
def to_text(cents): return f"{cents / 100:.2f}".replace(".", ",")
"""


def test_a_changed_type_that_python_converts(files: Files) -> None:
    old = release("things", price=text())
    things = [old.objects.create(price=price) for price in ("1,5", "20,00")]
    then = env.storage.things.history(str(things[0].pk))[0].txid
    files.add('ChangeType(table="things", name="price", using=to_cents, back=to_text)', CENTS)
    new = release("things", price=models.IntegerField())
    up()
    assert sorted(new.objects.filter(price__gt=100).values_list("price", flat=True)) == [150, 2000]
    assert new.objects.as_of(then).get(price=150).pk == things[0].pk
    assert env.storage.things.as_of(then).query(price=150).count() == 1
    new.objects.filter(pk=things[1].pk).update(price=2150)
    down()
    old = release("things", price=text())
    assert [old.objects.get(pk=thing.pk).price for thing in things] == ["1,5", "21,50"]


SPLIT = """
def split(name): return name.partition(" ")[::2]
def join(first, last): return f"{first} {last}"
"""


def test_a_field_is_split(files: Files) -> None:
    old = release("things", name=text())
    thing = old.objects.create(name="Jane Austen")
    then = thing.history[0].txid
    files.add('SplitField(table="things", name="name", into=("first", "last"), split=split, join=join)', SPLIT)
    new = release("things", first=text(), last=text())
    up()
    assert new.objects.get(last="Austen").first == "Jane"
    assert new.objects.as_of(then).get(last="Austen").first == "Jane"
    assert [version.data for version in new.objects.get().history] == [{"first": "Jane", "last": "Austen"}] * 2
    new.objects.update(first="J.")
    down()
    old = release("things", name=text())
    assert old.objects.get(name="J. Austen").pk == thing.pk


def test_a_unique_field_stays_unique_while_it_is_renamed(files: Files, monkeypatch: Any) -> None:
    old = release("things", title=text(unique=True))
    emma, sense = (old.objects.create(title=title) for title in ("Emma", "Sense"))
    files.add('RenameField(table="things", old="title", new="headline")')
    new = release("things", headline=text(unique=True))
    with monkeypatch.context() as patch:
        patch.setattr(moving, "finish_moving", lambda ledger: None)
        up()
    for _ in range(2):
        with pytest.raises(ConstraintError):
            new.objects.create(headline="Emma")
        new.objects.filter(pk=sense.pk).update(headline="Sensibility")
        new.objects.create(headline="Sense").delete()  # the value is free again
        sense = new.objects.get(pk=sense.pk)
        new.objects.filter(pk=sense.pk).update(headline="Sense")
        up()
    old = release("things", title=text(unique=True))  # a process that still runs the older code
    with pytest.raises(ConstraintError):
        old.objects.create(title="Emma")
    assert old.objects.get(title="Emma").pk == emma.pk


def test_a_renamed_table(files: Files) -> None:
    old = release("things", title=text(unique=True))
    thing = old.objects.create(title="Emma")
    then = thing.history[0].txid
    files.add('RenameTable(table="things", new="volumes")')
    new = release("volumes", title=text(unique=True))
    up()
    assert new.objects.get(title="Emma").pk == thing.pk
    assert env.storage.things[str(thing.pk)] == env.storage.volumes[str(thing.pk)]  # the old name still leads there
    with pytest.raises(ConstraintError):
        new.objects.create(title="Emma")
    assert new.objects.as_of(then).get().title == "Emma"
    down()
    assert env.storage.things[str(thing.pk)] == {"title": "Emma"}


def test_a_removed_table_comes_back(files: Files) -> None:
    tables.create("drawer")
    env.storage.drawer.set_many({f"u{n}": {"n": n} for n in range(3)})
    then = env.storage.drawer.set("u0", {"n": 0, "last": True}).txid or 0
    files.add('RemoveTable(table="drawer")')
    up()
    assert "drawer" not in tables.names()
    with pytest.raises(TableNotFound):
        env.storage.drawer.get("u0")
    assert env.storage.drawer.as_of(then).get("u0") == {"n": 0, "last": True}
    assert env.storage.drawer.as_of(then).query(n=1).count() == 1
    down()
    assert dict(env.storage.drawer.items()) == {"u0": {"n": 0, "last": True}, "u1": {"n": 1}, "u2": {"n": 2}}


RUN = """
import kontract
from kontract import env
def mark(): env.storage.users.set("mark", {"n": 1})
def unmark(): env.storage.users.delete("mark")
def double(data): return {**data, "n": data["n"] * 2} if "n" in data else None
def halve(data): return {**data, "n": data["n"] // 2} if "n" in data else None
"""


def test_code_runs_once_and_over_documents(files: Files) -> None:
    env.storage.users.set_many({f"u{n}": {"n": n} for n in range(1200)} | {"none": {}})
    once = "RunPython(forwards=mark, backwards=unmark)"
    files.add(f'{once}, RunPython(table="users", forwards=double, backwards=halve)', RUN)
    up()
    assert {id_: data.get("n") for id_, data in env.storage.users.items()} == {
        **{f"u{n}": 2 * n for n in range(1200)}, "none": None, "mark": 2,
    }  # fmt: skip
    down()
    assert {id_: data.get("n") for id_, data in env.storage.users.items()} == {
        **{f"u{n}": n for n in range(1200)}, "none": None,
    }  # fmt: skip


def test_code_without_a_way_back_is_not_taken_back(files: Files) -> None:
    files.add("RunPython(forwards=mark)", RUN)
    up()
    with pytest.raises(SchemaError, match="backwards="):
        down()
    assert env.storage.users.get("mark") == {"n": 1}


def test_after_finish_older_code_is_refused(files: Files) -> None:
    old = release("things", title=text())
    thing = old.objects.create(title="Emma")
    files.add('RenameField(table="things", old="title", new="headline")')
    new = release("things", headline=text())
    up()
    release("things", title=text()).objects.create(title="Persuasion")  # by older code, after the documents were moved
    new = release("things", headline=text())
    finish()
    assert {str(one.headline) for one in new.objects.all()} == {"Emma", "Persuasion"}
    assert "CASE" not in str(new.objects.filter(headline="Emma").query)  # documents are read as they are stored
    old = release("things", title=text())
    with pytest.raises(SchemaOutdatedError, match="Restart it"):
        old.objects.get(pk=thing.pk)


def test_mistakes_are_named(files: Files) -> None:
    release("things", title=text()).objects.create(title="Emma")
    files.add('RenameField(table="things", old="titel", new="headline")')
    with pytest.raises(SchemaError, match=r"no field 'titel'.*title"):
        up()
    files.add("[]")
    with pytest.raises(SchemaError, match=r"Use those of kontract\.schema\.moves"):
        up()


def test_undo_of_a_transaction_before_a_change(files: Files) -> None:

    old = release("things", title=text(), pages=models.IntegerField(null=True))
    thing = old.objects.create(title="Emma", pages=1)
    thing.title = "Persuasion"
    thing.save()
    txid = thing.history[0].txid
    files.add('RenameField(table="things", old="title", new="headline")')
    new = release("things", headline=text(), pages=models.IntegerField(null=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moving, "finish_moving", lambda ledger: None)
        up()
    kontract.undo(txid)
    assert new.objects.get().headline == "Emma"
    new.objects.get().restore(txid)
    assert new.objects.get().headline == "Persuasion"


def test_a_converted_unique_value_gives_its_old_text_free(files: Files) -> None:
    old = release("things", number=text(unique=True))
    old.objects.create(number=" 12 ")
    files.add('ChangeType(table="things", name="number")')
    new = release("things", number=models.IntegerField(unique=True))
    up()
    with pytest.raises(ConstraintError):
        new.objects.create(number=12)
    new.objects.update(number=13)
    new.objects.create(number=12)
    down()
    old = release("things", number=text(unique=True))
    assert sorted(old.objects.values_list("number", flat=True)) == ["12", "13"]
    old.objects.create(number=" 12 ")
    with pytest.raises(ConstraintError):
        old.objects.create(number="12")


def test_a_dry_run_shows_documents_in_the_shape_of_the_code(files: Files, monkeypatch: Any) -> None:
    thing = release("things", title=text()).objects.create(title="Emma")
    files.add('RenameField(table="things", old="title", new="headline")')
    release("things", headline=text())
    with monkeypatch.context() as patch:
        patch.setattr(moving, "finish_moving", lambda ledger: None)
        up()
    (change,) = changes(lambda: env.storage.things.update(str(thing.pk), {"headline": "Persuasion"}))
    assert (change["before"], change["after"]) == ({"headline": "Emma"}, {"headline": "Persuasion"})


def key_rows(name: str) -> list[str]:
    """Return which constraints have key rows for a table that is there, or was."""
    connection, ns = locate()
    entry = (
        read_entry(connection, ns, f"table/{name}") or (read_entry(connection, ns, f"removed/{name}") or {})["entry"]
    )
    rows = fetch_all(connection, "SELECT id FROM storage WHERE ns = %(ns)s AND ptr = 2", {"ns": ns})
    return sorted(id_.split("/")[1] for (id_,) in rows if id_.startswith(f"{entry['ptr']}/"))


def test_finish_leaves_the_key_rows_of_constraints_that_there_are(files: Files) -> None:
    old = release("things", title=text(unique=True), isbn=text(unique=True), name=text(unique=True))
    old.objects.create(title="Emma", isbn="1", name="A B")
    assert key_rows("things") == ["things_isbn_key", "things_name_key", "things_title_key"]
    renamed = 'RenameField(table="things", old="title", new="headline"), RenameTable(table="things", new="volumes")'
    gone = (
        'RemoveField(table="volumes", name="isbn"), SplitField(table="volumes", name="name", into=("first", "last"), '
    )
    files.add(f"{renamed}, {gone} split=split, join=join)", SPLIT)
    new = release("volumes", headline=text(unique=True), first=text(), last=text())
    up()
    old = release("things", title=text(unique=True), isbn=text(unique=True), name=text(unique=True))
    with pytest.raises(ConstraintError):
        old.objects.create(title="Sense", isbn="1", name="C D")
    new = release("volumes", headline=text(unique=True), first=text(), last=text())
    finish()
    assert key_rows("volumes") == ["things_title_key"]
    with pytest.raises(ConstraintError):
        new.objects.create(headline="Emma", first="C", last="D")


@pytest.mark.parametrize("finished", [False, True])
def test_a_removed_table_leaves_no_key_rows_and_comes_back_with_them(files: Files, finished: bool) -> None:
    old = release("things", title=text(unique=True))
    old.objects.create(title="Emma")
    files.add('RemoveTable(table="things")')
    forget()
    up()
    if finished:
        finish()
        assert key_rows("things") == []
    down()
    old = release("things", title=text(unique=True))
    assert key_rows("things") == ["things_title_key"]
    with pytest.raises(ConstraintError):
        old.objects.create(title="Emma")
    old.objects.get(title="Emma").delete()
    old.objects.create(title="Emma")


STORED = """
SELECT data::text FROM storage
WHERE ns = ANY(%(numbers)s) AND ptr > 2 AND data::text LIKE '%%Emma%%' AND _deleted_txid IS NULL
"""


def test_files_are_recorded_everywhere_before_documents_are_rewritten(files: Files, monkeypatch: Any) -> None:
    old, places = release("things", title=text()), [get_namespace(), f"test-{uuid.uuid4().hex}"]
    tables.create_namespace(places[1])
    for name in places:
        with kontract.namespace(name):
            old.objects.create(title="Emma")
    files.add('RenameField(table="things", old="title", new="headline")')
    release("things", headline=text())
    numbers = list_namespaces(locate()[0])
    project = replace(
        migrating.open_project(locate()[0], everywhere=False), namespaces={name: numbers[name] for name in places}
    )
    seen: list[list[bool]] = []  # at each wait: whether the document of each namespace was rewritten

    def look() -> None:
        data = fetch_all(locate()[0], STORED, {"numbers": [numbers[name] for name in places]})
        seen.append(["headline" in text_ for (text_,) in data])

    monkeypatch.setattr(migrating, "wait", look)
    migrating.move(project, OutputWrapper(io.StringIO()))
    assert seen == [[False, False]]
    migrating.finish(project, OutputWrapper(io.StringIO()))
    assert seen == [[False, False], [True, True]]
