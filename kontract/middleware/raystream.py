"""The encrypted channel in Django: the outermost middleware, so that all others see requests as if there were none."""

from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, UnreadablePostError
from django.http.response import HttpResponseBase
from django.urls import Resolver404, URLResolver, get_resolver, get_urlconf

from kontract.conf import get_settings
from kontract.exceptions import ConfigurationError, InvalidRequestError, RateLimitedError
from kontract.middleware.raystream_gate import Arrival, Gate
from kontract.middleware.raystream_requests import make_request
from kontract.middleware.raystream_responses import plain, reset, seal
from kontract.mvcc import asynchronous
from kontract.raystream.errors import InvalidEnvelopeError, NotAuthenticError
from kontract.rpc.address import client_network
from kontract.rpc.position import known_position
from kontract.rpc.responses import refuse

PATH = "_rs"  # of the channel, below where kontract.urls are mounted

GetResponse = Callable[[HttpRequest], Any]


class RaystreamMiddleware:
    """Open what comes sealed and seal what it is answered; ``MIDDLEWARE = ["...RaystreamMiddleware", ...]``, first.

    The request inside goes through all other middleware and gets what it would get if it came as it is; its view finds
    the session in ``request.raystream``.  Whatever does not come to the channel's path passes unchanged.

    Raises ``ConfigurationError`` when the server starts, unless ``KONTRACT["RAYSTREAM"]`` can be used.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        options = get_settings().RAYSTREAM
        if options is None:
            raise ConfigurationError(
                'RaystreamMiddleware needs keys in KONTRACT["RAYSTREAM"]. manage.py kontract_keys new makes them.'
            )
        self._gate = Gate(options)
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if not _is_sealed(request):
            return cast(HttpResponseBase, self._get_response(request))
        return self._acall(request) if self._is_async else self._call(request)

    def _call(self, request: HttpRequest) -> HttpResponseBase:
        arrived = self._receive(request)
        if not isinstance(arrived, Arrival):
            return arrived
        inner, refusal = _unpack(request, arrived)
        return seal(inner, refusal or self._get_response(inner), arrived, is_async=False)

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        arrived = await asynchronous.call(self._receive, request)
        if not isinstance(arrived, Arrival):
            return arrived
        inner, refusal = _unpack(request, arrived)
        return seal(inner, refusal or await self._get_response(inner), arrived, is_async=True)

    def _receive(self, request: HttpRequest) -> Arrival | HttpResponseBase:
        """Return the request that was admitted, or the answer to anything else."""
        try:
            arrived = self._gate.receive(_read(request, self._gate.limits.frame), partial(client_network, request))
        except NotAuthenticError:
            return reset()
        except RateLimitedError as error:
            return reset(429, **{"Retry-After": str(error.retry_after)})
        except (OperationalError, InterfaceError):
            return reset(503, **{"Retry-After": "1"})
        return arrived if isinstance(arrived, Arrival) else plain(arrived)


def unopened(request: HttpRequest) -> HttpResponseBase:
    """Answer what comes to the channel's path when there is no channel, or from inside it."""
    raise Http404("There is no raystream here.")


def _is_sealed(request: HttpRequest) -> bool:
    if not request.path_info.endswith(f"/{PATH}"):
        return False
    try:
        _check_path(get_resolver(get_urlconf()), request.path_info)
    except Resolver404:
        return False
    return True


@lru_cache(maxsize=64)
def _check_path(resolver: URLResolver, path: str) -> None:
    """Raise ``Resolver404`` unless a path leads to the channel; only that it does is remembered."""
    if resolver.resolve(path).func is not unopened:
        raise Resolver404


def _read(request: HttpRequest, limit: int) -> bytes:
    """Return the body of an outer request.  Raises ``NotAuthenticError`` for what can be none of the channel's."""
    try:
        is_short = request.method == "POST" and int(request.META.get("CONTENT_LENGTH") or 0) <= limit
        return request.read(limit + 1) if is_short else b""
    except (ValueError, UnreadablePostError) as error:
        raise NotAuthenticError from error


def _unpack(request: HttpRequest, arrival: Arrival) -> tuple[HttpRequest, HttpResponseBase | None]:
    """Return the request inside; with the response to it where it breaks the rules of what may be inside."""
    try:
        inner = make_request(request, *arrival.admitted.request())
    except InvalidEnvelopeError as error:
        return request, refuse(request, InvalidRequestError(str(error)), known_position())
    inner.raystream = arrival  # type: ignore[attr-defined]
    return inner, None
