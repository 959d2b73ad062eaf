"""How often somebody may try, counted before anything expensive is done."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.http import HttpRequest

from kontract.conf import get_settings
from kontract.exceptions import InvalidCredentialsError, RateLimitedError
from kontract.rpc.address import client_network
from kontract.rpc.limits import give_back, take


def count(kind: str, key: str) -> None:
    """Count one event of a ``kind`` that ``KONTRACT["AUTH"]["rates"]`` names.  Raises ``RateLimitedError``."""
    if seconds := take(f"auth:{kind}:{key}", get_settings().AUTH.rates[kind]):
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
            give_back(f"auth:failures:{key}", get_settings().AUTH.rates["failures"])
