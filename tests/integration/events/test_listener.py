"""Listeners: who subscribes is told soon of every commit, whatever becomes of connections and processes."""

import logging
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection

import kontract
from kontract import env
from kontract.context import get_namespace
from kontract.events import bus, listener
from kontract.events.change import Change
from kontract.events.line import Line
from kontract.mvcc.versions.feed import read_payload
from kontract.tables.catalog import locate
from tests import processes
from tests.processes import Report

pytestmark = pytest.mark.usefixtures("made")

LISTENERS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'kontract listener'"


@pytest.fixture(autouse=True)
def options(settings: Any) -> Callable[..., None]:
    """Turn notifications on; what is given makes them other ones."""

    def choose(**options: Any) -> None:
        settings.KONTRACT = {**settings.KONTRACT, "EVENTS": options}

    choose()
    return choose


class Told:
    """A subscriber that remembers what it was told."""

    def __init__(self) -> None:
        place, ns = locate()
        self.txids: list[int] = []
        self._news = threading.Condition()
        self.unsubscribe = listener.subscribe(self._tell, place.alias, ns)

    def _tell(self, alias: str, ns: int, txid: int) -> None:
        with self._news:
            self.txids.append(txid)
            self._news.notify_all()

    def wait_for(self, txid: int, seconds: float = 10) -> float:
        """Wait until it was told of ``txid``; return the seconds that this took."""
        begin = time.perf_counter()
        with self._news:
            assert self._news.wait_for(lambda: txid in self.txids, seconds), (txid, self.txids)
        return time.perf_counter() - begin


def write(key: str = "a") -> int:
    """Commit something, and return its txid."""
    with kontract.transaction() as block:
        env.storage.users.set(key, {})
    assert block.txid
    return block.txid


def query(sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        rows: list[Any] = cursor.fetchall()
        return rows


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


def write_one(report: Report) -> None:
    """Commit once, and live until killed: who ends at once leaves what it has done to the others' next tick."""
    report(write())
    time.sleep(60)


def test_a_commit_of_this_process_is_told_at_once_in_any_mode(options: Callable[..., None]) -> None:
    options(notify=False, listen=False, tick_seconds=30)
    told = Told()
    write()
    time.sleep(0.1)
    assert told.wait_for(write()) < 1


def test_each_way_to_commit_is_told() -> None:
    told = Told()
    env.storage.users.set("a", {})
    env.storage.users.set_many({"a": {}, "b": {}})
    env.storage.users.delete("a")
    last = write()
    told.wait_for(last)
    told.unsubscribe()
    env.storage.users.set("c", {})
    time.sleep(0.05)
    assert told.txids[-1] == last


def test_a_rollback_is_not_told() -> None:
    told = Told()
    last = write()
    told.wait_for(last)
    try:
        with kontract.transaction():
            env.storage.users.set("b", {})
            raise ZeroDivisionError
    except ZeroDivisionError:
        time.sleep(0.1)
    assert told.txids[-1] == last


def test_commits_of_other_processes_are_heard_by_notification(options: Callable[..., None]) -> None:
    options(tick_seconds=60)
    told = Told()
    wait_until(lambda: bool(told.txids))
    with processes.Worker(write_one) as worker:
        told.wait_for(worker.report())


def test_without_notifications_they_are_seen_at_the_next_tick(options: Callable[..., None]) -> None:
    options(notify=False, listen=False, tick_seconds=0.2)
    told = Told()
    wait_until(lambda: bool(told.txids))
    with processes.Worker(write_one) as worker:
        told.wait_for(worker.report())


def test_a_killed_connection_comes_back_and_what_was_committed_meanwhile_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = Told()
    wait_until(lambda: len(query(f"SELECT 1 {LISTENERS}")) == 1)
    with caplog.at_level(logging.INFO, "kontract.events"):
        query(f"SELECT pg_terminate_backend(pid) {LISTENERS}")
        with processes.Worker(write_one) as worker:
            told.wait_for(worker.report())
        told.wait_for(write())
    messages = [record.getMessage() for record in caplog.records if record.name == "kontract.events"]
    assert [message.split(" ")[0:2] for message in messages] == [["The", "listener"], ["The", "listener"]]
    assert "no connection" in messages[0]
    assert "connected again" in messages[1]


def test_there_is_one_connection_for_all_and_none_when_nobody_listens() -> None:
    subscribers = [Told() for _ in range(20)]
    last = write()
    for told in subscribers:
        told.wait_for(last)
    assert len(query(f"SELECT 1 {LISTENERS}")) == 1
    listener.stop()
    wait_until(lambda: not query(f"SELECT 1 {LISTENERS}"))


def test_a_callback_that_fails_keeps_nobody_from_being_told(caplog: pytest.LogCaptureFixture) -> None:
    place, ns = locate()
    listener.subscribe(lambda *_: 1 / 0, place.alias, ns)
    told = Told()
    told.wait_for(write())
    told.wait_for(write())
    assert "callback failed" in caplog.text


def _in_child(sender: Any, name: str, subscriber: "Told") -> None:
    connection.connection = None  # the parent's
    with kontract.namespace(name):
        last = write()
        subscriber.wait_for(last)
        sender.send(last)
        listener.stop()
        connection.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_has_a_listener_of_its_own() -> None:
    told = Told()
    told.wait_for(write())
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_in_child, args=(sender, get_namespace(), told), daemon=True)
    child.start()
    assert receiver.poll(20)
    told.wait_for(receiver.recv())  # of the child's commit, by notification
    child.join(10)
    assert child.exitcode == 0
    told.wait_for(write())


def test_notifications_are_few_however_much_is_committed() -> None:
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}) as other:
        other.autocommit = True
        other.execute("LISTEN kontract")
        begin = time.monotonic()
        last = max(write(f"u{n}") for n in range(200))
        spent = time.monotonic() - begin
        heard = list(other.notifies(timeout=0.3))
    assert 1 <= len(heard) <= spent / 0.005 + 2
    assert heard[-1].payload == f"{locate()[1]}:{last}"


def test_a_notification_of_anybody_is_a_hint_at_most(options: Callable[..., None]) -> None:
    options(tick_seconds=60, notify=False)
    told = Told()
    wait_until(lambda: bool(told.txids))
    with processes.Worker(write_one) as worker:
        txid = worker.report()
        query("SELECT pg_notify('kontract', 'from an older version')")
        told.wait_for(txid)
    query(f"SELECT pg_notify('kontract', '{locate()[1]}:{txid + 7}')")
    told.wait_for(txid + 7)
    told.wait_for(write())


def test_commits_in_the_pause_after_a_notification_are_told_when_it_is_over(options: Callable[..., None]) -> None:
    options(tick_seconds=60, notify_seconds=0.3)
    told = Told()
    told.wait_for(write())  # perhaps by the look with which every subscription begins
    time.sleep(0.7)
    told.wait_for(write())
    begun = time.monotonic()
    told.wait_for(max(write() for _ in range(5)))
    assert 0.1 < time.monotonic() - begun < 3
    time.sleep(0.7)  # by then the thread sleeps until somebody rings
    assert told.wait_for(write()) < 0.2


def test_what_is_heard_with_the_answer_to_a_notification_of_ones_own_is_not_lost() -> None:
    place, ns = locate()
    with Line.open(place.alias) as line, Line.open(place.alias) as other:
        line.listen()
        other.notify({ns: 17})
        line.notify({ns: 18})
        assert line.take() == {ns: 17}
        other.notify(dict.fromkeys(range(2000), 1))
        line.notify({ns: 19})
        assert line.take() is None, "it was too much to say"


@pytest.mark.parametrize("payload", ["", "of others", "1:2,", "-1:5", "1:2 ", "\u0661:2"])
def test_a_notification_that_does_not_say_what_was_committed_says_nothing(payload: str) -> None:
    assert read_payload(payload) == {}
    assert read_payload("0:4711,3:12") == {0: 4711, 3: 12}


# --- The bus ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def heard() -> Iterator[list[Change]]:
    """Subscribe to users, and return what the bus gives."""
    found: list[Change] = []
    unsubscribe = bus.subscribe("users", found.append, old=True)
    yield found
    unsubscribe()


def write_some(report: Report) -> None:
    for n in range(20):
        env.storage.users.set(f"u{n}", {"n": n})
        env.storage.orders.set(f"o{n}", {"n": n})
    report("done")


def test_the_bus_gives_changes_of_all_processes_in_order(heard: list[Change]) -> None:
    with processes.Worker(write_some) as worker:
        env.storage.users.set("mine", {})
        assert worker.report() == "done"
    wait_until(lambda: len(heard) == 21)
    assert heard == list(kontract.feed(tables=["users"], old=True))


def test_a_subscriber_that_fails_is_isolated_and_each_has_its_own_beginning(
    heard: list[Change], caplog: pytest.LogCaptureFixture
) -> None:
    ends = [bus.subscribe("users", lambda change: 1 / 0)]
    env.storage.users.set("a", {})
    late: list[str] = []

    async def take(change: Change) -> None:
        late.append(change.id)

    ends.append(bus.subscribe("users", take))
    env.storage.users.set("b", {})
    wait_until(lambda: late == ["b"] and len(heard) == 2)
    assert "A subscriber of the table 'users' failed" in caplog.text
    for end in ends:
        end()
    env.storage.users.set("c", {})
    wait_until(lambda: len(heard) == 3)
    assert late == ["b"]


def list_connections() -> set[int]:
    """Return the server's processes for those who are connected to this database."""
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}) as other:
        rows = other.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        return {pid for (pid,) in rows}


@pytest.fixture
def strangers(namespace: str) -> set[int]:
    """The connections that there were before the test."""
    return list_connections()


def test_the_bus_gives_its_connection_back_while_nothing_happens(strangers: set[int], heard: list[Change]) -> None:
    env.storage.users.set("a", {})
    wait_until(lambda: len(heard) == 1)
    connection.close()
    wait_until(lambda: len(list_connections() - strangers) <= 1)  # the listener's
