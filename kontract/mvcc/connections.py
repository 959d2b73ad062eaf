"""Django's connections, as the engine uses them."""

from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

from kontract.exceptions import ConfigurationError
from kontract.models import Storage


def get_alias(namespace: str, using: str | None = None) -> str:
    """Return the alias that ``namespace`` is written to: ``using`` if given, else what the routers say.

    Routers are asked about the model ``kontract.Storage`` with the hint ``namespace``.
    """
    return using or router.db_for_write(Storage, namespace=namespace)


def get_read_alias(namespace: str, using: str | None = None) -> str:
    """Return the alias to read ``namespace`` from; inside a transaction that is where it writes."""
    alias = get_alias(namespace, using)
    if using or connections[alias].in_atomic_block:
        return alias
    return router.db_for_read(Storage, namespace=namespace)


def get_connection(alias: str) -> BaseDatabaseWrapper:
    """Return Django's connection, established.

    Raises ``ConfigurationError`` unless it is PostgreSQL through psycopg 3.
    """
    connection = connections[alias]
    if isinstance(connection.connection, psycopg.Connection):
        return connection
    if connection.vendor != "postgresql":
        raise ConfigurationError(
            f"kontract needs PostgreSQL, but the database {alias!r} is {connection.vendor}. "
            "Point DATABASES at a PostgreSQL server, or route kontract's models to one."
        )
    connection.ensure_connection()
    if not isinstance(connection.connection, psycopg.Connection):
        raise ConfigurationError('kontract needs psycopg 3: pip install "psycopg[binary]".')
    return connection


def get_raw(connection: BaseDatabaseWrapper) -> "psycopg.Connection[Any]":
    """Return psycopg's connection under Django's."""
    raw: psycopg.Connection[Any] = connection.connection
    return raw


def is_idle(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the server has no transaction open on this connection."""
    return get_raw(connection).pgconn.transaction_status == TransactionStatus.IDLE


def fetch_all(connection: BaseDatabaseWrapper, sql: str, params: dict[str, Any]) -> list[Sequence[Any]]:
    """Run one reading statement and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def fetch_last(
    connection: BaseDatabaseWrapper, statements: Sequence[str], params: dict[str, Any]
) -> list[Sequence[Any]]:
    """Run statements with the same parameters, one after the other in one round trip; return the rows of the last."""
    with connection.cursor() as cursor:
        cursor.execute(psycopg.ClientCursor(get_raw(connection)).mogrify("; ".join(statements), params))
        while cursor.nextset():
            pass
        return list(cursor.fetchall())


def fetch_quietly(
    connection: BaseDatabaseWrapper, sql: str, params: dict[str, Any] | None = None
) -> list[Sequence[Any]]:
    """See fetch_all(); for lookups of our own that would only be noise among an application's logged queries."""
    connection.validate_no_broken_transaction()
    connection.ensure_connection()
    with connection.wrap_database_errors, get_raw(connection).cursor() as cursor:
        return list(cursor.execute(sql, params).fetchall())


def fetch_each_quietly(connection: BaseDatabaseWrapper, statements: Sequence[str]) -> list[list[Sequence[Any]]]:
    """Run statements without parameters, one after the other in one round trip, and return the rows of each."""
    connection.validate_no_broken_transaction()
    connection.ensure_connection()
    with connection.wrap_database_errors, get_raw(connection).cursor() as cursor:
        cursor.execute(";".join(statements))
        found = [list(cursor.fetchall())]
        while cursor.nextset():
            found.append(list(cursor.fetchall()))
        return found


def fetch_one(connection: BaseDatabaseWrapper, sql: str, params: dict[str, Any]) -> Sequence[Any]:
    """Run one statement that yields exactly one row and return it."""
    return fetch_all(connection, sql, params)[0]
