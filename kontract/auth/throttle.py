"""How often somebody may try, counted before anything expensive is done."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

from django.http import HttpRequest

from kontract.conf import get_settings
from kontract.context import get_namespace
from kontract.exceptions import InvalidCredentialsError, RateLimitedError
from kontract.rpc.address import client_network
from kontract.rpc.limits import give_back, take

_MOST: Final = 10_000  # full buckets that a process knows
_LONGEST: Final = 5.0  # seconds for which it believes what it knows; others may have given something back

Place = tuple[str, str]  # namespace, bucket


class _Full:
    """The buckets that this process has found full, so that a flood from one place does not reach the database."""

    def __init__(self) -> None:
        self._until: OrderedDict[Place, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, place: Place) -> float:
        """Return the seconds until there is room; 0.0 where the database has to be asked."""
        now = time.monotonic()
        until, believed = self._until.get(place, (0.0, 0.0))
        return max(0.0, until - now) if now < believed else 0.0

    def note(self, place: Place, seconds: float) -> None:
        """Remember that there is no room for so long."""
        now = time.monotonic()
        with self._lock:
            self._until[place] = now + seconds, now + min(seconds, _LONGEST)
            self._until.move_to_end(place)
            if len(self._until) > _MOST:
                self._until.popitem(last=False)

    def forget(self, place: Place) -> None:
        """Ask the database again."""
        with self._lock:
            self._until.pop(place, None)


full = _Full()


def count(kind: str, key: str) -> None:
    """Count one event of a ``kind`` that ``KONTRACT["AUTH"]["rates"]`` names.  Raises ``RateLimitedError``."""
    check(kind, key)
    bucket = _name(kind, key)
    if seconds := take(bucket, get_settings().AUTH.rates[kind]):
        full.note((get_namespace(), bucket), seconds)
        _refuse(seconds)


def check(kind: str, key: str) -> None:
    """See count(); but count nothing, and go by what this process knows, without asking the database."""
    if seconds := full.find((get_namespace(), _name(kind, key))):
        _refuse(seconds)


def _name(kind: str, key: str) -> str:
    return f"auth:{kind}:{key}"


def _refuse(seconds: float) -> NoReturn:
    wait = int(seconds) + 1
    raise RateLimitedError(f"That was too often. Try again in {wait} seconds.", wait)


def count_of(kind: str, request: HttpRequest | None) -> None:
    """See count(); of the network that a request comes from."""
    count(kind, "" if request is None else client_network(request))


@contextmanager
def failures(account: str, request: HttpRequest | None) -> Iterator[None]:
    """Count the block, in which somebody shows who they are, if it fails: for the account and the network together.

    It is the same for accounts that do not exist.  Nobody can keep the owner of an account from signing in elsewhere.
    """
    network = "" if request is None else client_network(request)
    key = f"{account}:{network}"
    count("failures", key)  # before, so that many at once do not all pass
    failed = False
    try:
        yield
    except InvalidCredentialsError:
        failed = True
        raise
    finally:
        if not failed:
            bucket = _name("failures", key)
            give_back(bucket, get_settings().AUTH.rates["failures"])
            full.forget((get_namespace(), bucket))
