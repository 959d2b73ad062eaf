"""Changes of models that happen by themselves, as documents and those who read them see it."""

import io
import uuid
from typing import Any

import pytest
from django.core.management.base import OutputWrapper
from django.db import IntegrityError, models

import kontract
from kontract import env, tables
from kontract.exceptions import SchemaDataError, SchemaError, SchemaRefusedError
from kontract.management.migrating import Project, apply
from kontract.mvcc.connections import fetch_all
from kontract.schema.declared import from_model
from kontract.schema.verifying import verify
from kontract.tables.catalog import list_namespaces, locate
from tests.integration.schema.migrating import migrate, plan, record, take_back
from tests.integration.schema.releases import Files, forget, release, up
from tests.processes import Worker

pytestmark = pytest.mark.usefixtures("namespace", "forgetting")


@pytest.fixture
def forgetting(settings: Any) -> Any:
    """Forget the releases of the test after it."""
    settings.KONTRACT = {**settings.KONTRACT, "CATALOG_TTL": 0.0}
    yield
    forget()


def text(**options: Any) -> Any:
    return models.CharField(max_length=50, **options)


def test_a_new_table_is_recorded_as_it_is_created() -> None:
    migrate(release("things", title=text()))
    assert record("things").state.fields.keys() == {"title"}
    assert record("things").schema == 1
    assert plan(release("things", title=text())).is_done


def test_a_new_field_has_its_default_in_old_documents_and_none_is_rewritten() -> None:
    old = release("things", title=text())
    migrate(old)
    thing = old.objects.create(title="Emma")
    before = env.storage.things.history(str(thing.pk))
    new = release("things", title=text(), pages=models.IntegerField(default=7), note=text(null=True))
    assert "add the field things.pages, 7 where it is missing" in migrate(new)
    found = new.objects.get(pages=7)
    assert (found.title, found.pages, found.note) == ("Emma", 7, None)
    assert env.storage.things.get(str(thing.pk)) == {"title": "Emma", "pages": 7}
    assert [version.txid for version in env.storage.things.history(str(thing.pk))] == [before[0].txid]
    assert plan(new).is_done


def test_a_default_goes_with_its_field_and_values_stay() -> None:
    old = release("things", title=text())
    migrate(old)
    emma = str(old.objects.create(title="Emma").pk)
    fields = {"title": text(), "pages": models.IntegerField(default=7), "copies": models.IntegerField(default=1)}
    new = release("things", **fields)
    migrate(new)
    sense = str(new.objects.create(title="Sense", pages=9).pk)
    take_back()
    old = release("things", title=text())
    assert env.storage.things.get(emma) == {"title": "Emma"}
    assert env.storage.things.query(pages=7).count() == 0
    assert env.storage.things.get(sense) == {"title": "Sense", "pages": 9, "copies": 1}
    assert "CASE" not in str(old.objects.filter(title="Emma").query)  # documents are read as they are stored
    new = release("things", title=text(), pages=models.IntegerField(default=8))
    migrate(new)
    assert env.storage.things.get(emma) == {"title": "Emma", "pages": 8}
    assert sorted(new.objects.values_list("pages", flat=True)) == [8, 9]


def test_where_one_namespace_does_not_fit_none_is_changed() -> None:
    old, other = release("things", title=text()), f"test-{uuid.uuid4().hex}"
    migrate(old)
    old.objects.create(title="Emma")
    tables.create_namespace(other)
    ns = list_namespaces(locate()[0])[other]
    with kontract.namespace(other):
        migrate(old)
        emmas = [old.objects.create(title="Emma") for _ in range(2)]
    new = release("things", title=text(unique=True))
    with pytest.raises(SchemaDataError, match=f"nothing was changed in any namespace(.|\n)*Namespace {other}: things"):
        migrate(new, others={other: ns})
    assert record("things").schema == 1
    with kontract.namespace(other):
        emmas[0].delete()
    migrate(new, others={other: ns})
    assert record("things").schema == 2
    with kontract.namespace(other), pytest.raises(IntegrityError):
        new.objects.create(title="Emma")


def test_an_index_changes_while_only_a_file_knows_the_documents(files: Files) -> None:
    old = release("things", title=text(db_index=True), pages=text())
    migrate(old)
    old.objects.create(title="Emma", pages="12")
    renamed = 'RenameTable(table="things", new="volumes")'
    files.add(f'{renamed}, ChangeType(table="volumes", name="pages", using=int, back=str)')
    new = release("volumes", title=text(db_index=True), pages=models.IntegerField())
    up()
    assert plan(new).is_done  # the index has gone along
    migrate(release("volumes", title=text(), pages=models.IntegerField()))
    migrate(release("volumes", title=text(), pages=models.IntegerField(unique=True)))  # all documents are rewritten
    older = release("volumes", title=text(db_index=True), pages=text())
    older.objects.create(title="Sense", pages="13")
    release("volumes", title=text(unique=True), pages=models.IntegerField(unique=True))
    with pytest.raises(SchemaError, match="run kontract_migrate finish, then kontract_migrate again"):
        migrate(release("volumes", title=text(unique=True), pages=models.IntegerField(unique=True)))


def test_a_unique_constraint_holds_for_old_documents() -> None:
    old = release("things", title=text())
    migrate(old)
    old.objects.create(title="Emma")
    new = release("things", title=text(unique=True))
    migrate(new)
    with pytest.raises(IntegrityError):
        new.objects.create(title="Emma")
    new.objects.filter(title="Emma").delete()
    new.objects.create(title="Emma")


def test_documents_that_are_not_unique_are_listed() -> None:
    old = release("things", title=text())
    migrate(old)
    ids = sorted(str(old.objects.create(title="Emma").pk) for _ in range(12))
    other = str(old.objects.create(title="Persuasion").pk)
    with pytest.raises(SchemaDataError) as caught:
        migrate(release("things", title=text(unique=True)))
    assert all(id_ in str(caught.value) for id_ in ids[:10])
    assert "and 2 more" in str(caught.value)
    assert other not in str(caught.value)
    assert record("things").schema == 1


def test_a_dropped_constraint_no_longer_holds() -> None:
    old = release("things", title=text(unique=True))
    migrate(old)
    old.objects.create(title="Emma")
    new = release("things", title=text())
    migrate(new)
    new.objects.create(title="Emma")
    with pytest.raises(SchemaDataError):
        migrate(release("things", title=text(unique=True)), revert=True)


def test_what_would_lose_something_is_refused() -> None:
    old = release("things", title=text(), pages=models.IntegerField())
    migrate(old)
    old.objects.create(title="Emma", pages=400)
    with pytest.raises(SchemaRefusedError) as caught:
        migrate(release("things", title=models.IntegerField()))
    assert len(caught.value.refusals) == 2
    assert "has no field 'pages' any more" in caught.value.refusals[0]
    assert "title CharField(50) to title IntegerField" in caught.value.refusals[1]


def test_the_way_back_is_a_step_of_its_own() -> None:
    old = release("things", title=text())
    migrate(old)
    thing = old.objects.create(title="Emma")
    new = release("things", title=models.TextField(unique=True), pages=models.IntegerField(default=7))
    migrate(new)
    new.objects.filter(pk=thing.pk).update(pages=9)
    with kontract.namespace(kontract.context.get_namespace()):
        take_back()
    old = release("things", title=text())
    assert plan(old).is_done
    assert old.objects.get().title == "Emma"
    old.objects.create(title="Emma")


@pytest.mark.parametrize(
    ("narrow", "wide", "value"),
    [
        (models.CharField(max_length=4), models.TextField(), "Emmas"),
        (models.SmallIntegerField(), models.BigIntegerField(), 40_000),
        (
            models.DecimalField(max_digits=4, decimal_places=2),
            models.DecimalField(max_digits=6, decimal_places=2),
            "100.00",
        ),
        (models.IntegerField(), models.IntegerField(null=True), None),
    ],
)
def test_the_way_back_is_closed_by_documents_that_do_not_fit_it(narrow: Any, wide: Any, value: Any) -> None:
    migrate(release("things", value=narrow.clone()))
    new = release("things", value=wide.clone())
    migrate(new)
    thing = new.objects.create(value=value)
    with pytest.raises(SchemaDataError, match=str(thing.pk)):
        take_back()
    assert record("things").schema == 2
    thing.delete()
    take_back()
    assert record("things").schema == 3


def test_a_required_field_needs_a_value_in_every_document() -> None:
    old = release("things", title=text())
    migrate(old)
    thing = old.objects.create(title="Emma")
    new = release("things", title=text(), pages=models.IntegerField())
    with pytest.raises(SchemaDataError, match=f"must have 'pages'.*{thing.pk}"):
        migrate(new)
    thing.delete()
    migrate(new)


def test_checks_and_choices_and_references_are_asked_of_documents() -> None:
    old = release("things", title=text(choices=[("a", "A"), ("b", "B")]), pages=models.IntegerField())
    migrate(old)
    thing = old.objects.create(title="b", pages=-1)
    check = models.CheckConstraint(condition=models.Q(pages__gte=0), name="positive")
    new = release(
        "things", title=text(choices=[("a", "A")]), pages=models.IntegerField(), options={"constraints": [check]}
    )
    with pytest.raises(SchemaDataError) as caught:
        migrate(new)
    assert "the choices 'b' of 'title' are gone" in str(caught.value)
    assert "the check positive must hold" in str(caught.value)
    assert str(caught.value).count(str(thing.pk)) == 2
    old.objects.filter(pk=thing.pk).update(title="a", pages=1)
    migrate(new)
    with pytest.raises(IntegrityError):
        new.objects.create(title="a", pages=-1)


def test_a_new_unique_field_with_one_default_for_all_is_refused() -> None:
    old = release("things", title=text())
    migrate(old)
    for title in "ab":
        old.objects.create(title=title)
    with pytest.raises(SchemaDataError, match="the values of code must be unique"):
        migrate(release("things", title=text(), code=text(default="x", unique=True)))


def test_verify_finds_what_older_code_has_written_meanwhile() -> None:
    old = release("things", title=text())
    migrate(old)
    old.objects.create(title="Emma")
    unique = release("things", title=text(unique=True))
    migrate(unique)
    old = release("things", title=text())
    late = old.objects.create(title="Late")  # without a key row
    twin = old.objects.create(title="Emma")
    unique = release("things", title=text(unique=True))
    (offence,) = verify(*locate(), OutputWrapper(io.StringIO()))
    assert str(twin.pk) in offence.ids
    twin.delete()
    assert count_key_rows() == 1
    assert verify(*locate(), OutputWrapper(io.StringIO())) == []
    with pytest.raises(IntegrityError):
        unique.objects.create(title="Late")
    assert old.objects.filter(pk=late.pk).exists()


# --- Several processes -----------------------------------------------------------------------------------------------


def count_key_rows() -> int:
    connection, ns = locate()
    return int(fetch_all(connection, "SELECT count(*) FROM storage WHERE ns = %(ns)s AND ptr = 2", {"ns": ns})[0][0])


def work(report: Any) -> None:
    """Migrate as a process that starts beside others."""
    migrate(release("things", title=text(unique=True), pages=models.IntegerField(default=7)))
    report(record("things").schema)


def test_processes_that_start_at_once_agree() -> None:
    old = release("things", title=text())
    migrate(old)
    for number in range(50):
        old.objects.create(title=f"Book {number}")
    workers = [Worker(work) for _ in range(4)]
    assert [worker.reports() for worker in workers] == [[2]] * 4
    assert len(record("things").steps) == 1
    assert count_key_rows() == 50


def test_a_namespace_that_another_process_changes_meanwhile_holds_no_other_up() -> None:
    old, others = release("things", title=text()), [f"test-{uuid.uuid4().hex}" for _ in range(2)]
    migrate(old)
    for other in others:
        tables.create_namespace(other)
        with kontract.namespace(other):
            migrate(old)
    connection, ns = locate()
    known = list_namespaces(connection)
    new = release("things", title=text(), pages=models.IntegerField(default=7))
    project = Project(
        connection=connection,
        namespaces={name: known[name] for name in (*others, kontract.context.get_namespace())},
        creating=frozenset([ns]),
        wanted={"things": from_model(new, connection)},
        lock=None,
    )
    plans = project.plans()
    assert [len(plan.numbers) for plan in plans if not plan.is_done] in ([3], [2, 1], [1, 2])
    with kontract.namespace(others[1]):
        migrate(new)
    apply(project, plans, OutputWrapper(io.StringIO()))
    for name in project.namespaces:
        with kontract.namespace(name):
            assert record("things").schema == 2
