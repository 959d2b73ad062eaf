"""How often something may happen, counted in the database, so for all processes together.

A bucket is one number: until when it is booked.  Each event books ``1 / rate`` more, and is refused where that reaches
further than a full bucket's worth into the future (the generic cell rate algorithm, a token bucket without a timer,
https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm).  The clock is the database server's.

Buckets that have run out mean nothing any more.  Vacuum removes them, and so does one event in a hundred, among the
next 200 from a random id on: as soon as half of all buckets have run out, it removes them faster than they can come,
so that a flood from ever new addresses does not fill the table.
"""

import random
import re
from dataclasses import dataclass
from hashlib import blake2b

from kontract.exceptions import ConfigurationError
from kontract.mvcc import asynchronous
from kontract.mvcc.alone import fetch_alone
from kontract.mvcc.versions import limits as sql
from kontract.tables.catalog import locate

_RATE = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})?([smhd])")
_SWEEP_CHANCE = 0.01
_SWEPT = 200  # buckets
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """``count`` events in ``seconds``."""

    count: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Return the rate that a text like "100/m" or "5/10m" is, in seconds, minutes, hours or days.

        Raises ``ConfigurationError``.
        """
        if not isinstance(text, str) or not (found := _RATE.fullmatch(text)):
            raise ConfigurationError(
                f"{text!r} is no rate. Write how often and in which time, for example '100/m', '5/10m' or '1000/d' "
                "(s, m, h, d)."
            )
        return cls(count=int(found[1]), seconds=int(found[2] or 1) * _SECONDS[found[3]])

    @property
    def interval(self) -> float:
        """Seconds from one event to the next."""
        return self.seconds / self.count


def take(bucket: str, rate: str | Rate, cost: int = 1, *, burst: int | None = None) -> float:
    """Count ``cost`` events in a bucket and return 0.0; or count nothing and return the seconds to wait.

    ``bucket`` names what is counted, and whose.  ``burst`` is how many events may come at once (default: as many as
    the rate counts); then one each ``seconds / count``.  The bucket is in the current namespace.  What is counted stays
    so whatever becomes of the caller's transaction.

    Raises ``ConfigurationError`` for a rate that is none, or a ``cost`` that would never be granted.
    """
    rate = rate if isinstance(rate, Rate) else Rate.parse(rate)
    size = rate.count if burst is None else burst
    if not 0 < cost <= size:
        raise ConfigurationError(f"{cost} events at once do not fit the burst of {size}. Give a greater one.")
    connection, ns = locate()
    params = {"ns": ns, "id": _make_id(bucket), "cost": cost * rate.interval, "size": size * rate.interval}
    wait: float = fetch_alone(connection, sql.TAKE, params)[0][0]
    if not wait and random.random() < _SWEEP_CHANCE:  # noqa: S311 - not a secret
        after = _make_id(str(random.random()))  # noqa: S311
        fetch_alone(connection, sql.SWEEP_BUCKETS, {"ns": ns, "after": after, "batch": _SWEPT})
    return wait


async def atake(bucket: str, rate: str | Rate, cost: int = 1, *, burst: int | None = None) -> float:
    """See take()."""
    return await asynchronous.call(take, bucket, rate, cost, burst=burst)


def give_back(bucket: str, rate: str | Rate, cost: int = 1) -> None:
    """Take back ``cost`` events that ``take`` has counted, which turned out not to be what is limited."""
    rate = rate if isinstance(rate, Rate) else Rate.parse(rate)
    connection, ns = locate()
    fetch_alone(connection, sql.GIVE_BACK, {"ns": ns, "id": _make_id(bucket), "cost": cost * rate.interval})


def _make_id(bucket: str) -> str:
    """Return an id of the same length for every name: clients have a hand in them."""
    return blake2b(bucket.encode(errors="surrogatepass"), digest_size=20).hexdigest()
