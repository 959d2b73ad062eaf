"""The plans PostgreSQL makes of our statements, and what an update costs on disk."""

import time
from typing import Any

import pytest
from django.db import connection

from kontract import env
from kontract.mvcc.versions import reading, writing
from kontract.tables.catalog import locate, resolve


def explain(sql: str, **params: Any) -> str:
    """Return the plan that the planner would choose if the table were too large to scan."""
    django_connection, ns = locate()
    table = resolve(django_connection, ns, "users")
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('enable_seqscan', 'off', false)")
        cursor.execute(f"EXPLAIN {sql}", {"ns": ns, "ptr": table.ptr, **params})
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("SELECT set_config('enable_seqscan', 'on', false)")
    return plan


@pytest.fixture(autouse=True)
def _documents() -> None:
    env.storage.users.set_many({f"user-{n}": {"n": n} for n in range(100)})
    env.storage.users.set_many({f"user-{n}": {"n": -n} for n in range(100)})


def test_a_point_read_is_one_probe_of_the_live_index() -> None:
    plan = explain(reading.GET, ids=["user-1"])
    assert "Index Scan using storage_live" in plan
    assert "storage_history" not in plan


def test_a_point_read_of_the_past_probes_the_live_and_the_history_index() -> None:
    plan = explain(reading.GET_AS_OF, ids=["user-1"], snapshot=5)
    assert "Index Scan using storage_live" in plan
    assert "Index Scan using storage_history" in plan
    assert "_deleted_txid > 5" in plan.split("storage_history")[1].split("Filter")[0]


def test_a_list_comes_in_order_from_its_index_without_a_sort() -> None:
    with connection.cursor() as cursor:  # a hundred documents would be sorted sooner than looked up
        for other in ("sort", "bitmapscan", "seqscan"):
            cursor.execute(f"SET enable_{other} = off")
        plan = env.storage.users.query().limit(10).explain()
        cursor.execute("RESET ALL")
    assert "storage_order" in plan
    assert "Sort" not in plan


def test_each_document_of_a_batch_is_found_by_its_index_however_many_there_are() -> None:
    plan = explain(
        writing.WRITE, writes="[]", tables="{}", ptrs="{}", sid=None, owner="", label=None
    )  # fmt: skip
    assert "Hash" not in plan
    assert "Index Scan using storage_live" in plan


@pytest.mark.more_privilege  # other tests share the role's statistics
def test_an_update_of_a_live_document_touches_no_index() -> None:
    def updates() -> tuple[int, int]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'storage'")
            updated, heap_only = cursor.fetchone()
        return updated, heap_only

    time.sleep(1.2)  # PostgreSQL reports what a session did at most once a second
    env.storage.users.get("user-1")
    time.sleep(0.1)
    before = updates()
    for n in range(200):
        env.storage.users.set("user-1", {"n": n})
    time.sleep(1.2)
    env.storage.users.get("user-1")
    time.sleep(0.1)
    after = updates()
    updated, heap_only = after[0] - before[0], after[1] - before[1]
    assert updated >= 200
    assert heap_only >= 0.9 * updated
