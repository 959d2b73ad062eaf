"""The database of the tests, and what isolates them from each other.

Every storage test gets a namespace of its own and commits for real: nothing is truncated and nothing rolled back, so
that a role which may only read and write the two tables can run them all (``pytest --least-privilege``).
"""

import uuid
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO

import psycopg
import pytest
from django.core.management import call_command
from django.db import OperationalError, connections
from psycopg import sql
from pytest_django import DjangoDbBlocker

import kontract
from kontract import tables
from kontract.tables import keys

ROLE = "kontract_app"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--least-privilege",
        action="store_true",
        help="connect as a role that may SELECT, INSERT, UPDATE and DELETE on the two tables and nothing else",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "more_privilege: needs more than the two tables; left out by --least-privilege")
    config.addinivalue_line("markers", "any_role: is the same for every role, so --least-privilege leaves it out, too")
    config.addinivalue_line("markers", "own_tables: makes tables of its own, which statements may then be about")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--least-privilege"):
        marks = ("more_privilege", "any_role")
        left_out = [item for item in items if any(map(item.get_closest_marker, marks))]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker, django_test_environment: None
) -> Iterator[None]:
    """Make the test database; with ``--least-privilege`` the way a DBA would, from what kontract_migrate prints."""
    settings = connections["default"].settings_dict
    name = f"test_{settings['NAME'] or 'kontract'}_{uuid.uuid4().hex[:8]}"
    with django_db_blocker.unblock():
        admin = connections["default"].get_connection_params() | {"cursor_factory": psycopg.Cursor}
        _administer(admin, "CREATE DATABASE {}", name)
        connections["default"].close()
        settings["NAME"] = name
        if request.config.getoption("--least-privilege"):
            _install_as_dba(admin | {"dbname": name})
            settings["USER"], settings["PASSWORD"] = ROLE, ROLE
        else:
            call_command("migrate", verbosity=0)
        yield
        connections["default"].close()
        _administer(admin, "DROP DATABASE {} WITH (FORCE)", name)


def _administer(admin: dict[str, object], statement: str, name: str) -> None:
    with psycopg.connect(**admin, autocommit=True) as connection:  # type: ignore[arg-type]
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


def _install_as_dba(admin: dict[str, object]) -> None:
    script = StringIO()
    call_command("kontract_migrate", sql=True, grants=ROLE, stdout=script)
    with psycopg.connect(**admin, autocommit=True) as connection:  # type: ignore[arg-type]
        with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):  # by another process, just now
            connection.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE}'")
        connection.execute(f'REVOKE ALL ON DATABASE "{admin["dbname"]}" FROM PUBLIC')
        connection.execute(f'GRANT CONNECT ON DATABASE "{admin["dbname"]}" TO {ROLE}')
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        connection.execute(script.getvalue())


@pytest.fixture
def database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let the test use the database for real, and check that it leaves no transaction open."""
    with django_db_blocker.unblock():
        yield
        assert not connections["default"].in_atomic_block
        connections["default"].close()


@pytest.fixture
def namespace(database: None) -> Iterator[str]:
    """Run the test in a namespace of its own."""
    name = f"test-{uuid.uuid4().hex}"
    tables.create_namespace(name)
    before = dict(keys._declared)
    with kontract.namespace(name):
        yield name
    for table in keys._declared.keys() - before.keys():  # of models that only this test has
        del keys._declared[table]
    connections["default"].close()  # whatever the test has done to it
    _forget_namespace(name)


def _forget_namespace(name: str) -> None:
    """Let what looks at all namespaces not find those of other tests; some tests are left without a database."""
    with suppress(OperationalError), connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM storage WHERE ns = 0 AND ptr = 0 AND id = %s", [f"namespace/{name}"])
