"""A database of its own for the benchmark of signing in."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.core.management import call_command
from django.db import connection
from psycopg import sql

NAME = "kontract_auth_bench"


@contextmanager
def own_database() -> Iterator[str]:
    """Work in a new database on the configured server, and yield its name."""
    admin = connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}
    connection.close()
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(NAME))
    with psycopg.connect(**admin, autocommit=True) as administration:
        administration.execute(drop)
        administration.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))
    connection.settings_dict["NAME"] = NAME
    call_command("migrate", verbosity=0)
    try:
        yield NAME
    finally:
        connection.close()
        with psycopg.connect(**admin, autocommit=True) as administration:
            administration.execute(drop)
