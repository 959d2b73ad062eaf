"""``python -m benchmarks.events``: how fast a feed is caught up with, and what writers pay for being followed.

The writers' cost is a ratio, measured in turns: the same process writes a while with notifications and a listener in
another process, then a while with neither.  Besides by the clock it is measured in processor time of the writing
process, which depends less on what else the machine does.  Streams are measured by ``python -m benchmarks.streams``.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from multiprocessing import get_context
from statistics import median
from time import perf_counter, process_time, sleep
from typing import Any, NamedTuple

CHANGES = 10_000
TARGET_RATE = 5_000  # changes a second
TARGET_RATIO = 1.05
ROUNDS = 24
WRITES = 90  # in each round, with each contender


def main() -> None:
    """Run the benchmark in a database of its own, and print the figures."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
    import django

    django.setup()
    from benchmarks.database import fresh_database
    from kontract import tables

    with fresh_database():
        tables.create("events")
        for name, old in (("catching up", False), ("catching up, with what was before", True)):
            rate = measure_catch_up(old=old)
            print(f"{name}: {rate:,.0f} changes/s (target {TARGET_RATE:,})")
        for single in (True, False):
            name = "one write" if single else "ten writes in one transaction"
            taken, used = measure_writers(single=single)
            print(f"{name}, followed: {taken} (target {TARGET_RATIO}); processor time of the writer {used}")


def measure_catch_up(*, old: bool) -> float:
    """Return the changes a second that a reader who was away for ``CHANGES`` of them gets."""
    import kontract
    from kontract import env
    from kontract.tables.catalog import locate

    connection, ns = locate()
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(txid), 0) FROM trxs WHERE ns = %s", [ns])
        (start,) = cursor.fetchone()
    for n in range(CHANGES // 10):  # of ten documents each, some new and some not
        with kontract.transaction():
            for k in range(10):
                env.storage.events.set(f"d{(n * 7 + k) % 3000}", {"n": n, "name": f"document {k}", "text": "x" * 300})
    rates = []
    for _ in range(5):
        begin = perf_counter()
        found = sum(1 for _ in kontract.feed(start, tables=["events"], old=old))
        rates.append(found / (perf_counter() - begin))
        if found != CHANGES:
            raise SystemExit(f"The feed has {found} changes instead of {CHANGES}.")
    return median(rates)


class Ratio(NamedTuple):
    """How many times as much something takes: median and quartiles of rounds."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, ratios: list[float]) -> "Ratio":
        """Return that of some rounds."""
        ratios = sorted(ratios)
        return cls(median(ratios), ratios[len(ratios) // 4], ratios[-len(ratios) // 4])

    def __str__(self) -> str:
        return f"{self.middle:.3f}x, quartiles {self.low:.3f} to {self.high:.3f}"


def measure_writers(*, single: bool) -> tuple[Ratio, Ratio]:
    """Return how many times as long a write takes while it is followed, by the clock and in processor time."""
    numbers, rounds = count(), []
    with follower():
        write_for(numbers, WRITES, single=single)
        for number in range(ROUNDS):
            turns = (True, False) if number % 2 else (False, True)
            times = {followed: _time(numbers, followed=followed, single=single) for followed in turns}
            rounds.append(times)
    taken, used = ([one[True][n] / one[False][n] for one in rounds] for n in (0, 1))
    return Ratio.of(taken), Ratio.of(used)


def _time(numbers: Iterator[int], *, followed: bool, single: bool) -> tuple[float, float]:
    from django.conf import settings
    from django.test import override_settings

    options = {**getattr(settings, "KONTRACT", {}), "EVENTS": {"notify": followed}}
    with override_settings(KONTRACT=options):
        write_for(numbers, 10, single=single)
        begin = perf_counter(), process_time()
        write_for(numbers, WRITES if single else WRITES // 3, single=single)
        return perf_counter() - begin[0], process_time() - begin[1]


def write_for(numbers: Iterator[int], times: int, *, single: bool) -> None:
    """Write so often."""
    import kontract
    from kontract import env

    for _ in range(times):
        number = next(numbers)
        if single:
            env.storage.events.set(f"w{number % 500}", {"n": number})
        else:
            with kontract.transaction():
                for k in range(10):
                    env.storage.events.set(f"w{(number * 10 + k) % 500}", {"n": number})


@contextmanager
def follower() -> Iterator[None]:
    """Let another process listen, as a server with subscribers does."""
    from django.db import connections

    connections.close_all()
    context = get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_listen, args=(ready, connections["default"].settings_dict["NAME"]), daemon=True)
    process.start()
    ready.wait(30)
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _listen(ready: Any, name: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection

    from kontract.events import listener

    settings.KONTRACT = {**getattr(settings, "KONTRACT", {}), "EVENTS": {}}
    connection.settings_dict["NAME"] = name
    listener.subscribe(lambda *_: ready.set(), "default", 0)
    while True:
        sleep(60)


if __name__ == "__main__":
    main()
