"""A project of its own on the command line: models change, a file is written, applied and taken back."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
        db_table = {table!r}
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
        call_command("kontract_migrate", *args, no_indexes=True, stdout=out)
    except CommandError as error:
        return out.getvalue() + f"CommandError: {error}"
    return out.getvalue()

namespace, steps, results = sys.argv[1:]
with kontract.namespace(namespace):
    said = [run(*step) if isinstance(step, list) else str(eval(step)) for step in json.loads(steps)]
with open(results, "w") as file:
    json.dump(said, file)
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

    def declare(self, *fields: str, table: str = "books") -> None:
        (self.folder / "shelf" / "models.py").write_text(MODELS.format(fields="\n    ".join(fields), table=table))

    def read(self, name: str) -> str:
        """Return a migration file."""
        return (self.folder / "shelf" / "kontract_migrations" / f"{name}.py").read_text()

    def run(self, *steps: str | list[str], typed: str | None = None) -> list[str]:
        """Run commands, given as their arguments, and expressions in one process; return what each said.

        ``typed`` is what somebody types at the terminal, which the process has only then.
        """
        results = self.folder / "results.json"
        with terminal(typed) as (stdin, stdout):
            subprocess.run(
                [sys.executable, "manage.py", self.namespace, json.dumps(steps), str(results)],
                cwd=self.folder,
                env={
                    **os.environ,
                    "PYTHONPATH": str(Path(tests.__file__).parent.parent),
                    "PYTHONDONTWRITEBYTECODE": "1",
                },
                check=True,
                timeout=60,
                stdin=stdin,
                stdout=stdout,
            )
        said: list[str] = json.loads(results.read_text())
        return said


@contextmanager
def terminal(typed: str | None) -> Iterator[tuple[int, int | None]]:
    """Yield a process's ends of a terminal at which ``typed`` was typed ahead; of nothing where that is None."""
    if typed is None:
        yield subprocess.DEVNULL, None
        return
    ours, theirs = pty.openpty()
    try:
        os.write(ours, typed.encode())
        yield theirs, theirs
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.fixture
def project(tmp_path: Path, namespace: str) -> Any:
    """Make a project."""
    return Project(tmp_path, namespace)


def test_a_rename_from_the_refusal_to_the_way_back(project: Project) -> None:
    project.declare("title = models.CharField(max_length=50)")
    first, _ = project.run([], "Book.objects.create(title='Emma')")
    assert "Wrote" in first  # the lock file

    project.declare("headline = models.CharField(max_length=50)")
    refused, drift, written = project.run([], ["--check"], ["create", "--no-input", "headline"])
    assert "CommandError" in refused
    assert "books.headline, which looks like it, is new" in refused
    assert "kontract_migrate create NAME" in refused
    assert "lock file differs" in drift
    assert "Taken for a yes" in written
    assert "moves.RenameField(table='books', old='title', new='headline')," in project.read("0001_headline")

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


def test_what_somebody_at_a_terminal_is_asked(project: Project) -> None:
    title, pages = "title = models.CharField(max_length=50)", "pages = models.IntegerField(default=1)"
    project.declare(title, pages, "year = models.IntegerField(null=True)")
    project.run([], "Book.objects.create(title='Emma', pages=400, year=1815)")

    project.declare(
        "headline = models.CharField(max_length=50)", pages, "year = models.IntegerField(null=True)",
        "note = models.TextField(null=True)", "weight = models.FloatField(default=0.5)", table="volumes",
    )  # fmt: skip
    guessed, unnamed, unwritten, _, removing, _, named = project.run(
        ["create", "volumes", "--no-input"],
        [],
        "os.path.exists('shelf/kontract_migrations')",
        ["create", "--app", "shelf", "two_tables"],
        "open('shelf/kontract_migrations/0001_two_tables.py').read()",
        "os.remove('shelf/kontract_migrations/0001_two_tables.py')",
        [],
        typed="\n" + "n\n" + "volumes\n" + "perhaps\ny\n" + "yes\n",
    )
    assert "Nobody can be asked here, and nothing was written" in guessed
    assert "RenameTable(table='books', new='volumes'), moves.RenameField(table='volumes', old='title'" in guessed
    assert "'volumes', which has pages, year of it, is new" in unnamed
    assert "Nothing was changed" in unnamed
    assert unwritten == "False"
    assert "moves.RemoveTable(table='books')" in removing
    assert "Rename" not in removing
    assert "Nothing was changed" in named
    assert "moves.RenameTable(table='books', new='volumes')," in project.read("0001_volumes")
    assert "moves.RenameField(table='volumes', old='title', new='headline')," in project.read("0001_volumes")

    done, agreed, found = project.run(
        [], ["--check"], "Book.objects.values('headline', 'pages', 'year', 'weight').get()"
    )
    assert "Applied shelf.0001_volumes" in done
    assert "agree" in agreed
    assert found == "{'headline': 'Emma', 'pages': 400, 'year': 1815, 'weight': 0.5}"
