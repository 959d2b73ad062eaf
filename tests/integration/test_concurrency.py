"""Many processes at once: nothing is lost, nothing is done twice, and the log shows everything in order."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

import kontract
from kontract import env, tables
from kontract.exceptions import ConflictError
from kontract.mvcc.connections import fetch_all
from kontract.tables.catalog import forget, locate
from kontract.tables.proxy import TableProxy
from tests.processes import Report, Worker

pytestmark = pytest.mark.usefixtures("consistent")

WRITERS, WRITES = 8, 30


def write(report: Report, name: str) -> None:
    """Write documents in all the ways there are, and report each with the txid that was acknowledged."""
    for n in range(WRITES):
        document_id = f"{name}-{n}"
        if n % 3 == 0:
            txid = env.storage.users.set(document_id, {"n": n}).txid
        elif n % 3 == 1:
            txid = env.storage.users.set_many({document_id: {"n": n}, name: {"last": n}})
        else:
            with kontract.transaction() as block:
                env.storage.users.set(document_id, {"n": n})
                env.storage.orders.push({"n": n})
            txid = block.txid
        report((document_id, txid))


FEED = "SELECT txid FROM trxs WHERE ns = %(ns)s AND status = 1 AND txid > %(last)s ORDER BY txid"


def read_feed(last: int) -> list[int]:
    connection, ns = locate()
    return [row[0] for row in fetch_all(connection, FEED, {"ns": ns, "last": last})]


def follow(report: Report, last: int, expected: int) -> None:
    """Read the feed from where the reader stopped, over and over, until it has seen as many as expected."""
    seen = 0
    deadline = time.monotonic() + 15
    while seen < expected and time.monotonic() < deadline:
        for txid in read_feed(last):
            last = txid
            seen += 1
            report(txid)


@pytest.mark.parametrize("durability", ["strict", "group"])
@pytest.mark.usefixtures("declared")
def test_writers_lose_nothing_and_a_reader_of_the_feed_misses_nothing(settings: Any, durability: str) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "DURABILITY": durability}
    start = read_feed(0)[-1]
    with ExitStack() as stack:
        reader = stack.enter_context(Worker(follow, start, WRITERS * WRITES))
        writers = [stack.enter_context(Worker(write, f"w{n}")) for n in range(WRITERS)]
        acknowledged = dict(report for writer in writers for report in writer.finish())
        followed = reader.finish()
    assert len(acknowledged) == WRITERS * WRITES
    assert {key: env.storage.users[key].txid for key in acknowledged} == acknowledged
    assert env.storage.orders.count() == WRITERS * WRITES // 3
    assert followed == sorted(acknowledged.values()) == read_feed(start)


def push_and_shift(report: Report, table: str, name: str, count: int) -> None:
    for n in range(count):
        env.storage[table].push({"item": f"{name}-{n}"})
        if taken := env.storage[table].shift():
            report(taken["item"])


@kontract.transactional(retries=200)
def move(source: str, target: str) -> bool:
    document = env.storage[source].shift()
    if document:
        env.storage[target].push(document)
    return document is not None


def move_all(report: Report, source: str, target: str) -> None:
    while move(source, target):
        report(1)


@pytest.mark.parametrize("table", ["orders", "counters"], ids=["versioned", "unversioned"])
@pytest.mark.usefixtures("declared")
def test_a_queue_gives_each_item_once(table: str) -> None:
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(push_and_shift, table, f"w{n}", 25)) for n in range(WRITERS)]
        taken = [item for worker in workers for item in worker.finish()]
    taken += [document["item"] for document in iter(env.storage[table].shift, None)]
    assert sorted(taken) == sorted(f"w{n}-{i}" for n in range(WRITERS) for i in range(25))


@pytest.mark.parametrize(("source", "target"), [("orders", "counters"), ("counters", "orders")])
@pytest.mark.usefixtures("declared")
def test_an_item_taken_in_a_transaction_is_taken_once(source: str, target: str) -> None:
    for n in range(40):
        env.storage[source].push({"item": n})
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(move_all, source, target)) for _ in range(4)]
        assert sum(len(worker.finish()) for worker in workers) == 40
    assert env.storage[source].count() == 0
    assert sorted(document["item"] for document in env.storage[target].values()) == list(range(40))


# --- A table that another process drops and makes anew ---------------------------------------------------------------


def make_anew(report: Report, name: str) -> None:
    tables.drop(name)
    tables.create(name)
    env.storage[name].set("new", {"n": 1})


@pytest.fixture
def anew(settings: Any) -> TableProxy:
    """The table ``users``, made anew after this process has learnt where it was."""
    settings.KONTRACT = {**settings.KONTRACT, "CATALOG_TTL": 3600}
    env.storage.users.set("old", {"n": 0})
    with Worker(make_anew, "users") as worker:
        worker.finish()
    return env.storage.users


READS: dict[str, Callable[[TableProxy], Any]] = {
    "get": lambda users: [users.get("new")],
    "get_many": lambda users: list(users.get_many(["old", "new"]).values()),
    "query": lambda users: list(users.query(n__gte=0)),
    "first": lambda users: [users.query().first()],
    "count": lambda users: [{"n": users.count()}],
    "exists": lambda users: [{"n": int(users.query().exists())}],
    "values": lambda users: list(users.values()),
    "history": lambda users: [version.data for version in users.history("new")],
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_read_finds_the_table_that_was_made_anew(anew: TableProxy, read: Callable[[TableProxy], Any]) -> None:
    assert read(anew) == [{"n": 1}]


WRITES_OF_ONE: dict[str, Callable[[TableProxy], Any]] = {
    "set": lambda users: users.set("new", {"n": 2}),
    "set_many": lambda users: users.set_many({"new": {"n": 2}}),
    "update": lambda users: users.update("new", {"n": 2}),
    "push and shift": lambda users: (users.push({"n": 2}), users.shift()),
    "pop and push": lambda users: (users.pop(), users.push({"n": 2})),
    "delete and set": lambda users: (users.delete("new"), users.set("newer", {"n": 2})),
}


@pytest.mark.parametrize("transactional", [False, True], ids=["by itself", "in a transaction"])
@pytest.mark.parametrize("change", WRITES_OF_ONE.values(), ids=WRITES_OF_ONE)
def test_a_write_goes_to_the_table_that_was_made_anew(
    anew: TableProxy, change: Callable[[TableProxy], Any], transactional: bool
) -> None:
    run = kontract.transactional(change) if transactional else change
    run(anew)
    forget("default")
    assert list(anew.values()) == [{"n": 2}]


def test_a_transaction_that_writes_to_a_dropped_table_writes_nothing_else(anew: TableProxy) -> None:
    env.storage.counters.set("before", {})

    def write_both() -> None:
        with kontract.transaction():
            env.storage.counters.set("by the transaction", {})
            anew.set("lost", {})

    with pytest.raises(ConflictError, match="dropped"):
        write_both()
    assert list(env.storage.counters) == ["before"]
