"""Calls over HTTP: ``POST rpc/<name>``.

There are two views because Django runs a coroutine function and a plain one differently under WSGI and ASGI.  The URL
picks the one of the procedure's own kind, so that no call crosses between threads more often than it has to.
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.middleware.csrf import CsrfViewMiddleware
from django.views.decorators.csrf import csrf_exempt

from kontract.conf import get_settings
from kontract.context import CallContext
from kontract.exceptions import (
    BodyTooLargeError,
    CsrfFailedError,
    InvalidRequestError,
    MethodNotAllowedError,
    UnsupportedMediaType,
)
from kontract.mvcc import asynchronous
from kontract.rpc.dispatch import adispatch, dispatch
from kontract.rpc.envelope import Arguments, parse
from kontract.rpc.position import known_position
from kontract.rpc.problems import CONTENT_TYPE, describe
from kontract.rpc.registry import registry

View = TypeVar("View", bound=Callable[..., Any])

logger = logging.getLogger("kontract.rpc")


def _outside_atomic_requests(view: View) -> View:
    """Keep ``ATOMIC_REQUESTS`` off: only an outermost transaction can be run again after a conflict."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


@csrf_exempt  # _identify checks it, for those whom a cookie may have signed in
@_outside_atomic_requests
def call(request: HttpRequest, name: str) -> HttpResponse:
    """Answer a call of a synchronous procedure, or of none."""
    try:
        _check_request(request)
        procedure = registry.get(name)
        context = _identify(request, name, getattr(request, "user", None))
        reply = dispatch(procedure, _read_arguments(request), context)
    except Exception as error:
        return _refuse(request, error, known_position())
    return _respond(reply.body, reply.txid)


@csrf_exempt
@_outside_atomic_requests
async def acall(request: HttpRequest, name: str) -> HttpResponse:
    """See call()."""
    try:
        _check_request(request)
        procedure = registry.get(name)
        context = _identify(request, name, await request.auser() if hasattr(request, "auser") else None)
        reply = await adispatch(procedure, _read_arguments(request), context)
    except Exception as error:
        return _refuse(request, error, await asynchronous.call(known_position))
    return _respond(reply.body, reply.txid)


def _check_request(request: HttpRequest) -> None:
    """Raise unless the request can be a call.

    Asking for JSON is also a defence: a page of another site cannot send this type without the browser asking first.
    """
    if request.method != "POST":
        raise MethodNotAllowedError(f"A procedure is called with POST, not with {request.method}.")
    charset = (request.content_params or {}).get("charset", "utf-8")
    if request.content_type != "application/json" or charset.lower() != "utf-8":
        raise UnsupportedMediaType("Send the call as JSON in UTF-8, with the header Content-Type: application/json.")


def _identify(request: HttpRequest, name: str, user: Any) -> CallContext:
    """Return who calls.  Raises ``CsrfFailedError`` where a browser's cookie alone says so."""
    if user is None or not user.is_authenticated:
        return CallContext(route=name, request=request)
    if (reason := _CsrfCheck(lambda _: HttpResponse()).find_fault(request)) is not None:
        raise CsrfFailedError(f"{reason} Send the CSRF token of the page in the header X-CSRFToken.")
    return CallContext(owner=str(user.pk), is_anonymous=False, route=name, request=request)


class _CsrfCheck(CsrfViewMiddleware):
    """Django's own check, which gives the reason back instead of a page."""

    def find_fault(self, request: HttpRequest) -> str | None:
        """Return why the request may be forged; None where it is not."""
        self.process_request(request)
        return self.process_view(request, None, (), {})  # type: ignore[arg-type,return-value]

    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason


def _read_arguments(request: HttpRequest) -> Arguments:
    """Return the arguments in the request's body, of which at most ``MAX_BODY_BYTES`` are read."""
    limit = get_settings().MAX_BODY_BYTES
    try:
        if int(request.headers.get("Content-Length") or 0) > limit or len(body := request.read(limit + 1)) > limit:
            raise BodyTooLargeError(f"The body is larger than {limit} bytes. Send less in one call.")
    except (ValueError, UnreadablePostError) as error:
        raise InvalidRequestError("The body could not be read to its end.") from error
    return parse(body)


def _refuse(request: HttpRequest, error: Exception, txid: int | None) -> HttpResponse:
    """Return the problem that ``error`` is, and log what the client is not told."""
    problem = describe(error)
    if problem.is_our_fault:
        logger.error("A call failed: %r", request.path, exc_info=error, extra={"request": request})
    response = _respond(problem.encode(), txid, status=problem.status, content_type=CONTENT_TYPE)
    if isinstance(error, MethodNotAllowedError):
        response["Allow"] = "POST"
    return response


def _respond(
    body: bytes, txid: int | None, *, status: int = 200, content_type: str = "application/json"
) -> HttpResponse:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if txid is not None:
        headers["Kontract-Txid"] = str(txid)
    return HttpResponse(body, status=status, content_type=content_type, headers=headers)
