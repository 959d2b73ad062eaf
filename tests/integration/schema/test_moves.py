"""Migration files: what they make of a table, and the way back."""

from typing import Any

import pytest
from django.db import models

from kontract import env
from tests.integration.schema.releases import Files, down, release, up

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
