"""How soon a subscriber is told of a commit, and what a subscriber costs while nothing happens."""

import asyncio
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import psutil

from benchmarks.streams.arrivals import open_clients, read_changes
from benchmarks.streams.servers import serving, start_writer
from benchmarks.streams.subscribers import Event, read_events

_QUIET_SECONDS: Final = 2.0  # after which no more is expected


class Latency(NamedTuple):
    """Milliseconds from the end of a commit until a subscriber has it, how many were measured, and what one costs.

    ``cost``: microseconds of the servers' processor time for an event of a subscriber.  ``first``: milliseconds until
    the first subscriber has it, of half of the commits at most.
    """

    p50: float
    p99: float
    events: int
    cost: float = 0.0
    first: float = 0.0


def measure(server: str, home: Path, *, processes: int, subscribers: int, count: int, pause: float) -> Latency:
    """Write single documents and let ``subscribers`` of each process read of them."""
    with (
        serving(server, processes, home) as servers,
        open_clients([port for port, _ in servers], subscribers, "table=items") as clients,
    ):
        before = _measure_processor_time(servers)
        writer = start_writer(home, "items", count, pause, 50)
        arrivals = clients.receive(_QUIET_SECONDS)
        output, _ = writer.communicate()
        used = _measure_processor_time(servers) - before
        streams = len(clients)
    committed = {int(txid): float(at) for _, txid, at in map(str.split, output.splitlines())}
    by_txid: dict[int, list[float]] = {}
    for _, txid, at in read_changes(arrivals):
        by_txid.setdefault(txid, []).append(1000 * (at - committed[txid]))
    took = sorted(one for times in by_txid.values() for one in times)
    assert len(took) == len(committed) * streams, "something was missed"
    first = median(map(min, by_txid.values()))
    return Latency(took[len(took) // 2], took[len(took) * 99 // 100], len(took), 1e6 * used / len(took), first)


def _measure_processor_time(servers: list[tuple[int, int]]) -> float:
    """Return the seconds of processor time that servers have used."""
    times = [process.cpu_times() for _, pid in servers for process in _family(pid)]
    return sum(time.user + time.system for time in times)


async def _write(home: Path, table: str, count: int, pause: float, rows: int) -> list[list[str]]:
    writer = await asyncio.to_thread(start_writer, home, table, count, pause, rows)
    output, _ = await asyncio.to_thread(writer.communicate)
    return [line.split() for line in output.splitlines()]


async def _read(port: int, query: str, told: list[Event]) -> None:
    async for event in read_events(port, query):
        told.append(event)  # noqa: PERF401 - one by one, as they come


def measure_idle(server: str, home: Path, *, subscribers: int) -> tuple[float, int, int]:
    """Return KiB of memory and threads that idle subscribers add, by subscriber and in all, and their connections."""
    with serving(server, 1, home) as ((port, pid),):
        return asyncio.run(_measure_idle(port, pid, subscribers))


async def _measure_idle(port: int, pid: int, subscribers: int) -> tuple[float, int, int]:
    told: list[Event] = []
    reading = [asyncio.create_task(_read(port, "table=items", told)) for _ in range(10)]
    await asyncio.sleep(4)
    processes = _family(pid)
    memory, threads = sum(p.memory_info().rss for p in processes), sum(p.num_threads() for p in processes)
    reading += [asyncio.create_task(_read(port, "table=items", told)) for _ in range(subscribers)]
    await asyncio.sleep(4)
    grown = sum(p.memory_info().rss for p in processes) - memory
    added = sum(p.num_threads() for p in processes) - threads
    assert sum(event.name == "stream-open" for event in told) == subscribers + 10
    connections = await asyncio.to_thread(_count_connections)
    for task in reading:
        task.cancel()
    return grown / 1024 / subscribers, added, connections


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def _count_connections() -> int:
    """Return how many clients are connected besides this one."""
    from django.db import connection

    with connection.cursor() as cursor, suppress(IndexError):
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        found: int = cursor.fetchone()[0]
    connection.close()
    return found
