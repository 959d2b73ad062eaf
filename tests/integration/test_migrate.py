"""Creating the two tables: by migrate, by kontract_migrate, by a DBA, and in the way of others."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

import kontract
from kontract import env, tables
from kontract.mvcc.schema import find_columns


@pytest.fixture
def schema(namespace: str) -> Iterator[str]:
    """Use an empty schema of its own."""
    name = namespace.replace("-", "_")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {name}")
        cursor.execute(f"SET search_path = {name}")
        with kontract.namespace(""):
            yield name
        cursor.execute("SET search_path TO DEFAULT")
        cursor.execute(f"DROP SCHEMA {name} CASCADE")


def run(command: str, **options: Any) -> str:
    out = StringIO()
    call_command(command, stdout=out, **options)
    return out.getvalue()


def test_it_creates_the_declared_tables() -> None:
    assert tables.names() == []
    output = run("kontract_migrate")
    assert "The tables storage and trxs exist." in output
    assert tables.names() == ["counters", "orders", "users"]
    assert run("kontract_migrate") == output


def test_it_prints_what_a_dba_has_to_run_and_touches_nothing() -> None:
    output = run("kontract_migrate", sql=True, grants='odd"role', schema="shop")
    assert output.count("CREATE TABLE") == 2
    assert 'GRANT SELECT, INSERT, UPDATE, DELETE ON "shop".storage, "shop".trxs TO "odd""role";' in output
    assert tables.names() == []


@pytest.mark.more_privilege
def test_it_creates_the_two_tables_where_they_are_missing(schema: str) -> None:
    assert "Created the tables" in run("kontract_migrate")
    assert set(find_columns(connection)) == {"storage", "trxs"}


@pytest.mark.more_privilege
def test_the_printed_ddl_is_what_migrate_makes(schema: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(run("kontract_migrate", sql=True))
    assert "exist" in run("kontract_migrate")
    call_command("migrate", "kontract", verbosity=0, database="default")


@pytest.mark.more_privilege
def test_tables_of_somebody_else_are_left_alone(schema: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE trxs (id int, shelf text)")
    with pytest.raises(CommandError, match="a table 'trxs' that is not kontract's"):
        run("kontract_migrate")


def test_a_role_that_may_not_create_is_told_what_to_do(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--least-privilege"):
        pytest.skip("this role may create tables; --least-privilege runs it with one that may not")
    with connection.cursor() as cursor:
        cursor.execute("SET search_path = pg_temp")
        try:
            with pytest.raises(CommandError, match="--sql --grants ROLE"):
                run("kontract_migrate")
        finally:
            cursor.execute("SET search_path TO DEFAULT")


def test_models_and_migration_agree(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("makemigrations", "kontract", check=True, dry_run=True)
    assert env.storage.users.get("nothing") is None
