"""What vacuum removes of sessions and principals."""

from collections.abc import Iterator

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.auth.models import USERS
from kontract.conf import get_settings
from kontract.mvcc.connections import fetch_all
from kontract.mvcc.units import write_now
from kontract.mvcc.versions import sessions as sql
from kontract.mvcc.writes import Write
from kontract.tables.catalog import list_tables


def remove_sessions(connection: BaseDatabaseWrapper, ns: int, *, batch: int) -> Iterator[int]:
    """Remove sessions that have expired; yield their number after each batch, each a transaction of its own."""
    removed = batch
    while removed == batch:
        ((removed,),) = fetch_all(connection, sql.REMOVE_SESSIONS, {"ns": ns, "batch": batch})
        if removed:
            yield removed


def remove_principals(connection: BaseDatabaseWrapper, ns: int, *, batch: int) -> Iterator[int]:
    """Delete anonymous principals that own nothing and that nobody can be any more; see remove_sessions().

    They are as old as a session gets without being used.
    """
    table = next((table for table in list_tables(connection, ns).values() if table.name == USERS), None)
    if table is None:
        return
    idle = get_settings().AUTH.refresh_idle_seconds
    params = {"ns": ns, "users": table.ptr, "idle": idle, "batch": batch}
    while ids := [row[0] for row in fetch_all(connection, sql.IDLE_PRINCIPALS, params)]:
        write_now(connection, [Write(table, principal_id, "delete") for principal_id in ids])
        yield len(ids)
