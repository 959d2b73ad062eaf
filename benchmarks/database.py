"""The benchmark's own database: made anew at the start, dropped at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any, LiteralString

import pgtrigger
import psycopg
from django.core.management import call_command
from django.db import connection
from psycopg import sql

NAME = "kontract_bench"


@contextmanager
def fresh_database(*, keep: bool = False) -> Iterator[None]:
    """Work in a new database on the configured server, with the tables of all contenders."""
    admin = connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}
    connection.close()
    _administer(admin, "DROP DATABASE IF EXISTS {} WITH (FORCE)")
    _administer(admin, "CREATE DATABASE {}")
    name, connection.settings_dict["NAME"] = connection.settings_dict["NAME"], NAME
    call_command("migrate", verbosity=0)
    call_command("migrate", run_syncdb=True, verbosity=0)  # the contenders' own, which refer to migrated ones
    pgtrigger.install()
    _require_durability()
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name
        if not keep:
            _administer(admin, "DROP DATABASE {} WITH (FORCE)")


@contextmanager
def another_database(name: str) -> Iterator[dict[str, Any]]:
    """Yield the settings of a new, empty database beside the benchmark's."""
    admin = connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}
    _administer(admin, "DROP DATABASE IF EXISTS {} WITH (FORCE)", f"{NAME}_{name}")
    _administer(admin, "CREATE DATABASE {}", f"{NAME}_{name}")
    kept = ("ENGINE", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")
    try:
        yield {key: connection.settings_dict[key] for key in kept} | {"NAME": f"{NAME}_{name}"}
    finally:
        _administer(admin, "DROP DATABASE {} WITH (FORCE)", f"{NAME}_{name}")


def build_indexes() -> None:
    """Build the indexes that versioned models ask for."""
    call_command("kontract_migrate", stdout=StringIO())


def settle() -> None:
    """Bring all tables to where autovacuum brings them in time."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")


def server_version() -> str:
    """Return the server's version, as it writes it."""
    return _show("server_version")


def _administer(admin: dict[str, Any], statement: LiteralString, name: str = "") -> None:
    with psycopg.connect(**admin, autocommit=True) as administration:
        administration.execute(sql.SQL(statement).format(sql.Identifier(name or NAME)))


def _require_durability() -> None:
    """Refuse to compare anything on a server that does not keep what it acknowledges."""
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        if (value := _show(setting)) != "on":
            raise SystemExit(
                f"The server runs with {setting} = {value}. Turn it on: the benchmark compares safe writes."
            )


def _show(setting: LiteralString) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {setting}")
        (value,) = cursor.fetchone()
        return str(value)
