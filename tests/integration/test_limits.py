"""Rate limits count in the database: exactly, in all threads and processes, whatever becomes of a transaction."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from io import StringIO
from itertools import pairwise
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from kontract import as_of, env, namespace, transaction
from kontract.context import get_namespace
from kontract.exceptions import ConfigurationError
from kontract.mvcc.connections import fetch_all, fetch_one
from kontract.mvcc.versions import limits as sql
from kontract.rpc import limits
from kontract.rpc.limits import _make_id, atake, take
from kontract.tables.catalog import locate
from tests.interleave import Actor
from tests.processes import Report, Worker


def row(bucket: str) -> Any:
    """Return until when a bucket is booked, and the version of its row that the server holds; None if there is none."""
    _, ns = locate()
    sql = """SELECT (data ->> 'until')::float8 - extract(epoch FROM clock_timestamp())::float8, ctid::text, xmax::text
             FROM storage WHERE ns = %(ns)s AND ptr = 4 AND id = %(id)s"""
    return next(iter(fetch_all(connection, sql, {"ns": ns, "id": _make_id(bucket)})), None)


def book(bucket: str, seconds: float) -> None:
    """Let a bucket be booked until ``seconds`` from now, as after a jump of the server's clock."""
    _, ns = locate()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE storage SET data = jsonb_build_object('until', extract(epoch FROM now()) + %s) "
            "WHERE ns = %s AND ptr = 4 AND id = %s",
            [seconds, ns, _make_id(bucket)],
        )
        assert cursor.rowcount == 1


@pytest.fixture(autouse=True)
def _no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep chance out of the tests."""
    monkeypatch.setattr(limits, "_SWEEP_CHANCE", 0)


@pytest.fixture(params=[take, async_to_sync(atake)], ids=["sync", "async"])
def count(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_a_bucket_grants_its_burst_and_then_says_how_long_to_wait(count: Any) -> None:
    assert [count("a", "3/h") for _ in range(3)] == [0, 0, 0]
    assert 1199 < count("a", "3/h") <= 1200
    assert count("b", "3/h") == 0


def test_it_fills_again_with_time(count: Any) -> None:
    assert [count("a", "2/s", burst=1) > 0 for _ in range(2)] == [False, True]
    time.sleep(0.51)
    assert [count("a", "2/s", burst=1) > 0 for _ in range(2)] == [False, True]


def test_a_burst_may_be_smaller_or_greater_than_the_rate() -> None:
    assert [take("a", "100/h", burst=2) > 0 for _ in range(3)] == [False, False, True]
    assert [take("b", "1/h", burst=3) > 0 for _ in range(4)] == [False, False, False, True]


def test_events_may_cost_more_than_one() -> None:
    assert take("a", "10/h", cost=8) == 0
    assert 2150 < take("a", "10/h", cost=8) <= 2160  # until there are six more
    assert take("a", "10/h", cost=2) == 0


@pytest.mark.parametrize("cost", [0, -1, 11])
def test_what_would_never_be_granted_is_refused(cost: int) -> None:
    with pytest.raises(ConfigurationError, match="do not fit the burst"):
        take("a", "10/h", cost=cost)


def test_names_from_clients_may_be_anything() -> None:
    names = ["", "x" * 100_000, "\0", "\udcff", "%s %(id)s", "'; DROP TABLE storage; --", "x" * 100_001]
    assert [take(name, "1/h") for name in names] == [0] * len(names)
    assert all(take(name, "1/h") > 0 for name in names)
    _, ns = locate()
    (longest,) = fetch_one(connection, "SELECT max(length(id)) FROM storage WHERE ns = %(ns)s AND ptr = 4", {"ns": ns})
    assert longest == 40


def test_one_who_is_refused_writes_nothing() -> None:
    take("a", "1/h")
    before = row("a")
    assert all(take("a", "1/h") > 0 for _ in range(5))
    assert row("a")[1:] == before[1:]  # neither written nor locked


def test_it_is_one_message_to_the_server_and_none_of_the_applications_queries() -> None:
    take("a", "1/h")
    with CaptureQueriesContext(connection) as queries:
        take("a", "1/h")
    assert len(queries) == 0


# Beside other transactions


def test_what_is_counted_stays_counted_when_the_caller_rolls_back(count: Any) -> None:
    def fail() -> None:
        with transaction():
            env.storage.users.set("ada", {})
            assert count("a", "1/h") == 0
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert env.storage.users.get("ada") is None
    assert count("a", "1/h") > 0


def test_it_counts_in_a_block_that_looks_at_the_past() -> None:
    env.storage.users.set("ada", {})
    with as_of(1):
        assert take("a", "1/h") == 0
        assert take("a", "1/h") > 0


def test_a_higher_default_isolation_of_the_server_grants_no_more() -> None:
    def work(_: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_isolation TO 'serializable'")
        try:
            return sum(take("a", "20/h") == 0 for _ in range(10))
        finally:
            connections.close_all()

    assert run_in_threads(work, 4) == 20


def test_of_two_who_saw_room_for_one_only_one_gets_it() -> None:
    take("a", "2/h")
    _, ns = locate()
    other = connection.copy()
    with Actor() as one, Actor() as two:
        try:
            other.set_autocommit(False)
            fetch_all(other, "SELECT 1 FROM storage WHERE ns = %(ns)s AND ptr = 4 FOR UPDATE", {"ns": ns})
            waiting = [actor.start(lambda: take("a", "2/h")) for actor in (one, two)]
            wait_for(lambda: fetch_one(connection, BLOCKED, {}) == (2,))
            other.rollback()
        finally:
            other.close()
        granted, refused = sorted(future.result(timeout=10) for future in waiting)
    assert granted == 0
    assert 0 < refused <= 1800


BLOCKED = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%%DO UPDATE SET data%%'
"""


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.005)


def test_threads_are_never_granted_more_than_there_is() -> None:
    def work(_: int) -> int:
        try:
            return sum(take("a", "50/h") == 0 for _ in range(20))
        finally:
            connections.close_all()

    assert run_in_threads(work, 8) == 50


def run_in_threads(work: Any, number: int) -> int:
    """Run ``work`` in threads with a connection each, in this test's namespace, and add up what it returns."""
    contexts = [copy_context() for _ in range(number)]
    with ThreadPoolExecutor(number) as pool:
        return sum(pool.map(lambda context: context.run(work, 0), contexts))


def test_processes_count_together() -> None:
    workers = [Worker(take_many, 40) for _ in range(3)]
    assert sum(sum(worker.finish()) for worker in workers) == 50


def take_many(report: Report, times: int) -> None:
    """Report how many were granted."""
    report(sum(take("a", "50/h") == 0 for _ in range(times)))


def test_namespaces_count_apart() -> None:
    assert get_namespace()
    take("a", "1/h")
    with namespace(""):
        _, ns = locate()
        sql = "SELECT count(*) FROM storage WHERE ns = %(ns)s AND ptr = 4 AND id = %(id)s"
        assert fetch_one(connection, sql, {"ns": ns, "id": _make_id("a")}) == (0,)


# The server's clock


def test_a_clock_that_was_set_back_locks_nobody_out() -> None:
    take("a", "5/m")
    book("a", 3600)
    assert [take("a", "5/m") > 0 for _ in range(6)] == [False] * 5 + [True]


def test_a_clock_that_was_set_forward_grants_one_burst() -> None:
    assert [take("a", "2/h") > 0 for _ in range(3)] == [False, False, True]
    book("a", -10_000)
    assert [take("a", "2/h") > 0 for _ in range(3)] == [False, False, True]


def test_another_rate_takes_effect_at_once() -> None:
    assert [take("a", "1/d") > 0 for _ in range(2)] == [False, True]
    assert [take("a", "2/m") > 0 for _ in range(3)] == [False, False, True]


# Removal


def test_vacuum_removes_buckets_that_are_empty_again_and_no_others() -> None:
    for n in range(5):
        take(f"old-{n}", "1/h")
        book(f"old-{n}", -1)
    take("new", "1/h")
    output = StringIO()
    call_command("kontract_vacuum", namespace=get_namespace(), dry_run=True, stdout=output)
    assert row("old-0") is not None
    call_command("kontract_vacuum", namespace=get_namespace(), batch=2, stdout=output, stderr=StringIO())
    assert "removed 5 rate limits" in output.getvalue()
    assert [row(f"old-{n}") for n in range(5)] == [None] * 5
    assert row("new") is not None
    assert take("new", "1/h") > 0


def test_vacuum_leaves_a_bucket_that_is_in_use_at_the_moment() -> None:
    _, ns = locate()
    take("a", "1/h")
    book("a", -1)
    other = connection.copy()
    try:
        other.set_autocommit(False)
        fetch_all(other, "SELECT 1 FROM storage WHERE ns = %(ns)s AND ptr = 4 FOR UPDATE", {"ns": ns})
        assert fetch_one(connection, sql.REMOVE_BUCKETS, {"ns": ns, "batch": 10}) == (0,)
        other.rollback()
    finally:
        other.close()
    assert fetch_one(connection, sql.REMOVE_BUCKETS, {"ns": ns, "batch": 10}) == (1,)


def test_counting_itself_removes_what_has_run_out_and_looks_at_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_SWEPT", 20)
    for n in range(60):
        take(f"old-{n}", "1/h")
        book(f"old-{n}", -1)
    monkeypatch.setattr(limits, "_SWEEP_CHANCE", 1)
    left = [count_buckets()]
    for n in range(40):
        take(f"new-{n}", "1/h")
        left.append(count_buckets())
    assert all(after >= before + 1 - 20 for before, after in pairwise(left))
    assert all(row(f"new-{n}") is not None for n in range(40))
    assert left[-1] < 50
    assert all(take(f"new-{n}", "1/h") > 0 for n in range(40))


def count_buckets() -> int:
    _, ns = locate()
    number: int = fetch_one(connection, "SELECT count(*) FROM storage WHERE ns = %(ns)s AND ptr = 4", {"ns": ns})[0]
    return number
