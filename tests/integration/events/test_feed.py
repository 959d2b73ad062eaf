"""What the feed shows: every committed change, once, in commit order, or an error."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.db import connection, transaction

import kontract
from kontract import env, tables
from kontract.context import CallContext, calling
from kontract.events.change import Change
from kontract.events.cursor import Cursor
from kontract.events.pages import read_page
from kontract.exceptions import (
    InvalidCursorError,
    InvalidSnapshotError,
    NotVersionedError,
    PermissionDeniedError,
    SnapshotTooOldError,
    TableNotFound,
)
from kontract.mvcc.prepared import compose
from kontract.mvcc.versions import feed as sql
from kontract.tables.catalog import locate
from tests.processes import Report, Worker
from tests.savepoints import set_savepoint

Told = tuple[str, str, str, Any, Any]


def tell(change: Change) -> Told:
    """Return what a test looks at."""
    return change.type, change.table, change.id, change.data, change.old


def vacuum() -> None:
    call_command("kontract_vacuum", days=0, namespace=kontract.context.get_namespace(), verbosity=0, stdout=_Nowhere())


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        return


def test_each_kind_of_change_is_told_with_what_was_before() -> None:
    users = env.storage.users
    users.set("a", {"n": 1})
    users.update("a", {"m": 2})
    users.set("a", {"n": 3})
    users.delete("a")
    assert [tell(change) for change in kontract.feed(old=True)] == [
        ("insert", "users", "a", {"n": 1}, None),
        ("update", "users", "a", {"n": 1, "m": 2}, {"n": 1}),
        ("update", "users", "a", {"n": 3}, {"n": 1, "m": 2}),
        ("delete", "users", "a", None, {"n": 3}),
    ]


def test_without_old_the_owner_of_what_is_gone_is_told_but_not_its_content() -> None:
    with calling(CallContext(owner="ada")):
        env.storage.users.set("a", {"n": 1})
    env.storage.users.delete("a")
    insert, delete = kontract.feed()
    assert (insert.owner, delete.owner, delete.old, delete.old_owner) == ("ada", "ada", None, "ada")
    assert (insert.changed_by, delete.changed_by) == ("ada", "")


def test_a_transaction_has_one_txid_and_its_label() -> None:
    with kontract.transaction(label="import") as block:
        env.storage.users.set("b", {})
        env.storage.orders.set("c", {})
        env.storage.users.set("a", {})
    changes = list(kontract.feed())
    assert {change.txid for change in changes} == {block.txid}
    assert {change.label for change in changes} == {"import"}
    assert [change.ordinal for change in changes] == [1, 2, 3]
    assert sorted(change.id for change in changes) == ["a", "b", "c"]


def test_a_document_changes_once_in_a_transaction_however_often_it_is_written() -> None:
    env.storage.users.set_many({"kept": {"n": 0}, "gone": {"n": 0}})
    start = next(kontract.feed()).txid
    with kontract.transaction():
        for n in range(3):
            env.storage.users.set("kept", {"n": n})
        env.storage.users.delete("gone")
        env.storage.users.set("never", {})
        env.storage.users.delete("never")
    assert [tell(change)[:1] + tell(change)[2:] for change in kontract.feed(start, old=True)] == [
        ("update", "kept", {"n": 2}, {"n": 0}),
        ("delete", "gone", None, {"n": 0}),
    ]


def test_what_was_flushed_early_is_told_as_a_whole(settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "FLUSH_LIMIT": 2}
    env.storage.users.set_many({"a": {"n": 0}, "b": {"n": 0}})
    start = max(change.txid for change in kontract.feed())
    with kontract.transaction():
        for n in range(1, 4):
            env.storage.users.set("a", {"n": n})
            env.storage.users.set(f"new{n}", {"n": n})
        for gone in ("b", "new1"):
            env.storage.users.delete(gone)
            env.storage.users.set("filler", {"of": gone})
        env.storage.users.set("b", {"n": 9})
    told = {change.id: tell(change)[:1] + tell(change)[3:] for change in kontract.feed(start, old=True)}
    assert told == {
        "a": ("update", {"n": 3}, {"n": 0}),
        "b": ("update", {"n": 9}, {"n": 0}),
        "new2": ("insert", {"n": 2}, None),
        "new3": ("insert", {"n": 3}, None),
        "filler": ("insert", {"of": "new1"}, None),
    }


def test_what_was_rolled_back_is_not_told() -> None:
    with suppress(ZeroDivisionError), kontract.transaction():
        env.storage.users.set("a", {})
        raise ZeroDivisionError
    with transaction.atomic():
        env.storage.users.set("b", {})
        point = set_savepoint()
        env.storage.users.set("c", {})
        transaction.savepoint_rollback(point)
    assert [change.id for change in kontract.feed()] == ["b"]


def test_a_pinned_snapshot_is_no_transaction() -> None:
    env.storage.users.set("a", {})
    kontract.pin_snapshot(60)
    env.storage.users.set("b", {})
    kontract.pin_snapshot(60)
    assert [change.id for change in kontract.feed()] == ["a", "b"]
    last = list(kontract.feed())[-1].txid
    assert list(kontract.feed(last)) == []


def test_unversioned_tables_and_the_catalog_are_not_told() -> None:
    env.storage.counters.set("a", {"n": 1})
    env.storage.users.set("a", {"n": 1})
    assert [change.table for change in kontract.feed()] == ["users"]


def test_the_feed_goes_on_from_any_position(seeded: list[Change]) -> None:
    for number, change in enumerate(seeded, 1):
        assert list(kontract.feed(change.cursor)) == seeded[number:]
        assert list(kontract.feed(str(change.cursor))) == seeded[number:]
    for txid in {change.txid for change in seeded}:
        assert list(kontract.feed(txid)) == [change for change in seeded if change.txid > txid]


@pytest.fixture
def seeded() -> list[Change]:
    """Make some transactions of several changes, and return these."""
    rng = random.Random(7)
    for _ in range(6):
        with kontract.transaction():
            for _ in range(rng.randint(1, 5)):
                table = rng.choice([env.storage.users, env.storage.orders])
                table.set(rng.choice("abcde"), {"n": rng.random()})
                if rng.random() < 0.4:
                    table.delete(rng.choice("abcde"))
    return list(kontract.feed())


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_pages_of_any_size_make_the_same_feed(seeded: list[Change], limit: int) -> None:
    place, ns = locate()
    cursor, found, is_last = Cursor(0), [], False
    while not is_last:
        page = read_page(place, ns, cursor, limit=limit)
        assert len(page.changes) <= limit
        found += page.changes
        cursor, is_last = page.cursor, page.is_last
    assert found == seeded
    assert cursor == Cursor(seeded[-1].txid)


@pytest.mark.parametrize("limit", [0, 1, 3, 5])
def test_a_limit_ends_the_feed(seeded: list[Change], limit: int) -> None:
    assert list(kontract.feed(limit=limit)) == seeded[:limit]


def test_tables_are_chosen_by_name(seeded: list[Change]) -> None:
    for wanted in (["users"], ["orders"], ["users", "orders"]):
        assert list(kontract.feed(tables=wanted)) == [change for change in seeded if change.table in wanted]
    assert list(kontract.feed(tables="users")) == list(kontract.feed(tables=["users"]))


def test_a_table_without_a_log_or_at_all_is_refused() -> None:
    with pytest.raises(NotVersionedError, match="counters"):
        kontract.feed(tables=["counters"])
    with pytest.raises(TableNotFound, match="nobody"):
        kontract.feed(tables=["nobody"])


@pytest.mark.parametrize("text", ["", "-1", "1.", ".1", "1.2.3", "a", "1e3", "٣", "9" * 40, "1\n", "1.-2"])
def test_a_malformed_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursorError):
        kontract.feed(text)


def test_a_cursor_from_the_future_is_refused() -> None:
    env.storage.users.set("a", {})
    last = next(kontract.feed()).txid
    for cursor in (last + 1, f"{last + 1}.1"):
        with pytest.raises(InvalidSnapshotError, match="has not come yet"):
            list(kontract.feed(cursor))


def test_the_documents_of_a_dropped_table_are_told_as_deleted() -> None:
    tables.create("brief")
    env.storage.brief.set("a", {"n": 1})
    start = next(kontract.feed()).txid
    tables.drop("brief")
    assert [tell(change) for change in kontract.feed(start, old=True)] == [("delete", "brief", "a", None, {"n": 1})]
    tables.create("brief")
    env.storage.brief.set("b", {})
    assert [change.id for change in kontract.feed(tables=["brief"])] == ["a", "a", "b"]


def test_behind_the_horizon_it_says_where_to_begin_anew() -> None:
    for n in range(3):
        env.storage.users.set("a", {"n": n})
    first, _, last = (change.txid for change in kontract.feed())
    vacuum()
    for after in (0, first, f"{last}.0"):
        with pytest.raises(SnapshotTooOldError, match="behind the horizon") as caught:
            list(kontract.feed(after))
        assert caught.value.latest == last
    assert list(kontract.feed(last)) == []
    env.storage.users.set("b", {})
    assert [change.id for change in kontract.feed(last)] == ["b"]


def test_the_horizon_of_a_table_is_not_that_of_others() -> None:
    tables.create("brief", retention_days=0)
    env.storage.users.set("a", {})
    start = next(kontract.feed()).txid - 1
    env.storage.brief.set("a", {"n": 1})
    env.storage.brief.set("a", {"n": 2})
    call_command("kontract_vacuum", namespace=kontract.context.get_namespace(), stdout=_Nowhere())
    assert [change.id for change in kontract.feed(start, tables=["users"])] == ["a"]
    with pytest.raises(SnapshotTooOldError):
        list(kontract.feed(start, tables=["brief"]))
    with pytest.raises(SnapshotTooOldError):
        list(kontract.feed(start))


def test_a_table_made_after_the_log_was_removed_hides_nothing() -> None:
    """It has no horizon of its own yet, but the log has one."""
    tables.create("older")
    env.storage.older.set("a", {})
    vacuum()
    tables.create("newer")
    env.storage.newer.set("a", {})
    with pytest.raises(SnapshotTooOldError):
        list(kontract.feed(0, tables=["newer"]))


def test_a_transaction_reads_the_feed_of_its_moment() -> None:
    env.storage.users.set("a", {})
    with kontract.transaction():
        assert [change.id for change in kontract.feed()] == ["a"]
        with pytest.raises(transaction.TransactionManagementError, match="for ever"):
            kontract.feed(follow=True)


def test_a_call_cannot_read_past_its_permissions() -> None:
    env.storage.users.set("a", {})
    with calling(CallContext(route="spy")):
        with pytest.raises(PermissionDeniedError, match="elevated"):
            kontract.feed()
        with kontract.elevated():
            assert len(list(kontract.feed())) == 1


def test_large_documents_make_short_pages() -> None:
    for n in range(4):
        env.storage.users.set(f"d{n}", {"text": random.Random(n).randbytes(1 << 20).hex()})
    place, ns = locate()
    page = read_page(place, ns, Cursor(0), ["users"])
    assert 1 <= len(page.changes) < 4
    assert not page.is_last
    assert [change.id for change in kontract.feed()] == [f"d{n}" for n in range(4)]


def test_reading_uses_the_indexes() -> None:
    """With many documents, and much history of one of them, besides what is read."""
    env.storage.users.set_many({f"u{n}": {"n": n} for n in range(3000)})
    for n in range(50):
        env.storage.users.set("u7", {"n": n})
    place, ns = locate()
    last = list(kontract.feed())[-1].txid
    ptr = tables.catalog.resolve(place, ns, "users").ptr
    documents = {"ns": ns, "ptrs": f"{{{ptr}}}", "ids": "{u7}", "txids": f"{{{last - 5}}}", "ops": "{update}"}
    documents["size"] = 9999
    log = {"ns": ns, "first": last, "limit": 100, "size": 9999, "group": "false"}
    for statement, params in ((sql.DOCUMENTS_WITH_OLD, documents), (sql.LOG, log)):
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + compose(connection, statement, params))
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "Seq Scan" not in plan, plan
    assert [change.data for change in kontract.feed(last - 6, limit=1)] == [{"n": 44}]


# --- At the same time ------------------------------------------------------------------------------------------------


def write_much(report: Report, seed: int) -> None:
    rng, written = random.Random(seed), []
    for n in range(30):
        try:
            with kontract.transaction() as block:
                ids = [f"{seed}-{n}-{k}" for k in range(rng.randint(1, 4))]
                for id_ in ids:
                    env.storage.users.set(id_, {"n": n})
                if rng.random() < 0.3:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            continue
        written.append((block.txid, ids))
    report(written)


@pytest.mark.parametrize("durability", ["strict", "group"])
@pytest.mark.usefixtures("made")
def test_of_many_writers_nothing_is_missed_repeated_or_misordered(durability: str, settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "DURABILITY": durability}
    workers = [Worker(write_much, seed) for seed in range(4)]
    seen: list[Change] = []
    place, ns = locate()
    cursor = Cursor(0)
    while any(worker.process.is_alive() for worker in workers):
        page = read_page(place, ns, cursor, ["users"], limit=17)
        seen += page.changes
        cursor = page.cursor
    written = dict(pair for worker in workers for pair in worker.finish()[0])
    seen += kontract.feed(cursor)
    assert [(change.txid, change.ordinal) for change in seen] == sorted(
        (txid, n) for txid, ids in written.items() for n in range(1, len(ids) + 1)
    )
    assert {change.id for change in seen} == {id_ for ids in written.values() for id_ in ids}


def test_under_group_durability_a_page_waits_until_it_is_on_disk(settings: Any) -> None:
    """Else a crash could take the transaction, and give its txid to another one."""
    settings.KONTRACT = {**settings.KONTRACT, "DURABILITY": "group"}
    env.storage.users.set("a", {})
    place, ns = locate()
    for n in range(20):
        with psycopg.connect(**place.get_connection_params() | {"cursor_factory": psycopg.Cursor}) as other:
            other.execute("SET synchronous_commit = off")
            other.execute("UPDATE trxs SET label = %s WHERE ns = %s", [str(n), ns])
            other.commit()
            row = other.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
            written = row[0] if row else None
            other.rollback()
            other.autocommit = True
            was_flushed = other.execute("SELECT pg_current_wal_flush_lsn() >= %s::pg_lsn", [written]).fetchone()
            assert [change.label for change in kontract.feed()] == [str(n)]
            assert other.execute("SELECT pg_current_wal_flush_lsn() >= %s::pg_lsn", [written]).fetchone() == (True,)
        if was_flushed == (False,):
            return
    pytest.fail("the server has flushed each time before anybody asked")


# --- Following -------------------------------------------------------------------------------------------------------


def follow(found: list[Change], limit: int, failures: list[BaseException]) -> Iterator[threading.Thread]:
    name = kontract.context.get_namespace()

    def run() -> None:
        try:
            with kontract.namespace(name):
                found.extend(kontract.feed(tables=["users"], follow=True, limit=limit))
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield thread
    thread.join(20)
    assert not thread.is_alive()
    assert failures == []


@pytest.mark.usefixtures("made")
def test_a_follower_waits_for_more() -> None:
    found: list[Change] = []
    running = follow(found, 3, [])
    next(running)
    for n in range(3):
        time.sleep(0.02)
        env.storage.users.set(f"u{n}", {})
    assert next(running, None) is None
    assert [change.id for change in found] == ["u0", "u1", "u2"]


@pytest.mark.usefixtures("made")
def test_a_coroutine_follows() -> None:
    async_to_sync(follow_and_write)()


async def follow_and_write() -> None:
    await env.storage.users.aset("u0", {})
    found = []
    async for change in kontract.afeed(follow=True, limit=3):
        found.append(change.id)
        if len(found) < 3:
            await env.storage.users.aset(f"u{len(found)}", {})
    assert found == ["u0", "u1", "u2"]
    assert [change.id async for change in kontract.afeed(limit=2)] == ["u0", "u1"]
