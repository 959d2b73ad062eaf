"""The txid that a response carries: where in the order of commits the client now stands."""

from django.db import Error, connections

from kontract.context import get_namespace
from kontract.exceptions import KontractError
from kontract.mvcc import clock
from kontract.mvcc.connections import get_alias, get_connection, is_idle
from kontract.mvcc.units import find_unit
from kontract.tables.catalog import locate, resolve_namespace


def read_position() -> int | None:
    """Return the snapshot that the open transaction reads.

    None, and no query, where it has not touched the database, or has written and will get a txid of its own.
    """
    connection = get_connection(get_alias(get_namespace()))
    if is_idle(connection) or ((unit := find_unit(connection)) is not None and unit.pending):
        return None
    return clock.latest(*locate())


def known_position() -> int | None:
    """Return a txid that this process knows to be committed, asking the database only when it knows none yet.

    None where the database cannot be asked: a failure is being answered, and shall not fail again.
    """
    try:
        namespace = get_namespace()
        connection = connections[get_alias(namespace)]
        ns = resolve_namespace(connection, namespace)
        seen = clock.last_seen(connection.alias, ns)
        return clock.latest(connection, ns) if seen is None else seen
    except (Error, KontractError):
        return None
