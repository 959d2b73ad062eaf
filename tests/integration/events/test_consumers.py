"""Durable consumers: nothing is lost or done twice, whoever fails or dies."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

import kontract
from kontract import env
from kontract.context import get_namespace
from kontract.events import positions
from kontract.events.change import Change
from kontract.events.consumers import registry
from kontract.events.consuming import Worker
from kontract.events.source import Source
from kontract.exceptions import ConfigurationError, LeaseLostError
from tests import processes
from tests.processes import Report

pytestmark = pytest.mark.usefixtures("made", "_no_consumers")

NAME = "copy"


@pytest.fixture
def _no_consumers() -> Iterator[None]:
    yield
    for consumer in registry:
        registry.forget(consumer.name)


@pytest.fixture(autouse=True)
def _brief_leases(settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "EVENTS": {"lease_seconds": 0.6, "tick_seconds": 0.1}}


def consume(function: Callable[[Any], Any], **options: Any) -> None:
    """Register a consumer of ``users`` that starts from the beginning."""
    kontract.on_change("users", **{"name": NAME, "start": "beginning", "pause": 0.01, **options})(function)


def run_once(*names: str, **options: Any) -> str:
    """Run all consumers until they are up to date, and return what the command says."""
    out = StringIO()
    call_command("kontract_consume", *names, namespace=[get_namespace()], stdout=out, **{"once": True, **options})
    return out.getvalue()


def copy(change: Change) -> None:
    """Keep a copy of each user, and count how often it was called."""
    before = env.storage.orders.get(change.id) or {"calls": 0}
    env.storage.orders.set(change.id, {"calls": before["calls"] + 1, "data": change.data})


def test_each_change_is_taken_once_and_the_position_is_kept() -> None:
    consume(copy)
    env.storage.users.set("a", {"n": 1})
    env.storage.users.set("a", {"n": 2})
    assert f"{NAME}/1/0: 2 changes" in run_once()
    assert env.storage.orders["a"] == {"calls": 2, "data": {"n": 2}}
    env.storage.users.delete("a")
    run_once()
    assert "changes" not in run_once()
    assert env.storage.orders["a"] == {"calls": 3, "data": None}


def test_a_coroutine_function_writes_in_the_transaction_of_its_position() -> None:
    async def acopy(change: Change) -> None:
        await env.storage.orders.aset(change.id, {"n": 1})
        if change.id == "b":
            raise ZeroDivisionError

    consume(acopy, retries=0)
    env.storage.users.set("a", {})
    env.storage.users.set("b", {})
    with pytest.raises(CommandError, match="could not be taken"):
        run_once()
    assert list(env.storage.orders) == ["a"]


def test_a_batch_is_taken_as_a_list_in_order() -> None:
    batches: list[list[str]] = []
    consume(lambda changes: batches.append([change.id for change in changes]), batch=4)
    env.storage.users.set_many({f"u{n}": {} for n in range(10)})
    run_once()
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert [id_ for batch in batches for id_ in batch] == [f"u{n}" for n in range(10)]


def test_where_a_batch_fails_only_the_one_at_fault_is_put_aside() -> None:
    taken: list[str] = []

    def take(changes: list[Change]) -> None:
        if any(change.id == "u3" for change in changes):
            raise ValueError("u3 is bad")
        taken.extend(change.id for change in changes)

    consume(take, batch=10, retries=0)
    env.storage.users.set_many({f"u{n}": {"n": n} for n in range(6)})
    with pytest.raises(CommandError):
        run_once()
    assert taken == ["u0", "u1", "u2", "u4", "u5"]
    (letter,) = positions.list_dead(Source.here())
    assert (letter.consumer, letter.change.id, letter.change.data) == (NAME, "u3", {"n": 3})
    assert letter.error == "ValueError: u3 is bad"


def test_what_failed_is_tried_again_and_nothing_overtakes_it() -> None:
    taken: list[str] = []
    failures = [1, 1]

    def take(change: Change) -> None:
        if change.id == "b" and failures:
            failures.pop()
            raise ZeroDivisionError
        taken.append(change.id)

    consume(take, retries=5)
    for id_ in "abc":
        env.storage.users.set(id_, {})
    for _ in range(2):
        with pytest.raises(CommandError):
            run_once()
        assert taken == ["a"]
    assert "attempt 2: ZeroDivisionError" in run_once(list=True)
    run_once()
    assert taken == ["a", "b", "c"]
    assert positions.list_dead(Source.here()) == []


def test_a_failed_function_leaves_no_trace_in_the_database() -> None:
    def take(change: Change) -> None:
        env.storage.orders.set(change.id, {})
        raise ZeroDivisionError

    consume(take, retries=0)
    env.storage.users.set("a", {})
    with pytest.raises(CommandError):
        run_once()
    assert list(env.storage.orders) == []


def test_dead_letters_are_listed_and_tried_again() -> None:
    broken = [True]

    def take(change: Change) -> None:
        if broken:
            raise ZeroDivisionError("no index")
        copy(change)

    consume(take, retries=0)
    env.storage.users.set("a", {"n": 1})
    with pytest.raises(CommandError):
        run_once()
    assert "users/a" in run_once(dead=True, list=True)
    with pytest.raises(CommandError):
        run_once(dead=True)
    broken.clear()
    assert "users/a done" in run_once(dead=True)
    assert env.storage.orders["a"] == {"calls": 1, "data": {"n": 1}}
    assert run_once(dead=True, list=True) == ""


def test_a_new_consumer_starts_now_unless_it_is_to_start_from_the_beginning() -> None:
    taken: list[str] = []
    env.storage.users.set("before", {})
    consume(lambda change: taken.append(change.id), start="now")
    run_once()
    env.storage.users.set("after", {})
    run_once()
    assert taken == ["after"]


def test_behind_the_horizon_it_stops_until_it_is_reset() -> None:
    consume(copy)
    run_once()
    env.storage.users.set("a", {"n": 1})
    env.storage.users.set("a", {"n": 2})
    call_command("kontract_vacuum", days=0, namespace=get_namespace(), stdout=StringIO())
    with pytest.raises(CommandError, match="could not be taken"):
        run_once()
    assert "behind" in run_once(list=True)
    run_once(reset=NAME)
    env.storage.users.set("b", {})
    run_once()
    assert list(env.storage.orders) == ["b"]


def test_reset_repeats_what_is_asked_for() -> None:
    taken: list[str] = []
    consume(lambda change: taken.append(change.id))
    for id_ in "ab":
        env.storage.users.set(id_, {})
    run_once()
    run_once(reset=NAME, to="beginning")
    run_once()
    assert taken == ["a", "b", "a", "b"]
    with pytest.raises(CommandError, match="no consumer"):
        run_once(reset="unheard-of")


def test_each_part_takes_its_documents_in_order_and_another_number_of_parts_goes_on() -> None:
    taken: list[tuple[str, int]] = []
    lock = threading.Lock()

    def take(change: Change) -> None:
        with lock:
            taken.append((change.id, (change.data or {})["n"]))

    consume(take, partitions=3)
    for n in range(20):
        env.storage.users.set(f"u{n % 5}", {"n": n})
    run_once()
    registry.forget(NAME)
    consume(take, partitions=2)
    for n in range(20, 40):
        env.storage.users.set(f"u{n % 5}", {"n": n})
    run_once()
    assert sorted(n for _, n in taken) == list(range(40))
    for document in range(5):
        mine = [n for id_, n in taken if id_ == f"u{document}"]
        assert mine == sorted(mine)
    assert len(positions.list_all(Source.here())) == 2


def test_two_consumers_of_one_name_are_refused() -> None:
    consume(copy)
    with pytest.raises(ConfigurationError, match="share one position"):
        consume(lambda change: None)


def test_who_has_lost_the_lease_can_neither_write_nor_move_on() -> None:
    """As a worker that was stopped for long, and thought dead, and goes on in the middle of its transaction."""
    consume(copy)
    env.storage.users.set("a", {})
    source = Source.here(["users"])
    ids = positions.ensure(registry.get(NAME), source)
    late = positions.claim(source, ids, "late", 0.0)
    assert late is not None
    current = positions.claim(source, ids, "current", 60.0)
    assert current is not None
    assert current.attempts == 1

    def go_on() -> None:
        with kontract.transaction():
            env.storage.orders.set("a", {"by": "late"})
            positions.move(connection, source.ns, late, source.find_end())

    with pytest.raises(LeaseLostError):
        go_on()
    assert list(env.storage.orders) == []
    assert positions.claim(source, ids, "third", 60.0) is None
    positions.release(source, late, source.find_end(), 0)
    assert positions.list_workers(source) == {ids[0]: "current"}


# --- Several workers -------------------------------------------------------------------------------------------------


def work(report: Report, partitions: int, pause: float) -> None:
    """Run a worker that copies users, until SIGTERM."""

    def take(change: Change) -> None:
        copy(change)
        time.sleep(pause)
        report(("took", os.getpid(), change.id, (change.data or {}).get("n")))

    consume(take, partitions=partitions)
    worker = Worker(list(registry), [get_namespace()])
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    report(("ready", os.getpid()))
    worker.run()
    report(("ended", os.getpid()))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


def count_calls() -> dict[str, int]:
    return {id_: document["calls"] for id_, document in env.storage.orders.items()}


def test_of_a_killed_worker_another_takes_over() -> None:
    with processes.Worker(work, 1, 0.01) as first, processes.Worker(work, 1, 0.01) as second:
        assert {first.report()[0], second.report()[0]} == {"ready"}
        for n in range(30):
            env.storage.users.set(f"u{n}", {"n": n})
        wait_until(lambda: len(env.storage.orders) >= 5)
        (holder,) = positions.list_workers(Source.here()).values()
        victim = first if int(holder.split(":")[1]) == first.process.pid else second
        victim.kill()
        wait_until(lambda: len(env.storage.orders) == 30)
    assert count_calls() == {f"u{n}": 1 for n in range(30)}


def test_workers_share_the_parts_and_leave_in_good_order() -> None:
    with processes.Worker(work, 4, 0.0) as first:
        assert first.report()[0] == "ready"
        wait_until(lambda: len(positions.list_workers(Source.here())) == 4)
        with processes.Worker(work, 4, 0.0) as second:
            assert second.report()[0] == "ready"

            def is_shared() -> bool:
                holders = list(positions.list_workers(Source.here()).values())
                return len(holders) == 4 and {holders.count(holder) for holder in holders} == {2}

            wait_until(is_shared)
            for n in range(20):
                env.storage.users.set(f"u{n}", {"n": n})
            wait_until(lambda: len(env.storage.orders) == 20)
            os.kill(int(first.process.pid or 0), signal.SIGTERM)
            assert first.reports()[-1][0] == "ended"
            assert first.process.exitcode == 0
            env.storage.users.set("late", {"n": 0})
            wait_until(lambda: "late" in env.storage.orders)
            wait_until(lambda: len(positions.list_workers(Source.here())) == 4)
    assert set(count_calls().values()) == {1}


def die(report: Report) -> None:
    """Run a worker whose function kills it."""
    consume(lambda change: os.kill(os.getpid(), signal.SIGKILL) if change.id == "bad" else copy(change), retries=1)
    Worker(list(registry), [get_namespace()]).run()


def test_a_change_that_kills_its_worker_is_put_aside_in_the_end() -> None:
    for id_ in ("good", "bad", "better"):
        env.storage.users.set(id_, {})
    deaths = 0
    while "better" not in env.storage.orders:
        with processes.Worker(die) as worker:
            wait_until(lambda: not worker.process.is_alive() or "better" in env.storage.orders)
            deaths += not worker.process.is_alive()
        assert deaths < 5
    assert deaths == 2
    assert sorted(env.storage.orders) == ["better", "good"]
    assert [letter.change.id for letter in positions.list_dead(Source.here())] == ["bad"]
