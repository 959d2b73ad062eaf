"""Attempts to sign in that are refused before anything is done for them.

Where this process knows that an attempt will be refused, because its network has made too many or too many wait for
their hashes, ``AuthMiddleware`` says so, under ASGI in the event loop: the body is not read, no view takes a thread,
and no database is asked.
"""

from typing import Final

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from kontract.auth import throttle
from kontract.auth.hashing import get_gate
from kontract.rpc.address import client_network

# The procedures that count by network before all else, and what they count; those that hash.
_COUNTED: Final = {
    "auth_anonymous": "anonymous",
    "auth_register": "register",
    "auth_link": "register",
    "auth_login": "login",
    "auth_password": "login",
    "auth_request_reset": "login",
    "auth_reset": "login",
    "auth_verify": "login",
}
_HASHING: Final = frozenset({"auth_register", "auth_link", "auth_login", "auth_reset"})


def check(request: HttpRequest) -> None:
    """Raise ``RateLimitedError`` for an attempt that is known to be one too many; count nothing."""
    name = request.path.rpartition("/")[2]
    if name not in _COUNTED or request.path != _locate(name):
        return
    if name in _HASHING:
        get_gate().check()
    throttle.check(_COUNTED[name], client_network(request))


def _locate(name: str) -> str | None:
    try:
        return reverse("kontract:call", args=[name])
    except NoReverseMatch:
        return None
