"""Django's connections, as the engine uses them."""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg.pq import TransactionStatus

from kontract.conf import get_settings
from kontract.exceptions import ConfigurationError
from kontract.models import Storage
from kontract.mvcc import versions

PREPARE_AFTER = 5  # psycopg's own default

_counts: "WeakKeyDictionary[psycopg.Connection[Any], int]" = WeakKeyDictionary()


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
    return get_raw(connection).info.transaction_status == TransactionStatus.IDLE


def fetch_all(connection: BaseDatabaseWrapper, sql: str, params: dict[str, Any]) -> list[Sequence[Any]]:
    """Run one reading statement and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def fetch_one(connection: BaseDatabaseWrapper, sql: str, params: dict[str, Any]) -> Sequence[Any]:
    """Run one statement that yields exactly one row and return it."""
    return fetch_all(connection, sql, params)[0]


def server_cursor(connection: BaseDatabaseWrapper) -> CursorWrapper:
    """Return a cursor that binds on the server, so that psycopg may prepare its statements.

    It is wrapped as Django's own are: query logs and ``execute_wrapper`` see what it runs.
    """
    cursor = psycopg.Cursor(get_raw(connection))
    wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    wrapped: CursorWrapper = wrap(cursor)  # type: ignore[arg-type]
    return wrapped


def allow_preparing(connection: BaseDatabaseWrapper) -> None:
    """Let psycopg prepare the write statements, once a connection has shown that it will be used again.

    A pooler in transaction mode may give each transaction another server connection, where prepared statements of the
    last one do not exist.  A pooler makes up the backend's process id that it tells the client, so the two differ.
    """
    raw = get_raw(connection)
    count = _counts[raw] = _counts.get(raw, 0) + 1
    if count != PREPARE_AFTER or raw.prepare_threshold is not None:
        return
    wanted = get_settings().PREPARED_STATEMENTS
    if wanted is None:
        if connection.settings_dict["OPTIONS"].get("server_side_binding"):
            return  # Django's own statements would be prepared with ours
        wanted = fetch_one(connection, versions.BACKEND_PID, {})[0] == raw.info.backend_pid
    if wanted:
        raw.prepare_threshold = PREPARE_AFTER
