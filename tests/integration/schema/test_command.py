"""``kontract_migrate`` as developers, deployments and CI run it."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

import kontract
from kontract import env, perms, tables
from kontract.schema.record import read, write
from kontract.tables.catalog import forget, locate


def run(*args: str, **options: Any) -> str:
    out = StringIO()
    call_command("kontract_migrate", *args, stdout=out, no_indexes=True, interactive=False, **options)
    return out.getvalue()


@pytest.fixture
def declare(settings: Any, namespace: str, tmp_path: Path) -> Any:
    """Let the settings declare other options of the table ``users``; a lock file is in a folder of its own."""

    def change(**options: Any) -> None:
        tables_ = {**settings.KONTRACT["TABLES"], "users": options}
        settings.KONTRACT = {**settings.KONTRACT, "TABLES": tables_, "LOCK_FILE": str(tmp_path / "kontract.lock.json")}

    change()
    run()
    yield change
    forget("default")


def number(table: str = "users") -> int:
    found = read(*locate(), table)
    assert found is not None
    return found.schema


def test_check_tells_whether_anything_is_to_be_done(namespace: str) -> None:
    with pytest.raises(CommandError, match="add the table users"):
        run("--check")
    assert tables.names() == []
    run()
    assert "agree" in run("--check")


def test_permissions_change_by_themselves_and_a_second_run_does_nothing(declare: Any) -> None:
    declare(perm=perms.R__, fields={"email": perms.R__})
    planned = run("--plan")
    assert "set the permissions of the table users to R__" in planned
    assert "add the field users.email" in planned
    assert number() == 1
    done = run()
    assert "set the permissions of the table users to R__" in done
    assert number() == 2
    assert "users to" not in run()
    assert "Nothing is to be done" in run("--plan")
    assert "users: number 2" in run("status")


def test_plan_and_check_exclude_each_other(declare: Any) -> None:
    with pytest.raises(CommandError, match="Use one of"):
        run("status", "--check")


def test_down_takes_back_run_by_run(declare: Any) -> None:
    declare(perm=perms.R__)
    run()
    declare(perm=perms.RW_)
    run()
    assert "set the permissions of the table users to R__" in run("down")
    declare(perm=perms.R__)
    assert "agree" in run("--check")
    run("down")
    declare()
    assert "agree" in run("--check")
    assert "nothing to take back" in run("down", "3")
    assert number() == 5  # each way back is a step of its own


def test_down_takes_a_number(declare: Any) -> None:
    with pytest.raises(CommandError, match="takes a number from 1 on, not 'all'"):
        run("down", "all")
    assert "No migration file is to be applied" in run("up", "2")


def test_older_code_is_refused_until_it_says_that_it_means_it(declare: Any) -> None:
    declare(perm=perms.R__)
    run()
    declare()
    with pytest.raises(CommandError, match="Newer code than this"):
        run()
    with pytest.raises(CommandError, match="was as this code wants it"):
        run("--check")
    assert number() == 2
    run("--revert")
    assert number() == 3


def test_the_lock_file_tells_who_takes_a_change_back_from_who_is_older(declare: Any, tmp_path: Path) -> None:
    run("lock")
    older = (tmp_path / "kontract.lock.json").read_text()
    declare(perm=perms.R__)
    run("lock")
    run()
    declare()
    newer = (tmp_path / "kontract.lock.json").read_text()
    (tmp_path / "kontract.lock.json").write_text(older)
    with pytest.raises(CommandError, match="Newer code than this"):
        run()
    (tmp_path / "kontract.lock.json").write_text(newer)
    run("lock")  # the developer commits the models as they were, after those of the database
    run()
    assert number() == 3


def test_the_lock_file_is_checked_and_is_the_same_for_the_same_models(declare: Any, tmp_path: Path) -> None:
    assert "Wrote" in run("lock")
    text = (tmp_path / "kontract.lock.json").read_text()
    assert json.loads(text)["tables"]["articles"]["primary_key"]["type"] == "UUIDField"
    assert "as the models are" in run("lock")
    (tmp_path / "kontract.lock.json").write_text(text.replace('"null": true', '"null": false', 1))
    with pytest.raises(CommandError, match="The lock file differs"):
        run("--check")
    (tmp_path / "kontract.lock.json").write_text(f"<<<<<<< HEAD\n{text}")
    with pytest.raises(CommandError, match="is no lock file"):
        run("--check")


def test_fake_records_and_looks_at_nothing(declare: Any) -> None:
    declare(perm=perms.R__)
    assert "No document was looked at" in run("--fake")
    assert number() == 2
    assert "agree" in run("--check")


def test_a_table_that_was_there_before_records_were_is_adopted(declare: Any) -> None:

    with kontract.transaction():
        write(*locate(), "users", None)
    with pytest.raises(CommandError, match="the table users has no record yet"):
        run("--check")
    run()
    assert number() == 1


def test_every_namespace_is_migrated(declare: Any, namespace: str) -> None:
    env.storage.users.set("u", {"name": "Emma"})
    declare(perm=perms.R__)
    with kontract.namespace(""):
        run("--namespace", namespace)
    assert number() == 2


def test_a_dropped_table_leaves_no_record(declare: Any) -> None:
    tables.drop("orders")
    assert read(*locate(), "orders") is None
    run()
    assert number("orders") == 1


def test_create_needs_a_name_and_an_app(declare: Any) -> None:
    with pytest.raises(CommandError, match="create NAME"):
        run("create")
    with pytest.raises(CommandError, match="--app LABEL"):
        run("create", "something")
    with pytest.raises(CommandError, match="cannot name a migration file"):
        run("create", "../something", app="app")
