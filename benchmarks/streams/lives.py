"""A thousand live queries of different rows of one table: a write to one row runs one of them again."""

import asyncio
import json
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.streams.latency import Latency, _write
from benchmarks.streams.servers import serving
from benchmarks.streams.subscribers import Event, read_events


class Lives(NamedTuple):
    """How many live queries there were, how often one ran again for each write, and how soon its result came."""

    lives: int
    runs_per_write: float
    latency: Latency


def measure(server: str, home: Path, *, lives: int, count: int, pause: float) -> Lives:
    """Follow ``lives`` rows, each by a stream of its own, and write ``count`` times to one after another."""
    with serving(server, 1, home) as ((port, _),):
        return asyncio.run(_measure(port, home, lives, count, pause))


async def _measure(port: int, home: Path, lives: int, count: int, pause: float) -> Lives:
    told: dict[int, list[Event]] = {row: [] for row in range(lives)}
    reading = [asyncio.create_task(_read(port, row, told[row])) for row in told]
    while sum(map(len, told.values())) < lives:
        await asyncio.sleep(0.1)
    async with httpx.AsyncClient() as client:
        before = (await client.get(f"http://127.0.0.1:{port}/runs")).json()
        output = await _write(home, "rows", count, pause, lives)
        await asyncio.sleep(1)
        after = (await client.get(f"http://127.0.0.1:{port}/runs")).json()
    for task in reading:
        task.cancel()
    took = []
    for row, txid, at in output:
        came = [event.at for event in told[int(row)] if json.loads(event.data)["txid"] >= int(txid)]
        took.append(1000 * (min(came) - float(at)))
    took.sort()
    latency = Latency(took[len(took) // 2], took[len(took) * 99 // 100], len(took))
    return Lives(before["lives"], (after["runs"] - before["runs"]) / count, latency)


async def _read(port: int, row: int, told: list[Event]) -> None:
    async for event in read_events(port, f"live=one_row&args=%7B%22number%22:{row}%7D"):
        if event.name == "live":
            told.append(event)  # noqa: PERF401 - one by one, as they come
