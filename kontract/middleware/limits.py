"""A limit on how often somebody may call or ask."""

from typing import Any, Literal

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from kontract.context import ctx
from kontract.exceptions import ConfigurationError, RateLimitedError
from kontract.mvcc import asynchronous
from kontract.rpc.address import client_network
from kontract.rpc.chains import Handler
from kontract.rpc.limits import Rate, take
from kontract.rpc.position import known_position
from kontract.rpc.responses import refuse

By = Literal["owner", "ip", "owner_or_ip"]
_KINDS = ("owner", "ip", "owner_or_ip")


@sync_and_async_middleware
def rate_limit(
    get_response: Handler,
    *,
    rate: str = "100/m",
    by: By = "owner_or_ip",
    burst: int | None = None,
    name: str | None = None,
) -> Handler:
    """Answer 429 with ``Retry-After`` to who asks more often than ``rate``, in all processes together.

    ``by``: count for each signed-in owner (all others being one), for each address (an IPv6 network /64 is one), or
    whichever there is.  ``burst``: how many may come at once, see ``kontract.rpc.limits.take``.  ``name``: limits of
    one name count together; default made of the other options.

    A request counts even if it fails later.  Without the database nothing is let through.
    """
    if by not in _KINDS:
        raise ConfigurationError(f"rate_limit counts by {by!r}; it must be one of {', '.join(_KINDS)}.")
    parsed = Rate.parse(rate)
    if burst is not None and burst < 1:
        raise ConfigurationError(f"rate_limit has burst={burst!r}; at least one request must fit.")
    prefix = f"limit:{f'{rate}:{by}:{burst}' if name is None else name}"

    def check(request: HttpRequest, key: str) -> HttpResponseBase | None:
        if not (seconds := take(f"{prefix}:{key}", parsed, burst=burst)):
            return None
        wait = int(seconds) + 1
        error = RateLimitedError(f"You have called too often. Try again in {wait} seconds.", wait)
        return refuse(request, error, None if ctx.route is None else known_position())

    def limit(request: HttpRequest) -> HttpResponseBase:
        user = getattr(request, "user", None) if _needs_user(by) else None
        refusal = check(request, _make_key(request, by, user))
        return get_response(request) if refusal is None else refusal

    async def alimit(request: HttpRequest) -> HttpResponseBase:
        user = await request.auser() if _needs_user(by) and hasattr(request, "auser") else None
        refusal = await asynchronous.call(check, request, _make_key(request, by, user))
        return await get_response(request) if refusal is None else refusal

    return alimit if iscoroutinefunction(get_response) else limit


def _needs_user(by: By) -> bool:
    """Return whether Django has to say who asks: in a call that is known."""
    return by != "ip" and ctx.route is None


def _make_key(request: HttpRequest, by: By, user: Any) -> str:
    """Return whose requests are counted together."""
    if by == "ip":
        return f"ip:{client_network(request)}"
    if ctx.route is not None:
        owner = "" if ctx.is_anonymous else ctx.owner
    else:
        owner = str(user.pk) if user is not None and user.is_authenticated else ""
    return f"owner:{owner}" if owner or by == "owner" else f"ip:{client_network(request)}"
