"""Removing history that nobody may ask for any more.

A table's horizon is the oldest snapshot that can still be read.  It is moved forward first, in a transaction of its
own, and only then is history behind it removed, in batches: whoever reads the past and then finds its snapshot at or
after the horizon has read all of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from kontract.conf import get_settings
from kontract.mvcc.connections import fetch_one
from kontract.mvcc.versions import answers, channels, feed, limits, past
from kontract.mvcc.writes import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What one logical table takes: numbers of rows, and bytes before compression and indexes."""

    ptr: int
    documents: int
    versions: int
    live_bytes: int
    history_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What vacuum would do in one table: remove ``versions`` versions that no snapshot from ``horizon`` on shows."""

    table: Table
    horizon: int
    versions: int


def find_namespaces(connection: BaseDatabaseWrapper) -> list[int]:
    """Return the numbers of all namespaces that hold anything."""
    with connection.cursor() as cursor:
        cursor.execute(past.NAMESPACES)
        return [row[0] for row in cursor.fetchall()]


def measure(connection: BaseDatabaseWrapper, ns: int) -> list[Size]:
    """Return the size of each logical table of a namespace; reads all of it."""
    with connection.cursor() as cursor:
        cursor.execute(past.SIZES, {"ns": ns})
        names = ("ptr", "documents", "versions", "live_bytes", "history_bytes")
        return [Size(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def plan(
    connection: BaseDatabaseWrapper, ns: int, tables: Mapping[int, Table], retention: timedelta | None
) -> list[Plan]:
    """Return what there is to remove in each versioned table of a namespace.

    ``retention`` overrides how long history is kept; what a pinned snapshot shows is never removed.
    """
    (pinned,) = fetch_one(connection, past.OLDEST_PIN, {"ns": ns})
    plans = []
    for table in tables.values():
        if table.options.versioned:
            horizon = _find_horizon(connection, table, retention)
            horizon = horizon if pinned is None else min(horizon, pinned)
            params = {"ns": ns, "ptr": table.ptr, "horizon": horizon}
            (count,) = fetch_one(connection, past.COUNT_REMOVABLE, params)
            plans.append(Plan(table=table, horizon=horizon, versions=count))
    return plans


def _find_horizon(connection: BaseDatabaseWrapper, table: Table, retention: timedelta | None) -> int:
    days = table.options.retention_days
    kept = timedelta(days=get_settings().RETENTION_DAYS if days is None else days) if retention is None else retention
    horizon, _ = fetch_one(connection, past.AT, {"ns": table.ns, "at": timezone.now() - kept})
    found: int = horizon
    return found


def remove(connection: BaseDatabaseWrapper, plan: Plan, *, batch: int) -> Iterator[int]:
    """Carry out ``plan``; yield the number of versions removed after each batch, each its own transaction."""
    table = plan.table
    with connection.cursor() as cursor:
        cursor.execute(past.SET_HORIZON, {"ns": table.ns, "id": str(table.ptr), "horizon": plan.horizon})
        after, params = "", {"ns": table.ns, "ptr": table.ptr, "horizon": plan.horizon, "batch": batch}
        while True:
            cursor.execute(past.REMOVE_BATCH, {**params, "after": after})
            removed, last = cursor.fetchone()
            if removed:
                yield removed
            if removed < batch:
                return
            after = last


def remove_log(connection: BaseDatabaseWrapper, ns: int, horizon: int, *, batch: int) -> Iterator[int]:
    """Remove expired pins, and log entries before ``horizon``, which tells its time; yield as ``remove`` does."""
    with connection.cursor() as cursor:
        cursor.execute(past.SET_HORIZON, {"ns": ns, "id": feed.LOG_HORIZON, "horizon": horizon})
    yield from _remove_all(connection, past.REMOVE_LOG, {"ns": ns, "horizon": horizon, "batch": batch})


def remove_buckets(connection: BaseDatabaseWrapper, ns: int, *, batch: int) -> Iterator[int]:
    """Remove the buckets of rate limits that are empty again, which is what one that is missing is; see ``remove``."""
    return _remove_all(connection, limits.REMOVE_BUCKETS, {"ns": ns, "batch": batch})


def remove_answers(connection: BaseDatabaseWrapper, ns: int, *, batch: int) -> Iterator[int]:
    """Remove the answers to an ``Idempotency-Key`` that have expired; see ``remove``."""
    return _remove_all(connection, answers.REMOVE_ANSWERS, {"ns": ns, "batch": batch})


def remove_channels(connection: BaseDatabaseWrapper, ns: int, *, batch: int) -> Iterator[int]:
    """Remove the sessions of raystream that are over; see ``remove``."""
    return _remove_all(connection, channels.REMOVE_CHANNELS, {"ns": ns, "batch": batch})


def _remove_all(connection: BaseDatabaseWrapper, statement: str, params: dict[str, int]) -> Iterator[int]:
    with connection.cursor() as cursor:
        removed = params["batch"]
        while removed == params["batch"]:
            cursor.execute(statement, params)
            (removed,) = cursor.fetchone()
            if removed:
                yield removed
