"""Many processes write at once: how long a write takes, as the inverse of the rate that all of them reach together.

The processes are forked once for a number of writers and live through all rounds.  In a round the contenders take
turns: every process writes documents of its own, with one contender, for the same span of time.
"""

import multiprocessing
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, cycle
from multiprocessing.connection import Connection
from time import perf_counter

from django.db import connections

from benchmarks.contenders import Contender
from benchmarks.contenders.floor import Floor
from benchmarks.documents import make_document
from benchmarks.ledger import Ledger, WrongWorkError
from benchmarks.measure import Times

WRITERS = (1, 8, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """How long to measure: ``rounds``, in each of which every contender has a turn of ``seconds``."""

    rounds: int
    seconds: float


@dataclass(slots=True)
class Work:
    """What one process wrote in one turn."""

    elapsed: float = 0.0
    written: Counter[int] = field(default_factory=Counter)
    ages: dict[int, int] = field(default_factory=dict)


def compare_writers(ledgers: Mapping[str, Ledger], size: int, writers: int, turns: Turns) -> Times:
    """Return the seconds per write of each contender in each round, and check that every write was made."""
    for ledger in ledgers.values():
        ledger.contender.hold(range(1, size + 1))
    times: Times = {name: [] for name in ledgers}
    group = Group(ledgers, size, writers)
    try:
        for name, ledger in ledgers.items():
            group.run(name, ledger, turns.seconds / 2)
        for _ in range(turns.rounds):
            for name, ledger in ledgers.items():
                times[name].append(1 / group.run(name, ledger, turns.seconds))
    finally:
        group.stop()
    for ledger in ledgers.values():
        ledger.check()
    return times


class Group:
    """Processes that write when they are told to."""

    def __init__(self, ledgers: Mapping[str, Ledger], size: int, writers: int) -> None:
        _disconnect(ledgers)  # a connection must not be shared with a fork
        context = multiprocessing.get_context("fork")
        self.pipes: list[Connection] = []
        self.processes = []
        for writer in range(writers):
            ours, theirs = context.Pipe()
            numbers = range(writer + 1, size + 1, writers)
            process = context.Process(target=_serve, args=(theirs, ledgers, numbers), daemon=True)
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)

    def run(self, name: str, ledger: Ledger, seconds: float) -> float:
        """Let all processes write with one contender; return the writes per second.  Raises ``WrongWorkError``."""
        for pipe in self.pipes:
            pipe.send((name, seconds))
        works: list[Work | str] = [pipe.recv() for pipe in self.pipes]
        rate = 0.0
        for work in works:
            if isinstance(work, str):
                raise WrongWorkError(f"A process that writes with {name} failed:\n{work}")
            for number, times in work.written.items():
                ledger.wrote(number, work.ages[number], times)
            rate += work.written.total() / work.elapsed
        return rate

    def stop(self) -> None:
        """End the processes."""
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join()


def _disconnect(ledgers: Mapping[str, Ledger]) -> None:
    connections.close_all()
    for ledger in ledgers.values():
        if isinstance(ledger.contender, Floor):
            ledger.contender.close()


def _serve(pipe: Connection, ledgers: Mapping[str, Ledger], numbers: range) -> None:
    """Follow orders until one is None."""
    tasks = zip(cycle(numbers), count(1), strict=False)
    while (order := pipe.recv()) is not None:
        name, seconds = order
        try:
            pipe.send(_write(ledgers[name].contender, tasks, seconds))
        except Exception:
            pipe.send(traceback.format_exc())


def _write(contender: Contender, tasks: Iterator[tuple[int, int]], seconds: float) -> Work:
    """Write one document after another for so long."""
    work = Work()
    start = perf_counter()
    while work.elapsed < seconds:
        number, age = next(tasks)
        contender.update(number, make_document(number, age))
        work.written[number] += 1
        work.ages[number] = age
        work.elapsed = perf_counter() - start
    return work
