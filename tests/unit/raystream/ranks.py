"""A rank test of two ways to do something: whether one of them takes longer, whatever else the machine does."""

import random
import time
from collections.abc import Callable
from math import sqrt
from statistics import NormalDist

from kontract.raystream.errors import NotAuthenticError

Act = Callable[[], object]
UNLIKELY = 0.001


def refused(act: Act) -> Act:
    """Return what does this, which must be refused, and does not fail then."""

    def refuse() -> None:
        try:
            act()
        except NotAuthenticError:
            return
        raise AssertionError("It was not refused.")

    return refuse


def compare(one: Act, other: Act, rounds: int) -> float:
    """Time the two in turns, in random order within each round; return how likely they'd differ so if they were equal.

    This is the two-sided test of Mann and Whitney with its normal approximation, corrected for ties.
    """
    source = random.Random(1)
    taken: dict[bool, list[int]] = {True: [], False: []}
    for _ in range(rounds):
        for which in source.sample((True, False), 2):
            start = time.perf_counter_ns()
            (one if which else other)()
            taken[which].append(time.perf_counter_ns() - start)
    return rank_test(taken[True], taken[False])


def rank_test(one: list[int], other: list[int]) -> float:
    """Return the p-value of Mann and Whitney's test that neither sample tends to be larger."""
    values = sorted([(value, True) for value in one] + [(value, False) for value in other])
    rank_sum, ties, at = 0.0, 0, 0
    while at < len(values):
        end = at
        while end < len(values) and values[end][0] == values[at][0]:
            end += 1
        rank_sum += sum(is_one for _, is_one in values[at:end]) * (at + 1 + end) / 2
        ties += (end - at) ** 3 - (end - at)
        at = end
    n, m = len(one), len(other)
    u = rank_sum - n * (n + 1) / 2
    spread = sqrt(n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1))))
    return 2 * NormalDist().cdf(-abs(u - n * m / 2) / spread)
