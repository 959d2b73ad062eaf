"""Time travel through random sequences of schema changes: nothing is lost, and every past state is what it was."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, models

import kontract
from kontract import env, tables
from kontract.mvcc.casts import Casts, Change
from kontract.mvcc.members import join_members
from kontract.mvcc.versions import casting
from tests.integration.schema.migrating import migrate
from tests.integration.schema.releases import Files, down, finish, release, up

pytestmark = pytest.mark.usefixtures("consistent")

Values = dict[str, Any]
Step = tuple[str, dict[str, str], Callable[[Values], Values]]  # operation, types after it, what it does to an object

CODE = """
def double(value): return value * 2
def halve(value): return value // 2
def split(value): return [value[:2], value[2:]]
def join(first, rest): return first + rest
def touch(data): return {**data, "touched": True}
def leave(data): return {key: value for key, value in data.items() if key != "touched"}
def nothing(): pass
"""
FIELDS: dict[str, Callable[[], Any]] = {
    "int": lambda: models.IntegerField(null=True),
    "text": lambda: models.CharField(max_length=100, null=True),
}


class Story:
    """A table's life: its present types, and each of its snapshots as today's code should see it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.table = "things"
        self.types = {"a": "int", "b": "text", "c": "int"}
        self.fresh = (f"f{n}" for n in range(100))
        self.snapshots: dict[int, dict[str, Values]] = {}
        self.model = self.release()

    def release(self) -> Any:
        fields = {name: FIELDS[kind]() for name, kind in self.types.items()}
        return release(self.table, id=models.IntegerField(primary_key=True), **fields)

    def value(self, kind: str) -> Any:
        if self.random.random() < 0.15:
            return None
        return self.random.randint(-9, 9999) if kind == "int" else f"{self.random.randint(100, 99999)}"

    def write(self) -> None:
        """Insert, change and delete some objects, as several transactions, and keep what there is after each."""
        for _ in range(3):
            with kontract.transaction() as block:
                for _ in range(4):
                    key = self.random.randint(1, 12)
                    if self.random.random() < 0.2:
                        self.model.objects.filter(pk=key).delete()
                    else:
                        values = {name: self.value(kind) for name, kind in self.types.items()}
                        self.model.objects.update_or_create(pk=key, defaults=values)
            if block.txid:
                self.snapshots[block.txid] = self.now()

    def now(self) -> dict[str, Values]:
        return {str(row.pop("id")): row for row in self.model.objects.values("id", *self.types)}

    def map(self, change: Callable[[Values], Values]) -> None:
        """Change what each snapshot is to be seen as."""
        for txid, rows in self.snapshots.items():
            self.snapshots[txid] = {id_: change(row) for id_, row in rows.items()}

    def choose(self) -> Step:
        """Return a change that is possible now."""
        ints, texts = ([n for n, k in self.types.items() if k == kind] for kind in ("int", "text"))
        name = self.random.choice(list(self.types))
        rest = {n: k for n, k in self.types.items() if n != name}
        new = next(self.fresh)
        touch = f'RunPython(table="{self.table}", forwards=touch, backwards=leave)'
        steps: list[Step] = [
            (touch, self.types, dict),
            (
                f'RenameField(table="{self.table}", old="{name}", new="{new}")',
                rest | {new: self.types[name]},
                lambda row: {new if n == name else n: v for n, v in row.items()},
            ),
        ]
        if len(rest) > 1:
            remove = f'RemoveField(table="{self.table}", name="{name}")'
            steps.append((remove, rest, lambda row: {n: v for n, v in row.items() if n != name}))
        if ints:
            at = self.random.choice(ints)
            doubled = f'ChangeType(table="{self.table}", name="{at}", using=double, back=halve)'
            steps.append((doubled, self.types, lambda row: {**row, at: None if row[at] is None else row[at] * 2}))
            as_text = f'ChangeType(table="{self.table}", name="{at}", using="text", back="integer")'
            steps.append(
                (as_text, self.types | {at: "text"}, lambda row: {**row, at: None if row[at] is None else str(row[at])})
            )
        if texts:
            whole, other = self.random.choice(texts), next(self.fresh)
            operation = (
                f'SplitField(table="{self.table}", name="{whole}", into=("{new}", "{other}"), split=split, join=join)'
            )
            left = {n: k for n, k in self.types.items() if n != whole}
            steps.append((operation, left | {new: "text", other: "text"}, lambda row: _split(row, whole, new, other)))
        return self.random.choice(steps)

    def rename(self) -> str:
        """Let the table be called otherwise; return the file's operations, of which one is code without documents."""
        old, self.table = self.table, f"things{next(self.fresh)}"
        return f'RenameTable(table="{old}", new="{self.table}"), RunPython(forwards=nothing, backwards=nothing)'

    def check(self) -> None:
        """Fail unless each snapshot is what it should be, through models and documents."""
        assert self.now() == list(self.snapshots.values())[-1]
        for txid, wanted in self.snapshots.items():
            with kontract.as_of(txid):
                assert self.now() == wanted
                documents = {id_: {n: data.get(n) for n in self.types} for id_, data in env.storage[self.table].items()}
                assert documents == wanted
                self.check_lookups(wanted)

    def undo(self) -> None:
        """Undo the last writes and then that, so that all is as it was."""
        before, txid = self.now(), list(self.snapshots)[-1]
        undone = kontract.undo(txid)
        assert undone is not None
        assert self.now() == list(self.snapshots.values())[-2]
        kontract.undo(undone)
        assert self.now() == before

    def check_lookups(self, wanted: dict[str, Values]) -> None:
        """Fail unless objects are found by their values, as this moment has them."""
        for name in self.types:
            value = next((row[name] for row in wanted.values() if row[name] is not None), None)
            if value is not None:
                found = {id_ for id_, row in wanted.items() if row[name] == value}
                assert {str(key) for (key,) in self.model.objects.filter(**{name: value}).values_list("pk")} == found
                assert {document.id for document in env.storage[self.table].query(**{name: value})} == found


def _split(row: Values, whole: str, first: str, rest: str) -> Values:
    value = row[whole]
    parts = (None, None) if value is None else (value[:2], value[2:])
    return {n: v for n, v in row.items() if n != whole} | dict(zip((first, rest), parts, strict=True))


@pytest.fixture
def story() -> Story:
    seed = random.getrandbits(32)
    print(f"seed {seed}")
    return Story(seed)


@pytest.mark.parametrize("run", range(2))
def test_every_past_state_stays_what_it_was(story: Story, files: Files, run: int) -> None:
    story.write()
    for number in range(5):
        if number == 2:
            add_by_itself(story, number)
            continue
        if number == 3:
            operation, change = story.rename(), lambda row: row
        else:
            operation, story.types, change = story.choose()
        files.add(operation, CODE)
        story.model = story.release()
        up()
        story.map(change)
        story.check()
        story.write()
        story.undo()
        story.check()
    finish()
    story.check()


def add_by_itself(story: Story, default: int) -> None:
    """Add a field with a default, which is a change that happens by itself."""
    name = next(story.fresh)
    finish()  # until then kontract_migrate does not look at documents that only a file's code can read
    story.types = {**story.types, name: "int"}
    fields = {name: FIELDS[kind]() for name, kind in story.types.items()} | {name: models.IntegerField(default=default)}
    story.model = release(story.table, id=models.IntegerField(primary_key=True), **fields)
    migrate(story.model)
    story.map(lambda row: {**row, name: default})
    story.check()
    story.types = {**story.types, name: "int"}


@pytest.mark.parametrize("run", range(2))
def test_down_after_up_is_where_it_began(story: Story, files: Files, run: int) -> None:
    story.write()
    types, snapshots = story.types, dict(story.snapshots)
    tables.create("drawer")
    env.storage.drawer.set_many({"first": {"n": 1}, "second": {"n": 2}})
    before = dict(env.storage[story.table].items())
    for kind in ("any", "rename", "any", "remove", "any"):
        if kind == "any":
            operation, story.types, _ = story.choose()
        else:
            operation = story.rename() if kind == "rename" else 'RemoveTable(table="drawer")'
        files.add(operation, CODE)
        story.model = story.release()
        up()
    assert "drawer" not in tables.names()
    down(5)
    assert dict(env.storage.drawer.items()) == {"first": {"n": 1}, "second": {"n": 2}}
    story.table, story.types, story.snapshots = "things", types, snapshots
    story.model = story.release()
    assert dict(env.storage[story.table].items()) == before
    story.check()


TEXTS = ["null", "true", "false", "0", "-7", "2.5", "3.5", "-2.5", "12345678901234567890.123", "[1, 2]"]
TEXTS += ['"12"', '" 7 "', '"1e3"', '"x"', '""', '"TRUE"', '"off"', '"Ä\\"%s"', '{"k": 1.50}', '"1e99"']


@pytest.mark.parametrize(
    "described",
    [
        {"rename": ["x", "y"]}, {"rename": ["y", "x"]}, {"add": ["x", {"d": "it's 100%"}]}, {"add": ["z", None]},
        {"remove": ["x", 5]}, {"convert": ["x", "text", "integer"]}, {"convert": ["x", "integer", "text"]},
        {"convert": ["x", "number", "boolean"]}, {"convert": ["x", "boolean", "number"]},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("forward", [True, False])
def test_postgresql_casts_as_python_does(described: dict[str, Any], forward: bool) -> None:
    change = Change.parse({"to": 2, **described})
    casts = Casts((change,), own=2 if forward else 1)
    documents = [join_members({"x": text, "other": '"o"'}) for text in TEXTS] + ["{}", '{"y": 1}']
    by_python = [casts.cast(document, 1 if forward else 2) for document in documents]
    sql = casting.after("d.value", change.sql("x.d", forward=forward)).replace("%", "%%")
    pairs = "unnest(%s::jsonb[], %s::jsonb[]) AS d(value, cast_by_python)"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql}::text, d.cast_by_python::text FROM {pairs}", [documents, by_python])  # noqa: S608
        for by_postgresql, wanted in cursor.fetchall():
            assert by_postgresql == wanted
