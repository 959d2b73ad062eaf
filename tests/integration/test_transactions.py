"""One block, one transaction: kontract inside Django's transactions, savepoints, test cases and connections."""

import asyncio
import json
import threading
import unittest
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.db.transaction import TransactionManagementError, atomic
from django.test import TestCase, override_settings

import kontract
from kontract import env, tables
from kontract.context import CallContext, calling, get_namespace
from kontract.exceptions import ClockTimeoutError, ConflictError, IsolationError
from kontract.mvcc import clock
from kontract.mvcc.connections import fetch_one
from kontract.tables.catalog import create_namespace, locate
from kontract.tables.proxy import TableProxy
from tests.databases import database_alias
from tests.interleave import Actor
from tests.savepoints import set_savepoint

T = TypeVar("T")

pytestmark = pytest.mark.usefixtures("consistent", "declared")

BLOCKS: dict[str, Callable[[], Any]] = {"transaction": kontract.transaction, "atomic": atomic}


@pytest.fixture(params=BLOCKS)
def block(request: pytest.FixtureRequest) -> Callable[[], Any]:
    """What opens a block: kontract's own, or Django's."""
    return BLOCKS[request.param]


@pytest.fixture
def users() -> TableProxy:
    return env.storage.users


@pytest.fixture
def other() -> Iterator[Actor]:
    """Somebody with a connection of their own."""
    with Actor() as actor:
        yield actor


class Rollback(Exception):
    """What a test leaves a block with."""


def rolled_back() -> pytest.RaisesExc[Rollback]:
    return pytest.raises(Rollback)


@contextmanager
def kontract_settings(**changes: Any) -> Iterator[None]:
    with override_settings(KONTRACT={**django_settings.KONTRACT, **changes}):
        yield


# --- Blocks -----------------------------------------------------------------------------------------------------------


def test_a_block_is_seen_by_others_when_it_ends_and_not_before(
    users: TableProxy, other: Actor, block: Callable[[], Any]
) -> None:
    with block():
        users.set("1", {"n": 1})
        assert users["1"] == {"n": 1}
        assert other.do(lambda: users.get("1")) is None
    assert other.do(lambda: users["1"]) == {"n": 1}


def test_a_block_left_by_an_exception_writes_nothing(users: TableProxy, block: Callable[[], Any]) -> None:
    with rolled_back(), block():
        users.set("1", {})
        env.storage.counters.set("1", {})
        raise Rollback
    assert len(users) == len(env.storage.counters) == 0


def test_a_block_has_one_txid_for_all_that_it_wrote(users: TableProxy) -> None:
    with kontract.transaction(label="both") as block:
        assert users.set("1", {}).txid is None
        env.storage.orders.set("1", {})
        assert block.txid is None
    assert block.txid == users["1"].txid == env.storage.orders["1"].txid
    assert users.history("1")[0].label == "both"


def test_a_block_that_writes_nothing_has_no_txid(users: TableProxy) -> None:
    with kontract.transaction() as block:
        users.get("1")
    assert block.txid is None


def test_nested_blocks_are_one_transaction(users: TableProxy, other: Actor) -> None:
    with kontract.transaction() as outer:
        users.set("1", {})
        with kontract.transaction() as inner:
            users.set("2", {})
        assert other.do(lambda: len(users)) == 0
    assert outer.txid == inner.txid == users["1"].txid == users["2"].txid


def test_an_inner_block_that_fails_drops_what_it_wrote_and_no_more(users: TableProxy, block: Callable[[], Any]) -> None:
    users.set("kept", {"n": 0})
    with block():
        users.set("1", {"n": 1})
        with rolled_back(), block():
            users.set("1", {"n": 2})
            users.set("2", {"n": 2})
            users.delete("kept")
            with block():
                users.set("3", {"n": 3})
            assert sorted(users) == ["1", "2", "3"]
            raise Rollback
        assert dict(users.items()) == {"kept": {"n": 0}, "1": {"n": 1}}
        with block():
            users.set("4", {"n": 4})
    assert dict(users.items()) == {"kept": {"n": 0}, "1": {"n": 1}, "4": {"n": 4}}


def test_savepoints_by_hand(users: TableProxy) -> None:
    with atomic():
        users.set("1", {})
        first = set_savepoint()
        users.set("2", {})
        second = set_savepoint()
        users.set("3", {})
        transaction.savepoint_commit(second)
        assert sorted(users) == ["1", "2", "3"]
        transaction.savepoint_rollback(first)
        assert sorted(users) == ["1"]
        users.set("4", {})
        transaction.savepoint_rollback(first)  # it is still there
        users.set("5", {})
        transaction.savepoint_commit(first)
    assert sorted(users) == ["1", "5"]


def test_a_savepoint_older_than_the_first_write(users: TableProxy) -> None:
    with atomic():
        savepoint = set_savepoint()
        users.set("1", {})
        transaction.savepoint_rollback(savepoint)
        users.set("2", {})
    assert sorted(users) == ["2"]


def test_on_commit_runs_when_others_see_the_write(users: TableProxy, other: Actor, block: Callable[[], Any]) -> None:
    seen = []
    with block():
        transaction.on_commit(lambda: seen.append(other.do(lambda: users.get("1"))))
        users.set("1", {"n": 1})
        assert seen == []
    assert seen == [{"n": 1}]


def test_a_durable_block_and_a_decorator(users: TableProxy) -> None:
    @atomic(durable=True)
    def durable() -> None:
        users.set("1", {})

    @transaction.non_atomic_requests
    @atomic
    def view() -> None:
        users.set("2", {})
        raise Rollback

    durable()
    with rolled_back():
        view()
    assert sorted(users) == ["1"]


def test_autocommit_off(users: TableProxy, other: Actor) -> None:
    transaction.set_autocommit(False)
    try:
        users.set("1", {})
        transaction.rollback()
        users.set("2", {})
        assert other.do(lambda: len(users)) == 0
        transaction.commit()
        assert other.do(lambda: list(users)) == ["2"]
        with atomic():
            users.set("3", {})
        assert other.do(lambda: list(users)) == ["2"]
        transaction.commit()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert sorted(users) == ["2", "3"]


def test_autocommit_is_not_turned_on_again_over_pending_writes(users: TableProxy) -> None:
    transaction.set_autocommit(False)
    try:
        users.set("1", {})
        with pytest.raises(TransactionManagementError, match="commit"):
            transaction.set_autocommit(True)
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)
    assert users.get("1") is None


def test_a_table_dropped_since_the_snapshot_is_not_written_to(users: TableProxy, other: Actor) -> None:
    users.set("1", {})
    block = kontract.transaction()
    block.__enter__()
    assert users.get("1") == {}
    other.do(lambda: tables.drop("users"))
    users.set("2", {})
    with pytest.raises(ConflictError):
        block.__exit__(None, None, None)
    assert users.get("2") is None  # declared, and so made anew


def test_a_lock_that_the_caller_could_not_have_is_no_timeout_of_the_clock(users: TableProxy, other: Actor) -> None:
    lock = "SELECT id FROM storage WHERE ns = %s AND id = '1' FOR UPDATE NOWAIT"
    users.set("1", {})
    ns = locate()[1]
    other.begin()
    other.do(lambda: connection.cursor().execute(lock, [ns]))
    with pytest.raises(OperationalError) as caught, kontract.transaction(), connection.cursor() as cursor:
        cursor.execute(lock, [ns])
    assert not isinstance(caught.value, ClockTimeoutError)
    other.rollback()


def test_commit_is_forbidden_inside_a_block_as_it_is_in_django(users: TableProxy, other: Actor) -> None:
    with atomic():
        users.set("1", {})
        with pytest.raises(TransactionManagementError):
            transaction.commit()
        with pytest.raises(TransactionManagementError):
            transaction.rollback()
        assert other.do(lambda: len(users)) == 0
    assert len(users) == 1


def test_a_block_marked_for_rollback_writes_nothing(users: TableProxy) -> None:
    with atomic():
        users.set("1", {})
        transaction.set_rollback(True)
    assert len(users) == 0


def test_an_error_of_another_statement_rolls_the_writes_back(users: TableProxy) -> None:
    def fail() -> None:
        with kontract.transaction():
            users.set("1", {})
            connection.cursor().execute("SELECT 1/0")

    with pytest.raises(DatabaseError, match="division by zero"):
        fail()
    assert users.get("1") is None
    users.set("1", {})


@pytest.mark.parametrize("flush_limit", [10_000, 1])
def test_tables_made_and_written_to_in_one_transaction(flush_limit: int) -> None:
    with kontract_settings(FLUSH_LIMIT=flush_limit), kontract.transaction():
        for name in ("new-unversioned", "new"):
            tables.create(name, versioned=name == "new")
            env.storage[name].set("1", {})
            env.storage[name].set("2", {})
    assert (len(env.storage["new-unversioned"]), len(env.storage["new"])) == (2, 2)


def test_namespaces_of_one_transaction(users: TableProxy) -> None:
    here, there = get_namespace(), f"{get_namespace()}-there"
    create_namespace(there)
    with kontract.transaction():
        users.set("1", {"where": "here"})
        with kontract.namespace(there):
            assert users.get("1") is None
            users.set("1", {"where": "there"})
    for name, where in ((here, "here"), (there, "there")):
        with kontract.namespace(name):
            assert users["1"] == {"where": where}
            assert len(users.history("1")) == 1
    with rolled_back(), kontract.transaction(), kontract.namespace(there):
        users.set("2", {})
        raise Rollback


def test_isolation_cannot_be_raised_inside_a_transaction() -> None:
    with atomic(), pytest.raises(IsolationError, match="outermost"):
        kontract.transaction(isolation="snapshot").__enter__()
    with kontract.transaction(), pytest.raises(IsolationError):
        kontract.transaction(isolation="serializable").__enter__()
    with kontract.transaction(isolation="serializable"), kontract.transaction(isolation="snapshot"):
        pass
    with kontract.transaction():
        pass


# --- Own writes -------------------------------------------------------------------------------------------------------


def test_reads_see_the_own_writes_of_the_block(users: TableProxy, block: Callable[[], Any]) -> None:
    users.set_many({"a": {"n": 1}, "b": {"n": 2}, "c": {"n": 3}})
    with block():
        users.set("d", {"n": 0})
        users.update("b", {"n": 20})
        users.delete("a")
        assert users.get("a") is None
        assert users.get_many(["d", "c", "b", "a"]) == {"d": {"n": 0}, "c": {"n": 3}, "b": {"n": 20}}
        assert [document.id for document in users.query(n__lt=10)] == ["c", "d"]
        assert [document["n"] for document in users.query().order_by("-n")] == [20, 3, 0]
        assert [document.id for document in users.query().order_by("n").limit(1, offset=1)] == ["c"]
        assert (users.count(), users.query(n=20).exists(), users.query(n=2).exists()) == (3, True, False)
        assert sorted(users) == ["b", "c", "d"]
        assert (users.pop(), users.shift()) == ({"n": 0}, {"n": 20})  # "d", the last one, and "b", the first
    assert dict(users.items()) == {"c": {"n": 3}}


def test_the_order_of_documents_is_that_of_their_insertion(users: TableProxy, block: Callable[[], Any]) -> None:
    users.set("z", {})
    with block():
        users.set("y", {})
        users.set("x", {})
        users.set("z", {"changed": True})
        assert [document.id for document in users.query()] == ["z", "y", "x"]
    assert [document.id for document in users.query()] == ["z", "y", "x"]


def test_a_document_keeps_its_owner_whoever_overwrites_it(users: TableProxy, block: Callable[[], Any]) -> None:
    with calling(CallContext(owner="alice")):
        users.set("1", {})
    with calling(CallContext(owner="bob")), block():
        users.set("1", {"n": 1})
        users.set("2", {"n": 2})
        inside = {document.id: document.owner for document in users.query()}
        assert [document.id for document in users.query(_owner="alice")] == ["1"]
    assert {document.id: document.owner for document in users.query()} == inside == {"1": "alice", "2": "bob"}


# --- Beyond FLUSH_LIMIT -----------------------------------------------------------------------------------------------

STEPS: dict[str, tuple[list[str], dict[str, Any] | None, str | None]] = {
    # what is done to a new and to a live document; the state after it; the entry in the log
    "insert, delete": (["set new", "delete new"], None, None),
    "insert, update": (["set new", "set new"], {"n": 2}, "insert"),
    "insert, delete, insert": (["set new", "delete new", "set new"], {"n": 3}, "insert"),
    "update, update": (["set live", "set live"], {"n": 2}, "update"),
    "update, delete": (["set live", "delete live"], None, "delete"),
    "delete, insert": (["delete live", "set live"], {"n": 2}, "update"),
    "delete, insert, update": (["delete live", "set live", "set live"], {"n": 3}, "update"),
    "delete, insert, delete": (["delete live", "set live", "delete live"], None, "delete"),
    "update, delete, insert": (["set live", "delete live", "set live"], {"n": 3}, "update"),
}


@pytest.mark.parametrize("durability", ["strict", "group"])
@pytest.mark.parametrize(("steps", "state", "logged"), STEPS.values(), ids=STEPS)
def test_writes_of_one_document_in_several_flushes(
    users: TableProxy, steps: list[str], state: dict[str, Any] | None, logged: str | None, durability: str
) -> None:
    users.set("live", {"n": 0})
    env.storage.orders.set("filler", {})
    document_id = steps[0].partition(" ")[2]
    with kontract_settings(FLUSH_LIMIT=3, DURABILITY=durability), kontract.transaction() as block:
        for n, step in enumerate(steps, 1):
            if step.startswith("set"):
                users.set(document_id, {"n": n})
            else:
                assert users.delete(document_id)
            for filler in range(4):
                env.storage.orders.set(f"filler {filler}", {"n": n})
    assert users.get(document_id) == state
    assert logged_as(block.txid, document_id) == logged
    past = [version for version in users.history(document_id) if version.txid != block.txid]
    assert [(version.data, version.deleted_txid) for version in past] == (
        [({"n": 0}, block.txid)] if document_id == "live" else []
    )


def logged_as(txid: int | None, document_id: str) -> str | None:
    _, ns = locate()
    sql = "SELECT changes FROM trxs WHERE ns = %(ns)s AND txid = %(txid)s"
    changes = json.loads(fetch_one(connection, sql, {"ns": ns, "txid": txid})[0])
    entries = [op for ops in changes.values() for op, ids in ops.items() if document_id in ids]
    assert len(entries) <= 1
    return entries[0] if entries else None


def test_an_early_flush_is_not_seen_by_others_and_can_be_rolled_back(users: TableProxy, other: Actor) -> None:
    with kontract_settings(FLUSH_LIMIT=3):
        with rolled_back(), kontract.transaction():
            for n in range(10):
                users.set(str(n), {"n": n})
            assert (len(users), users["0"], other.do(lambda: len(users))) == (10, {"n": 0}, 0)
            raise Rollback
        assert len(users) == 0


def test_savepoints_around_an_early_flush(users: TableProxy) -> None:
    with kontract_settings(FLUSH_LIMIT=3), kontract.transaction():
        for n in range(5):
            users.set(f"before {n}", {})
        with rolled_back(), kontract.transaction():
            for n in range(5):
                users.set(f"dropped {n}", {})
            users.delete("before 0")
            raise Rollback
        with kontract.transaction():
            for n in range(5):
                users.set(f"after {n}", {})
        users.set("last", {})
    assert len(users) == 11
    assert not users.query(_id__startswith="dropped").exists()


def test_an_early_flush_has_one_txid_and_keeps_the_order(users: TableProxy) -> None:
    with kontract_settings(FLUSH_LIMIT=3), kontract.transaction() as block:
        for n in range(10):
            users.set(f"{9 - n}", {})
            env.storage.counters.set(f"{n}", {})
    assert [document.id for document in users.query()] == list("9876543210")
    assert {document.txid for document in users.values()} == {block.txid}
    assert len(env.storage.counters) == 10


@pytest.mark.parametrize("durability", ["strict", "group"])
def test_many_documents_at_once_beyond_the_limit(users: TableProxy, durability: str) -> None:
    with kontract_settings(FLUSH_LIMIT=10, DURABILITY=durability):
        txid = users.set_many({str(n): {"n": n} for n in range(25)})
    assert {document.txid for document in users.values()} == {txid}
    assert len(users) == 25


# --- The clock --------------------------------------------------------------------------------------------------------


@contextmanager
def held_clock() -> Iterator[None]:
    """Hold the namespace's clock as another writer would."""
    _, ns = locate()
    with database_alias("holder") as alias, atomic(alias):
        connections[alias].cursor().execute("SELECT pg_advisory_xact_lock(%s, %s)", [clock.KEY, ns])
        yield


@pytest.mark.parametrize("durability", ["strict", "group"])
def test_waiting_for_the_clock_ends(users: TableProxy, durability: str) -> None:
    users.set("1", {"n": 0})
    with kontract_settings(CLOCK_TIMEOUT=0.05, DURABILITY=durability):
        with held_clock():
            with pytest.raises(ClockTimeoutError, match="CLOCK_TIMEOUT"):
                users.set("1", {"n": 1})
            with pytest.raises(ClockTimeoutError), kontract.transaction():
                users.update("1", {"n": 2})
            with pytest.raises(ClockTimeoutError), atomic():
                users.set_many({"1": {"n": 3}, "2": {"n": 3}})
            env.storage.counters.set("1", {"needs": "no clock"})
            assert users["1"] == {"n": 0}
        users.set("1", {"n": 4})
    assert [version.data["n"] for version in users.history("1")] == [4, 0]


def test_the_timeout_of_the_clock_is_not_that_of_later_statements(users: TableProxy) -> None:
    def timeout() -> str:
        return str(fetch_one(connection, "SELECT current_setting('lock_timeout')", {})[0])

    before = timeout()
    users.set("1", {})
    assert timeout() == before
    with kontract_settings(FLUSH_LIMIT=1), kontract.transaction():
        users.set("2", {})
        users.set("3", {})  # flushed
        assert timeout() == before


# --- Connections ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("durability", ["strict", "group"])
@pytest.mark.parametrize("limit", [10_000, 1], ids=["before the flush", "after an early flush"])
def test_a_connection_lost_in_a_block_leaves_nothing_behind(users: TableProxy, limit: int, durability: str) -> None:
    def lose_connection() -> None:
        with kontract.transaction():
            users.set("1", {})
            users.set("2", {})
            users.get("0")
            terminate_backend()

    users.set("0", {})
    with kontract_settings(FLUSH_LIMIT=limit, DURABILITY=durability):
        with pytest.raises(OperationalError) as caught:
            lose_connection()
        assert not isinstance(caught.value, ConflictError)
        assert sorted(users) == ["0"]
        users.set("3", {})
    assert sorted(users) == ["0", "3"]


def terminate_backend() -> None:
    pid = connection.connection.info.backend_pid
    with database_alias("killer") as alias:
        connections[alias].cursor().execute("SELECT pg_terminate_backend(%s, 10000)", [pid])


def test_a_lost_connection_loses_no_more_than_one_operation(users: TableProxy) -> None:
    users.set("1", {})
    terminate_backend()
    with pytest.raises(OperationalError):
        users.set("2", {})
    connection.close_if_unusable_or_obsolete()
    users.set("3", {})
    assert sorted(users) == ["1", "3"]


def prepared(alias: str) -> int:
    sql = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %(like)s"
    return int(fetch_one(connections[alias], sql, {"like": "%storage%"})[0])


@pytest.mark.parametrize(("wanted", "expected"), [(None, True), (True, True), (False, False)])
def test_writes_are_prepared_on_a_direct_connection(wanted: bool | None, expected: bool) -> None:
    with kontract_settings(PREPARED_STATEMENTS=wanted), database_alias("direct") as alias:
        for n in range(10):
            env.storage.users.using(alias).set("1", {"n": n, "%": "';--"})
            env.storage.users.using(alias).set_many({"2": {"n": n}, "3'": {"n": n}})
            env.storage.counters.using(alias).set("%s", {"n": n})
        assert (prepared(alias) > 0) is expected
    assert env.storage.users["1"] == {"n": 9, "%": "';--"}
    assert env.storage.users["3'"] == env.storage.counters["%s"] == {"n": 9}


def test_a_pool_of_connections(users: TableProxy) -> None:
    with database_alias("pooled", OPTIONS={"pool": {"min_size": 1, "max_size": 2}}) as alias:
        try:
            write_in_threads(users.using(alias), alias)
        finally:
            connections[alias].close_pool()  # type: ignore[attr-defined]
    assert users["1"] == {"n": 24}


def write_in_threads(users: TableProxy, alias: str) -> None:
    users.set("1", {"n": 0})

    @kontract.transactional(using=alias, retries=100)
    def increment() -> None:
        users.set("1", {"n": users["1"]["n"] + 1})

    def work(name: str) -> None:
        with kontract.namespace(name):
            for _ in range(8):
                increment()
                connections[alias].close()  # give it back to the pool

    threads = [threading.Thread(target=work, args=[get_namespace()]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Router:
    """Sends what goes to a namespace called ``...-far`` to another database."""

    def db_for_write(self, model: type, **hints: Any) -> str | None:
        return "far" if str(hints.get("namespace", "")).endswith("-far") else None

    db_for_read = db_for_write


def test_a_router_decides_by_the_namespace(users: TableProxy) -> None:
    far = f"{get_namespace()}-far"
    with database_alias("far") as alias, override_settings(DATABASE_ROUTERS=[Router()]):
        create_namespace(far)
        with kontract.namespace(far):
            with kontract.transaction():
                assert connections[alias].in_atomic_block
                assert not connection.in_atomic_block
                users.set("1", {"n": 1})
                assert users.query(n=1).exists()
            assert users["1"] == {"n": 1}
        assert users.get("1") is None


def test_an_alias_has_transactions_of_its_own(users: TableProxy) -> None:
    with database_alias("second") as alias:
        second = users.using(alias)
        with rolled_back(), kontract.transaction(using=alias):
            users.set("1", {})
            second.set("2", {})
            assert second.get("1") == {}  # committed at once: it is not part of the block
            raise Rollback
        assert sorted(second) == ["1"]


# --- Coroutines -------------------------------------------------------------------------------------------------------


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    async def main() -> T:
        try:
            return await coroutine
        finally:
            await sync_to_async(connections.close_all)()

    return asyncio.run(main())


def test_coroutines_write_and_read(users: TableProxy) -> None:
    async def work() -> None:
        await users.aset("1", {"n": 1})
        assert await users.aupdate("1", {"n": 2}) == {"n": 2}
        async with kontract.transaction():
            await users.aset("2", {"n": 1})
            assert await users.aget("2") == {"n": 1}
            assert await users.acount() == 2
            assert [document.id async for document in users.query().order_by("n")] == ["2", "1"]
        with rolled_back():
            async with kontract.transaction():
                await users.aset("3", {})
                raise Rollback
        assert await users.adelete("1")

    run(work())
    assert sorted(users) == ["2"]


def test_transactions_of_two_tasks_do_not_mix(users: TableProxy) -> None:
    async def write(name: str, fail: bool) -> None:
        async with kontract.transaction() as block:
            for n in range(3):
                await users.aset(f"{name}-{n}", {})
                await asyncio.sleep(0)
            if fail:
                raise Rollback
        txids.append(block.txid)

    async def work() -> None:
        tasks = [write("a", False), write("b", True), write("c", False), users.aset("single", {})]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[1], Rollback)

    txids: list[int | None] = []
    run(work())
    assert {document.id[0]: document.txid for document in users.query(_id__contains="-")} == dict(
        zip("ac", txids, strict=True)
    )
    assert len(users) == 7


def test_tasks_started_in_a_block_are_part_of_it(users: TableProxy) -> None:
    async def work() -> None:
        async with kontract.transaction():
            await asyncio.gather(*(users.aset(str(n), {}) for n in range(5)))
            raise Rollback

    with rolled_back():
        run(work())
    assert len(users) == 0


def test_an_async_function_runs_again_after_a_conflict(users: TableProxy, other: Actor) -> None:
    users.set("1", {"n": 0})
    attempts = []

    @kontract.transactional
    async def increment() -> None:
        attempts.append((await users.aget("1"))["n"])
        if len(attempts) == 1:
            other.do(lambda: users.set("1", {"n": 10}))
        await users.aset("1", {"n": attempts[-1] + 1})

    run(increment())
    assert attempts == [0, 10]
    assert users["1"] == {"n": 11}


@pytest.mark.parametrize("ticks", range(6))
def test_a_cancelled_task_leaves_no_transaction_open(users: TableProxy, ticks: int) -> None:
    async def write() -> None:
        async with kontract.transaction():
            await users.aset("cancelled", {})
            await asyncio.sleep(0.05)

    async def work() -> None:
        task = asyncio.ensure_future(write())
        for _ in range(ticks):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await users.aset("after", {})

    run(work())
    assert sorted(users) == ["after"]


# --- Django's TestCase ------------------------------------------------------------------------------------------------


class StorageTestCase(TestCase):
    """A test case as our users write them; it is run below."""

    __test__ = False
    txid: int

    @classmethod
    def setUpTestData(cls) -> None:
        cls.txid = env.storage.users.set("shared", {"n": 0}).txid or 0
        with kontract.transaction():
            env.storage.users.set("block", {"n": 0})

    def check(self) -> None:
        users = env.storage.users
        assert sorted(users) == ["block", "shared"]  # nothing of the other test
        with kontract.transaction() as block:
            users.update("shared", {"n": users["shared"]["n"] + 1})
            users.set("new", {})
        assert (block.txid or 0) > self.txid
        assert users.as_of(self.txid)["shared"] == {"n": 0}
        assert [version.data["n"] for version in users.history("shared")] == [1, 0]
        kontract.undo(block.txid or 0)
        assert dict(users.items()) == {"block": {"n": 0}, "shared": {"n": 0}}

    def test_one(self) -> None:
        self.check()

    def test_two(self) -> None:
        self.check()

    def test_blocks_roll_back(self) -> None:
        with rolled_back(), kontract.transaction():
            env.storage.users.set("1", {})
            raise Rollback
        with atomic(), rolled_back(), atomic():
            env.storage.users.set("2", {})
            raise Rollback
        with atomic(savepoint=False):
            env.storage.users.set("3", {})
        assert sorted(env.storage.users) == ["3", "block", "shared"]
        assert len(env.storage.users.history("3")) == 1

    def test_on_commit_callbacks_are_captured(self) -> None:
        with self.captureOnCommitCallbacks(execute=True) as callbacks, kontract.transaction():
            transaction.on_commit(lambda: env.storage.users.set("from the callback", {}))
            env.storage.users.set("1", {})
        assert len(callbacks) == 1
        assert "from the callback" in env.storage.users

    def test_queue(self) -> None:
        env.storage.counters.push({"n": 1})
        env.storage.users.push({"n": 2})
        assert (env.storage.counters.shift(), env.storage.users.pop()) == ({"n": 1}, {"n": 2})


@pytest.mark.parametrize("flush_limit", [10_000, 1])
def test_a_test_case_of_django(flush_limit: int) -> None:
    result = unittest.TestResult()
    with kontract_settings(FLUSH_LIMIT=flush_limit):
        unittest.defaultTestLoader.loadTestsFromTestCase(StorageTestCase).run(result)
    assert (result.testsRun, result.failures, result.errors) == (5, [], [])
    assert len(env.storage.users) == 0
