"""Many subscribers and writers, and everything that can go wrong: nothing is missed, repeated or out of order.

The truth is read from the log itself: what each transaction did to which document.
"""

import asyncio
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.streams.servers import serving, start_writer
from benchmarks.streams.subscribers import Subscriber

END = "the end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a run: of all subscribers together."""

    changes: int
    subscribers: int
    connections: int
    missed: int
    repeated: int
    misordered: int
    wrong: int
    resets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run."""

    server: str
    home: Path
    processes: int = 2
    subscribers: int = 200  # of each process
    writers: int = 8
    seconds: float = 20.0
    pause: float = 0.2  # seconds between two transactions of a writer
    leaves: float = 0.01  # that a subscriber leaves after a change
    restart: bool = True  # PostgreSQL, in the middle


def run(plan: Plan) -> Outcome:
    """Run it; Django must be set up on the database in ``plan.home``."""
    with serving(plan.server, plan.processes, plan.home) as servers:
        return asyncio.run(_run(plan, [port for port, _ in servers]))


async def _run(plan: Plan, ports: list[int]) -> Outcome:
    start = str(await asyncio.to_thread(_write, "the beginning"))
    subscribers = [Subscriber(port, start, plan.leaves) for port in ports for _ in range(plan.subscribers)]
    following = [asyncio.create_task(one.follow(END)) for one in subscribers]
    writers = await asyncio.to_thread(start_writer, plan.home, "random", plan.writers, plan.seconds, plan.pause)
    await asyncio.sleep(plan.seconds / 3)
    await asyncio.to_thread(_kill_listeners)
    await asyncio.sleep(plan.seconds / 3)
    if plan.restart:
        await asyncio.to_thread(_restart, plan.home)
    await asyncio.to_thread(writers.communicate)
    await asyncio.to_thread(_write, END)
    await asyncio.wait_for(asyncio.gather(*following), 60 + plan.seconds * 4)
    return _judge(subscribers, await asyncio.to_thread(_read_truth, int(start)))


def _write(document_id: str) -> int:
    from django.db import connection

    from kontract import env

    connection.close()
    txid = env.storage.items.set(document_id, {}).txid
    assert txid is not None
    connection.close()
    return txid


def _kill_listeners() -> None:
    """End the server's half of every connection that listens."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%'")
    connection.close()


def _restart(home: Path) -> None:
    from kontract.embedded import cluster, watcher

    for data in home.rglob("data"):
        watcher.stop(data)
        time.sleep(0.5)
        cluster.ensure_running(data)


def _read_truth(start: int) -> list[tuple[str, str, str]]:
    """Return all changes after a transaction, as subscribers are to be told of them, but for their order within one."""
    from kontract.models import Trx

    found: list[tuple[str, str, str]] = []
    log = Trx.objects.filter(ns=0, status=1, txid__gt=start).order_by("txid").values_list("txid", "changes")
    for txid, changes in log:
        ops: dict[str, list[str]] = {}
        for ptr, of_ptr in (changes or {}).items():
            if int(ptr) >= 100:
                ops |= of_ptr
        found += [(str(txid), op, document_id) for op, ids in ops.items() for document_id in ids]
    return found


def _judge(subscribers: list[Subscriber], truth: list[tuple[str, str, str]]) -> Outcome:
    expected = set(truth)
    missed = repeated = misordered = wrong = 0
    for one in subscribers:
        places: list[tuple[int, ...]] = [tuple(map(int, cursor.split("."))) for cursor, _, _ in one.told]
        told: list[Any] = [(cursor.partition(".")[0], kind, id_) for cursor, kind, id_ in one.told]
        repeated += len(told) - len(set(told))
        misordered += sum(later <= earlier for earlier, later in pairwise(places))
        missed += len(expected - set(told))
        wrong += len(set(told) - expected)
    return Outcome(
        changes=len(truth),
        subscribers=len(subscribers),
        connections=sum(one.connections for one in subscribers),
        missed=missed,
        repeated=repeated,
        misordered=misordered,
        wrong=wrong,
        resets=sum(one.resets for one in subscribers),
    )


def prepare(home: Path) -> None:
    """Set Django up on a database in ``home``, and make its tables."""
    import os

    from benchmarks.streams.servers import environment

    os.environ.update(environment(home))
    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    call_command("migrate", verbosity=0)
    connection.close()


def make_home() -> Path:
    """Return a directory for a server of root's and of everybody's."""
    return Path(tempfile.mkdtemp(prefix="kontract-streams-"))
