"""How many streams this process carries for one caller, and for one network."""

import threading
from collections import Counter
from collections.abc import Iterable
from typing import Final

from kontract.exceptions import RateLimitedError

_RETRY_SECONDS: Final = 10


class Seat:
    """A stream's place among those that are counted; ``release`` may be called more than once."""

    def __init__(self, seats: "Seats", buckets: tuple[str, ...]) -> None:
        self._seats = seats
        self._buckets = buckets

    def release(self) -> None:
        """Give the place to the next one."""
        buckets, self._buckets = self._buckets, ()
        self._seats.give_back(buckets)


class Seats:
    """Counters by bucket."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, limits: Iterable[tuple[str, int]]) -> Seat:
        """Count one in each bucket.  Raises ``RateLimitedError``, and counts nothing, where one of them is full."""
        limits = list(limits)
        with self._lock:
            for bucket, limit in limits:
                if self._taken[bucket] >= limit:
                    raise RateLimitedError(
                        f"There are {limit} streams open already. Close one, or let tabs and parts share one.",
                        _RETRY_SECONDS,
                    )
            self._taken.update(bucket for bucket, _ in limits)
        return Seat(self, tuple(bucket for bucket, _ in limits))

    def give_back(self, buckets: Iterable[str]) -> None:
        """Count one less in each bucket."""
        with self._lock:
            for bucket in buckets:
                self._taken[bucket] -= 1
                if self._taken[bucket] <= 0:
                    del self._taken[bucket]


seats = Seats()
