"""A deploy: processes of the older and the newer release at once, before, during and after the migration."""

import time
from pathlib import Path
from typing import Any

import pytest
from django.db import models

from kontract import env
from kontract.exceptions import SchemaOutdatedError
from kontract.schema import moving
from kontract.tables.catalog import locate
from tests.integration.schema.releases import Files, down, finish, release, up
from tests.processes import Report, Worker

pytestmark = pytest.mark.usefixtures("consistent")


def title() -> Any:
    return models.CharField(max_length=50, unique=True)


def serve_older(report: Report, folder: str, seconds: float) -> None:
    """Do what a server of the older release does; report how often, and how long a write took at most."""
    with Files(Path(folder)).installed():
        old = release("things", title=title(), pages=models.IntegerField(default=1))
        served, slowest, until = 0, 0.0, time.monotonic() + seconds
        report("serving")
        while served < 6 or time.monotonic() < until:
            begun = time.monotonic()
            thing = old.objects.create(title=f"older {served}")
            slowest = max(slowest, time.monotonic() - begun)
            thing.pages += 1
            thing.save()
            found = old.objects.get(title=f"older {served}")
            assert (found.pages, found.pk) == (2, thing.pk)
            assert old.objects.filter(pk__in=[thing.pk]).update(title=f"old {served}") == 1
            assert env.storage.things[str(thing.pk)]["title"] == f"old {served}"
            assert old.objects.get(title="newer").pages >= 5
            served += 1
        report((served, slowest))


def test_both_releases_serve_while_documents_are_rewritten(files: Files) -> None:
    old = release("things", title=title(), pages=models.IntegerField(default=1))
    old.objects.bulk_create(old(title=f"first {n}") for n in range(2000))
    old.objects.create(title="newer", pages=5)
    with Worker(serve_older, str(files.folder), 2.5) as worker:
        assert worker.report() == "serving"
        files.add('RenameField(table="things", old="title", new="headline")')
        new = release("things", headline=title(), pages=models.IntegerField(default=1))
        up()
        for n in range(30):
            thing = new.objects.get(headline="newer")
            thing.pages = 5 + n
            thing.save()
            assert new.objects.filter(headline__startswith="older").count() <= 1
            assert not new.objects.filter(headline=None).exists()
        served, slowest = worker.report()
        assert worker.finish() == []
    assert served > 5
    assert slowest < 5.0
    assert new.objects.filter(headline__startswith="old ").count() == served
    finish()
    assert new.objects.filter(headline__startswith="old ").count() == served
    assert new.objects.filter(headline__startswith="first ").count() == 2000
    assert moving.pending(*locate()) == []


def serve_older_with_pages(report: Report, folder: str, seconds: float) -> None:
    """See serve_older(); the field ``pages`` is what the newer release has no more."""
    with Files(Path(folder)).installed():
        old = release("things", title=title(), pages=models.IntegerField(default=1))
        served, slowest, until = 0, 0.0, time.monotonic() + seconds
        report("serving")
        while served < 6 or time.monotonic() < until:
            begun = time.monotonic()
            thing = old.objects.create(title=f"older {served}", pages=served)
            slowest = max(slowest, time.monotonic() - begun)
            thing.pages += 7
            thing.save()
            assert old.objects.filter(pages__gte=served + 7).get(pk=thing.pk).title == f"older {served}"
            assert old.objects.filter(pk__in=[thing.pk]).update(pages=served + 8) == 1
            assert old.objects.filter(title__startswith="newer", pages=1).exists()
            served += 1
        report((served, slowest))


@pytest.mark.parametrize("way", ["finish", "down"])
def test_both_releases_serve_while_a_field_is_removed(files: Files, way: str) -> None:
    old = release("things", title=title(), pages=models.IntegerField(default=1))
    old.objects.bulk_create(old(title=f"first {n}", pages=n) for n in range(1000))
    old.objects.create(title="newer")
    with Worker(serve_older_with_pages, str(files.folder), 1.5) as worker:
        assert worker.report() == "serving"
        files.add('RemoveField(table="things", name="pages")')
        new = release("things", title=title())
        up()
        for n in range(20):
            thing = new.objects.create(title=f"newer {n}")
            thing.title = f"newer still {n}"
            thing.save()
            assert "pages" not in env.storage.things[str(thing.pk)]
            assert all("pages" not in data for data in env.storage.things.query(title__startswith="older").limit(5))
        served, slowest = worker.report()
        assert worker.finish() == []
    assert served > 5
    assert slowest < 5.0
    assert new.objects.filter(title__startswith="older").count() == served
    if way == "finish":
        finish()
        assert not any("pages" in data for data in env.storage.things.values())
    else:
        down()
        old = release("things", title=title(), pages=models.IntegerField(default=1))
        assert dict(old.objects.filter(title__startswith="older").values_list("title", "pages")) == {
            f"older {n}": n + 8 for n in range(served)
        }
        assert dict(old.objects.filter(title__startswith="first").values_list("title", "pages")) == {
            f"first {n}": n for n in range(1000)
        }
    assert env.storage.things.query(title__startswith="newer still").count() == 20


def read_as_older(report: Report, folder: str) -> None:
    """Read with the older release's code after its time is over."""
    with Files(Path(folder)).installed():
        old = release("things", title=title(), pages=models.IntegerField(default=1))
        try:
            report(old.objects.count())
        except SchemaOutdatedError as error:
            report(str(error))


def test_a_server_of_the_older_release_is_told_to_restart(files: Files) -> None:
    release("things", title=title(), pages=models.IntegerField(default=1)).objects.create(title="Emma", pages=2)
    files.add('RemoveField(table="things", name="pages")')
    new = release("things", title=title())
    up()
    with Worker(read_as_older, str(files.folder)) as worker:
        assert worker.finish() == [1]
    new.objects.create(title="Persuasion")
    finish()
    with Worker(read_as_older, str(files.folder)) as worker:
        assert "Restart it" in worker.finish()[0]
