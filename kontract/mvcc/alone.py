"""Statements that are transactions of their own, whatever becomes of the caller's."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.exceptions import ConflictError
from kontract.mvcc.connections import fetch_quietly
from kontract.mvcc.errors import translated
from kontract.mvcc.prepared import compose
from kontract.mvcc.transaction import attempts
from kontract.mvcc.units import in_transaction


def fetch_alone(
    connection: BaseDatabaseWrapper, sql: str, params: dict[str, Any], *, prepared: bool = False
) -> list[Sequence[Any]]:
    """Run a statement in a transaction of its own, ``prepared`` once it is used often, and return its rows.

    Inside a transaction that takes another connection.  It runs again after a conflict, which there can be where the
    server's default isolation is higher.
    """
    with _apart(connection) as own:
        pauses = attempts()
        while True:
            try:
                with translated():
                    own.ensure_connection()
                    return (
                        fetch_quietly(own, compose(own, sql, params)) if prepared else fetch_quietly(own, sql, params)
                    )
            except ConflictError:
                if (pause := next(pauses, None)) is None:
                    raise
                time.sleep(pause)


@contextmanager
def _apart(connection: BaseDatabaseWrapper) -> Iterator[BaseDatabaseWrapper]:
    """Yield a connection on which a statement is a transaction of its own."""
    if not in_transaction(connection):
        yield connection
        return
    other = connection.copy()
    try:
        yield other
    finally:
        other.close()
