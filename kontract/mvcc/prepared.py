"""Composing the statements of a flush, prepared on the server where that is safe.

Planning the write statement takes longer than running it.  So a connection that is used again and again prepares it, by
SQL's own PREPARE and EXECUTE: unlike the protocol's, they can be part of a simple query of several statements.

A pooler in transaction mode may give each transaction another server connection, where a prepared statement of the
last one does not exist.  A pooler makes up the backend's process id that it tells its client; so where that differs
from what the server says, nothing is prepared.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import Escaping

from kontract.conf import get_settings
from kontract.mvcc.connections import fetch_one, get_raw
from kontract.mvcc.versions import clock, writing

PREPARE_AFTER: Final = 5  # uses of a statement on one connection
MOST_READS: Final = 200  # statements of the application's own queries that one connection keeps prepared
_MOST_COUNTED: Final = 2_000  # statements that one connection counts the uses of
_LONGEST: Final = 8_192  # characters of one; longer are those that show what a transaction has collected, only once

_PLACEHOLDER = re.compile(r"%[s%]")
_PARAMETER = re.compile(r"%\((\w+)\)s")


Escape = Callable[[bytes], bytes | bytearray | memoryview]


class _Call(NamedTuple):
    """A prepared statement: its name on the server, and its parameters in order."""

    name: str
    parameters: tuple[str, ...]


@dataclass(slots=True)
class _Session:
    """What one server connection has seen of us."""

    escape: Escape
    allowed: bool | None = None
    uses: dict[str, int] = field(default_factory=dict)
    calls: dict[str, _Call] = field(default_factory=dict)  # by statement


_sessions: "WeakKeyDictionary[psycopg.Connection[Any], _Session]" = WeakKeyDictionary()


def compose(connection: BaseDatabaseWrapper, statement: str, params: Mapping[str, Any]) -> str:
    """Return ``statement`` with ``params`` as literals, or the EXECUTE of it if this connection has prepared it."""
    session = _get_session(connection)
    call = _find_call(connection, session, statement)
    if call is None:
        return psycopg.ClientCursor(get_raw(connection)).mogrify(statement, params)
    literals = [_as_literal(params[name], session.escape) for name in call.parameters]
    return f"EXECUTE {call.name} ({', '.join(literals)})"


def fetch_prepared(connection: BaseDatabaseWrapper, statement: str, params: Mapping[str, Any]) -> list[Sequence[Any]]:
    """Run one statement, prepared once it is used often, and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(compose(connection, statement, params))
        return list(cursor.fetchall())


def fetch_both_prepared(
    connection: BaseDatabaseWrapper, first: str, second: str, params: Mapping[str, Any]
) -> tuple[list[Sequence[Any]], list[Sequence[Any]]]:
    """Run two statements with the same parameters in one round trip, see fetch_prepared(); return the rows of each."""
    message = ";".join([compose(connection, first, params), compose(connection, second, params)])
    with connection.cursor() as cursor:
        cursor.execute(message)
        rows = list(cursor.fetchall())
        cursor.nextset()
        return rows, list(cursor.fetchall())


def prepare_read(connection: BaseDatabaseWrapper, sql: str, params: Sequence[str | int]) -> str:
    """Return the EXECUTE of a query with placeholders ``%s`` for texts and whole numbers, or the query itself.

    Planning a query takes the longer the more indexes ``storage`` has, since the planner looks at each of them.
    """
    session = _get_session(connection)
    if len(sql) > _LONGEST:
        return sql
    types = ["text" if isinstance(param, str) else "bigint" for param in params]
    key = f"{sql} -- {types}"
    call = session.calls.get(key)
    if call is None:
        if len(session.uses) >= _MOST_COUNTED:
            session.uses.clear()
        uses = session.uses[key] = session.uses.get(key, 0) + 1
        if uses < PREPARE_AFTER or len(session.calls) >= MOST_READS or not _is_allowed(connection, session):
            return sql
        numbers = iter(range(1, len(params) + 1))
        numbered = _PLACEHOLDER.sub(lambda match: "%" if match[0] == "%%" else f"${next(numbers)}", sql)
        call = session.calls[key] = _prepare_as(connection, numbered, types, f"kontract_{len(session.calls)}")
    values = f" ({', '.join(['%s'] * len(params))})" if params else ""
    return f"EXECUTE {call.name}{values}"


def _as_literal(value: str | int | None, escape: Escape) -> str:
    """Return the few types that our parameters have as SQL; faster than asking psycopg for each one's adapter."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return f"{value:d}"
    return bytes(escape(value.encode())).decode()


def _get_session(connection: BaseDatabaseWrapper) -> _Session:
    raw = get_raw(connection)
    if (session := _sessions.get(raw)) is None:
        session = _sessions[raw] = _Session(escape=Escaping(raw.pgconn).escape_literal)
    return session


def _find_call(connection: BaseDatabaseWrapper, session: _Session, statement: str) -> _Call | None:
    if (call := session.calls.get(statement)) is not None:
        return call
    uses = session.uses[statement] = session.uses.get(statement, 0) + 1
    if uses < PREPARE_AFTER or connection.queries_logged or not _is_allowed(connection, session):
        return None  # who logs queries counts them, too, and is to count the same each time
    call = session.calls[statement] = _prepare(connection, statement, f"kontract_{len(session.calls)}")
    return call


def _is_allowed(connection: BaseDatabaseWrapper, session: _Session) -> bool:
    if session.allowed is None:
        wanted = get_settings().PREPARED_STATEMENTS
        if wanted is None:
            wanted = fetch_one(connection, clock.BACKEND_PID, {})[0] == get_raw(connection).info.backend_pid
        session.allowed = wanted
    return session.allowed


def _prepare(connection: BaseDatabaseWrapper, statement: str, name: str) -> _Call:
    """Prepare ``statement`` on the server."""
    order = tuple(dict.fromkeys(_PARAMETER.findall(statement)))
    numbered = _PARAMETER.sub(lambda match: f"${order.index(match[1]) + 1}", statement)
    types = [writing.PARAMETER_TYPES[parameter] for parameter in order]
    call = _prepare_as(connection, numbered.replace("%%", "%"), types, name)
    return call._replace(parameters=order)


def _prepare_as(connection: BaseDatabaseWrapper, numbered: str, types: list[str], name: str) -> _Call:
    typed = f" ({', '.join(types)})" if types else ""
    with connection.cursor() as cursor:
        cursor.execute(f"PREPARE {name}{typed} AS {numbered}")
    return _Call(name, ())
