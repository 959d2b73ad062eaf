"""References by a unique value (``to_field``), and what may be done to the value and to those that hold it."""

from typing import Any

import pytest
from django.db import models
from django.db.migrations.state import AppConfigStub

from kontract.exceptions import ConstraintError, SchemaError
from tests.integration.schema.migrating import migrate
from tests.integration.schema.releases import Files, down, finish, release, up

pytestmark = pytest.mark.usefixtures("consistent")


def releases(unique: str, reference: str, *, constrained: bool = True, table: str = "things") -> tuple[Any, Any]:
    """Return two models: things, and notes that refer to a thing by its unique field."""
    thing = release(table, **{unique: models.CharField(max_length=50, unique=True)})
    link = models.ForeignKey(
        thing, models.CASCADE, to_field=unique, db_column=reference, db_constraint=constrained, related_name="+"
    )
    apps = thing._meta.apps
    note = release("annotations", link=link, options={"apps": apps})
    apps.app_configs["releases"] = config = AppConfigStub("releases")
    config.apps, config.models = apps, apps.all_models["releases"]
    apps.clear_cache()  # now things know who points at them
    return thing, note


OPERATIONS = {
    'RenameField(table="things", old="title", new="headline")': ("headline", "thing", "things"),
    'RenameField(table="annotations", old="thing", new="about")': ("title", "about", "things"),
    'RenameTable(table="things", new="volumes")': ("title", "thing", "volumes"),
    'ChangeType(table="things", name="title", using="text", back="text")': ("title", "thing", "things"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_others_refer_to_is_not_changed_under_them(files: Files, operation: str) -> None:
    thing, note = releases("title", "thing")
    note.objects.create(link=thing.objects.create(title="Emma"))
    files.add("RunPython(forwards=print), " + operation)
    unique, reference, table = OPERATIONS[operation]
    releases(unique, reference, table=table)
    with pytest.raises(SchemaError, match=r"by its value \(to_field\).*db_constraint=False"):
        up()
    thing, note = releases("title", "thing")
    assert note.objects.get(link__title="Emma").link.title == "Emma"


def test_the_way_that_the_error_names(files: Files) -> None:
    thing, note = releases("title", "thing")
    emma = thing.objects.create(title="Emma")
    note.objects.create(link=emma)
    migrate(*releases("title", "thing", constrained=False))
    files.add('RenameField(table="things", old="title", new="headline")')
    releases("headline", "thing", constrained=False)
    up()
    finish()
    thing, note = releases("headline", "thing")
    migrate(thing, note, revert=True)  # these models were there before, and there is no lock file
    with pytest.raises(ConstraintError):
        note.objects.create(link_id="Persuasion")
    note.objects.create(link_id="Emma")
    with pytest.raises(ConstraintError):
        thing.objects.filter(pk=emma.pk).update(headline="Persuasion")
    assert note.objects.filter(link__headline="Emma").count() == 2


SPLIT = """
def split(name): return name.split(" ")
def join(first, last): return f"{first} {last}"
"""


def test_a_unique_field_that_is_split_is_unique_again_after_the_way_back(files: Files) -> None:
    old = release("things", name=models.CharField(max_length=50, unique=True))
    migrate(old)
    jane = old.objects.create(name="Jane Austen")
    files.add('SplitField(table="things", name="name", into=("first", "last"), split=split, join=join)', SPLIT)
    new = release("things", first=models.CharField(max_length=50), last=models.CharField(max_length=50))
    up()
    new.objects.filter(pk=jane.pk).update(first="J.")
    new.objects.create(first="Jane", last="Austen")
    down()
    old = release("things", name=models.CharField(max_length=50, unique=True))
    migrate(old, revert=True)
    for taken in ("J. Austen", "Jane Austen"):
        with pytest.raises(ConstraintError):
            old.objects.create(name=taken)
    old.objects.filter(name="J. Austen").delete()
    old.objects.create(name="J. Austen")
