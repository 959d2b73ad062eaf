"""Middleware, and ordinary views, for the tests of filter rules; each middleware notes that it ran."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import MiddlewareNotUsed, PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import include, path
from django.utils.decorators import async_only_middleware, sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin

from kontract import ctx, mwfilter
from kontract.context import CallContext, get_call

Handler = Callable[[HttpRequest], Any]

seen: list[str] = []  # who ran, in order
calls: list[CallContext] = []  # what the middleware knew of the call


def outer(get_response: Handler) -> Handler:
    """Note the way in and out, synchronously."""

    def run(request: HttpRequest) -> HttpResponse:
        seen.append("outer in")
        response: HttpResponse = get_response(request)
        seen.append(f"outer out {response.status_code}")
        return response

    return run


@async_only_middleware
def inner(get_response: Handler) -> Handler:
    """Note the way in and out, asynchronously."""

    async def run(request: HttpRequest) -> HttpResponse:
        seen.append("inner in")
        await asyncio.sleep(0)
        response: HttpResponse = await get_response(request)
        seen.append(f"inner out {response.status_code}")
        return response

    return run


@sync_and_async_middleware
def either(get_response: Handler, *, note: str = "either") -> Handler:
    """Be of the kind that is asked for, and note it."""

    async def arun(request: HttpRequest) -> HttpResponse:
        seen.append(f"{note} async")
        calls.append(get_call())
        return await get_response(request)  # type: ignore[no-any-return]

    def run(request: HttpRequest) -> HttpResponse:
        seen.append(f"{note} sync")
        calls.append(get_call())
        return get_response(request)  # type: ignore[no-any-return]

    return arun if iscoroutinefunction(get_response) else run


@mwfilter(prefixurl="/inside")
@mwfilter(endpoints=["plain", "call"])
def marked(get_response: Handler) -> Handler:
    """Have filters of its own."""
    return outer(get_response)


class Tagging(MiddlewareMixin):
    """A class as Django's own are."""

    async_capable = True

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Mark the response."""
        response["X-Tagged"] = ctx.route or "no call"
        return response


class NeedsTheView(MiddlewareMixin):
    """A class with a hook that only Django's own handler calls."""

    def process_view(self, request: HttpRequest, *args: Any) -> None:
        """Be in vain."""


def refusing(get_response: Handler) -> Handler:
    """Let nobody through."""

    def run(request: HttpRequest) -> HttpResponse:
        raise PermissionDenied("Not today.")

    return run


def broken(get_response: Handler) -> Handler:
    """Fail."""

    def run(request: HttpRequest) -> HttpResponse:
        raise RuntimeError("the combination is 12345")

    return run


def unused(get_response: Handler) -> Handler:
    """Have nothing to do in this project."""
    raise MiddlewareNotUsed


def forgetful(get_response: Handler) -> None:
    """Return no middleware."""


@sync_and_async_middleware
def impossible(get_response: Handler) -> Handler:
    """Be of neither kind."""
    return get_response


impossible.sync_capable = impossible.async_capable = False  # type: ignore[attr-defined]

number = 5  # which is no middleware


def view(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    """Answer synchronously."""
    seen.append("view")
    return HttpResponse("plain")


async def aview(request: HttpRequest) -> HttpResponse:
    """Answer asynchronously."""
    seen.append("view")
    return HttpResponse("async")


def me(request: Any) -> HttpResponse:
    """Tell who asks."""
    return HttpResponse(str(request.user.pk))


async def ame(request: Any) -> HttpResponse:
    """See me()."""
    return HttpResponse(str((await request.auser()).pk))


def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Answer bit by bit."""

    def content() -> Iterator[bytes]:
        yield b"bit"

    return StreamingHttpResponse(content())


def fail(request: HttpRequest) -> HttpResponse:
    """Raise what a view may."""
    raise ValueError("the combination is 12345")


shop = ([path("checkout", view, name="checkout")], "shop")

urlpatterns = [
    path("inside/plain", view, name="plain"),
    path("inside/async", aview, name="async"),
    path("inside/stream", stream, name="stream"),
    path("inside/fail", fail, name="fail"),
    path("inside/unnamed", view),
    path("insidestory", view, name="story"),
    path("outside", view, name="outside"),
    path("me", me),
    path("me_async", ame),
    path("shop/", include(shop)),
    path("inside/kontract/", include("kontract.urls")),
    path("again/kontract/", include("kontract.urls")),
]
