"""A project of its own on the command line: models change, a file is written, applied and taken back."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

import tests

MODELS = """
from django.db import models
from kontract.orm import VersionedModel

class Book(VersionedModel):
    {fields}

    class Meta:
        app_label = "shelf"
        db_table = "books"
"""
SETTINGS = """
SECRET_KEY = "of a test"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "kontract", "shelf"]
DATABASES = {databases!r}
DEBUG = True
USE_TZ = True
"""
MANAGE = """
import io, json, os, sys
import django
from django.core.management import CommandError, call_command

os.environ["DJANGO_SETTINGS_MODULE"] = "project_settings"
django.setup()
import kontract
from shelf.models import Book

def run(*args):
    out = io.StringIO()
    try:
        call_command("kontract_migrate", *args, no_indexes=True, interactive=False, stdout=out)
    except CommandError as error:
        return out.getvalue() + f"CommandError: {error}"
    return out.getvalue()

with kontract.namespace(sys.argv[1]):
    print(json.dumps([run(*step) if isinstance(step, list) else str(eval(step)) for step in json.loads(sys.argv[2])]))
"""


class Project:
    """A folder with ``manage.py`` and one app, which works in the test's namespace."""

    def __init__(self, folder: Path, namespace: str) -> None:
        self.folder, self.namespace = folder, namespace
        database = connections["default"].settings_dict
        wanted = {key: database[key] for key in ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")}
        (folder / "shelf").mkdir()
        (folder / "shelf" / "__init__.py").touch()
        (folder / "manage.py").write_text(MANAGE)
        (folder / "project_settings.py").write_text(SETTINGS.format(databases={"default": wanted}))

    def declare(self, *fields: str) -> None:
        (self.folder / "shelf" / "models.py").write_text(MODELS.format(fields="\n    ".join(fields)))

    def run(self, *steps: str | list[str]) -> list[str]:
        """Run commands, given as their arguments, and expressions in one process; return what each said."""
        done = subprocess.run(
            [sys.executable, "manage.py", self.namespace, json.dumps(steps)],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(Path(tests.__file__).parent.parent), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        said: list[str] = json.loads(done.stdout.splitlines()[-1])
        return said


@pytest.fixture
def project(tmp_path: Path, namespace: str) -> Any:
    """Make a project."""
    return Project(tmp_path, namespace)


def test_a_rename_from_the_refusal_to_the_way_back(project: Project) -> None:
    project.declare("title = models.CharField(max_length=50)")
    first, _ = project.run([], "Book.objects.create(title='Emma')")
    assert "Wrote" in first  # the lock file

    project.declare("headline = models.CharField(max_length=50)")
    refused, drift, written = project.run([], ["--check"], ["create", "headline"])
    assert "CommandError" in refused
    assert "books.headline, which looks like it, is new" in refused
    assert "kontract_migrate create NAME" in refused
    assert "lock file differs" in drift
    assert "Taken for a yes" in written
    text = (project.folder / "shelf" / "kontract_migrations" / "0001_headline.py").read_text()
    assert "moves.RenameField(table='books', old='title', new='headline')," in text

    planned, done, agreed, found, status, undone = project.run(
        ["--plan"], [], ["--check"], "Book.objects.get().headline", ["status"], ["down"]
    )
    assert "apply shelf.0001_headline" in planned
    assert "refused" not in planned
    assert "Applied shelf.0001_headline" in done
    assert "agree" in agreed
    assert found == "Emma"
    assert "(shelf.0001_headline)" in status
    assert "Took shelf.0001_headline back" in undone

    project.declare("title = models.CharField(max_length=50)")
    assert project.run("Book.objects.get().title") == ["Emma"]
