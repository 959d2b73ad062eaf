"""Paired measurement: contenders take turns operation by operation, and only ratios within one round count.

A round gives each contender's median; the quotient of two medians of the same round cancels what the machine was doing
meanwhile.  A result is the median of these quotients over all rounds, with the quartiles as its spread.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from statistics import median, quantiles
from time import perf_counter
from typing import Any, Protocol

Times = dict[str, list[float]]  # contender -> seconds of each round
WARM_UP = 12  # operations of each contender before anything counts: connections, caches, prepared statements


class Task(Protocol):
    """What is measured.  Only the callable that ``operation`` returns is timed."""

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        """Prepare one operation of the contender ``name``; every contender does the same in the same step."""

    def verify(self, name: str, step: int, result: Any) -> None:
        """Check what the operation did.  Raises ``WrongWorkError``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much to measure: ``rounds`` of ``repeats`` operations each."""

    rounds: int
    repeats: int
    warm_up: int = WARM_UP


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times as long one contender took as another: the median over rounds, and its quartiles."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def compare(task: Task, names: Sequence[str], effort: Effort) -> Times:
    """Let the contenders take turns, and return the median time of each in each round."""
    steps = count(1)
    for _ in range(effort.warm_up):
        _take_turns(task, names, next(steps))
    times: Times = {name: [] for name in names}
    for _ in range(effort.rounds):
        turns = [_take_turns(task, names, next(steps)) for _ in range(effort.repeats)]
        for name in names:
            times[name].append(median(turn[name] for turn in turns))
    return times


def _take_turns(task: Task, names: Sequence[str], step: int) -> Mapping[str, float]:
    """Let each contender do the step once, each time beginning with another one."""
    first = step % len(names)
    return {name: _time(task, name, step) for name in (*names[first:], *names[:first])}


def _time(task: Task, name: str, step: int) -> float:
    operation = task.operation(name, step)
    start = perf_counter()
    result = operation()
    elapsed = perf_counter() - start
    task.verify(name, step, result)
    return elapsed


def ratio(times: Times, name: str, base: str, *, scale: float = 1.0) -> Ratio:
    """Return how many times as long ``name`` took as ``base``, times ``scale``."""
    quotients = [scale * ours / theirs for ours, theirs in zip(times[name], times[base], strict=True)]
    low, middle, high = quantiles(quotients, n=4, method="inclusive") if len(quotients) > 1 else quotients * 3
    return Ratio(median=middle, low=low, high=high)
