"""Creating the two tables: by migrate, by kontract_migrate, by a DBA, and in the way of others."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

import kontract
from kontract import env, tables
from kontract.conf import get_settings
from kontract.mvcc.schema import find_columns
from kontract.tables.catalog import create_declared, forget, locate
from kontract.tables.keys import declared_names
from kontract.tables.receivers import create_after_migrate
from tests.databases import database_alias


@pytest.fixture
def schema(namespace: str) -> Iterator[str]:
    """Use an empty schema of its own."""
    name = namespace.replace("-", "_")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {name}")
        cursor.execute(f"SET search_path = {name}")
        forget("default")
        with kontract.namespace(""):
            yield name
        cursor.execute("SET search_path TO DEFAULT")
        forget("default")
        cursor.execute(f"DROP SCHEMA {name} CASCADE")


def run(command: str, **options: Any) -> str:
    out = StringIO()
    call_command(command, stdout=out, **options)
    return out.getvalue()


def test_it_creates_the_declared_tables() -> None:
    assert tables.names() == []
    output = run("kontract_migrate", no_indexes=True)
    assert "The tables storage and trxs exist." in output
    assert {"counters", "orders", "users", "articles", "journals"} <= set(tables.names())
    assert tables.names() == sorted({*get_settings().TABLES, *declared_names()})
    assert run("kontract_migrate", no_indexes=True) == output


def test_it_creates_them_in_another_namespace(namespace: str) -> None:
    with kontract.namespace(""):
        output = run("kontract_migrate", namespace=namespace, no_indexes=True)
    assert "Logical table users: ptr 1" in output
    assert "users" in tables.names()


def test_processes_that_create_them_at_once_agree(namespace: str) -> None:
    def create(number: int) -> set[tuple[str, int]]:
        try:
            with kontract.namespace(namespace):
                return {(table.name, table.ptr) for table in create_declared(*locate())}
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(create, range(4))
    assert all(other == first for other in others)
    assert len({ptr for _, ptr in first}) == len(first) == len(tables.names())


def test_after_migrate_they_are_there_and_it_may_run_again() -> None:
    create_after_migrate(using="default")
    assert "users" in tables.names()
    out = StringIO()
    create_after_migrate(using="default", verbosity=2, stdout=out)
    assert "logical tables" in out.getvalue()
    create_after_migrate(using="another")  # where kontract's tables are not


def test_the_role_that_may_not_index_is_told_the_statements(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--least-privilege"):
        pytest.skip("this role owns the tables; --least-privilege runs it with one that does not")
    output = run("kontract_migrate")
    assert "The role does not own the table storage" in output
    assert "CREATE INDEX CONCURRENTLY" in output


def test_it_prints_what_a_dba_has_to_run_and_touches_nothing() -> None:
    output = run("kontract_migrate", sql=True, grants='odd"role', schema="shop")
    assert output.count("CREATE TABLE") == 2
    assert 'GRANT SELECT, INSERT, UPDATE, DELETE ON "shop".storage, "shop".trxs TO "odd""role";' in output
    assert tables.names() == []


@pytest.mark.more_privilege
def test_it_creates_the_two_tables_where_they_are_missing(schema: str) -> None:
    create_after_migrate(using="default")  # does nothing where migrate has not made the tables
    assert "Created the tables" in run("kontract_migrate", no_indexes=True)
    assert set(find_columns(connection)) == {"storage", "trxs"}


@pytest.mark.more_privilege
def test_migrate_creates_the_tables_and_the_logical_ones(schema: str) -> None:
    call_command("migrate", "kontract", verbosity=0)
    assert "users" in tables.names()


def test_the_indexes_of_a_database_out_of_reach_are_not_known() -> None:
    with database_alias("far", HOST="127.0.0.1", PORT=1):
        output = run("kontract_migrate", sql=True, database="far")
    assert "CREATE TABLE" in output
    assert "the database cannot be reached" in output


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
