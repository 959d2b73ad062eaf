"""Calls over HTTP: ``rpc/<name>``, and several at once: ``rpc``.

There are two views because Django runs a coroutine function and a plain one differently under WSGI and ASGI.  The URL
picks the one of the procedure's own kind, so that no call crosses between threads more often than it has to.
"""

from collections.abc import Callable
from contextvars import copy_context
from functools import cache, partial
from typing import Any, TypeVar

from asgiref.sync import async_to_sync
from django.core.handlers.asgi import ASGIRequest
from django.db import connections, transaction
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from kontract.context import calling
from kontract.exceptions import InvalidRequestError, MethodNotAllowedError, NeedsAsgiError
from kontract.mvcc import asynchronous
from kontract.rpc import conditional
from kontract.rpc.access import check_access
from kontract.rpc.batch import as_item, make_request, read_batch
from kontract.rpc.caller import aidentify, identify
from kontract.rpc.chains import applies_rules, compose_for
from kontract.rpc.channel import acheck_channel, check_channel
from kontract.rpc.codec import get_codec
from kontract.rpc.dispatch import adispatch, dispatch, start_stream
from kontract.rpc.options import read_options
from kontract.rpc.position import known_position
from kontract.rpc.procedure import Procedure
from kontract.rpc.registry import registry
from kontract.rpc.requests import check_request, is_get, read_arguments
from kontract.rpc.responses import refuse, respond
from kontract.rpc.streaming import awrite_stream, choose_format, write_stream

View = TypeVar("View", bound=Callable[..., Any])


def _outside_atomic_requests(view: View) -> View:
    """Keep ``ATOMIC_REQUESTS`` off: only an outermost transaction can be run again after a conflict."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


@applies_rules
@csrf_exempt  # identify() makes this check itself, of those whom a cookie may have signed in
@_outside_atomic_requests
def call(request: HttpRequest, name: str) -> HttpResponseBase:
    """Answer a call of a synchronous procedure, or of none."""
    try:
        procedure = registry.get(name)
        check_request(request, procedure)
        with calling(identify(request, procedure)) as caller:
            check_access(procedure, caller)
            check_channel(request, procedure, caller)
            response: HttpResponseBase = compose_for(procedure, request.path, _view_of(procedure))(request)
            return response
    except Exception as error:
        return refuse(request, error, known_position())


@applies_rules
@csrf_exempt
@_outside_atomic_requests
async def acall(request: HttpRequest, name: str) -> HttpResponseBase:
    """See call()."""
    try:
        procedure = await registry.aget(name)
        check_request(request, procedure)
        with calling(await aidentify(request, procedure)) as caller:
            check_access(procedure, caller)
            await acheck_channel(request, procedure, caller)
            response: HttpResponseBase = await compose_for(procedure, request.path, _view_of(procedure))(request)
            return response
    except Exception as error:
        return refuse(request, error, known_position())


@cache
def _view_of(procedure: Procedure[..., Any]) -> Callable[[HttpRequest], Any]:
    """Return the view inside the procedure's middleware."""
    return partial(_arun if procedure.is_async else _run, procedure)


def _run(procedure: Procedure[..., Any], request: HttpRequest) -> HttpResponseBase:
    """Run a call whose caller is known."""
    try:
        options = read_options(request.META, procedure)
        if is_get(request) and (fresh := conditional.find_fresh(request, procedure, options)) is not None:
            return fresh
        arguments = read_arguments(request)
        if procedure.is_stream:
            return _stream(procedure, request, start_stream(procedure, arguments))
        reply = dispatch(procedure, arguments, options)
        response = respond(request, reply)
        if is_get(request):
            conditional.mark(request, procedure, reply, response)
        return response
    except Exception as error:
        return refuse(request, error, known_position())


async def _arun(procedure: Procedure[..., Any], request: HttpRequest) -> HttpResponseBase:
    """See _run()."""
    try:
        options = read_options(request.META, procedure)
        if is_get(request):
            find = partial(conditional.find_fresh, request, procedure, options)
            if (fresh := await asynchronous.call(find)) is not None:
                return fresh
        arguments = read_arguments(request)
        if procedure.is_stream:
            return _stream(procedure, request, start_stream(procedure, arguments))
        reply = await adispatch(procedure, arguments, options)
        response = respond(request, reply)
        if is_get(request):
            conditional.mark(request, procedure, reply, response)
        return response
    except Exception as error:
        return refuse(request, error, known_position())


def _stream(procedure: Procedure[..., Any], request: HttpRequest, items: Any) -> HttpResponseBase:
    """Return the response that runs a generator while it is sent."""
    form, context = choose_format(request.headers.get("Accept", "")), copy_context()
    encode = get_codec(procedure).encode_item
    if isinstance(request, ASGIRequest):
        content: Any = awrite_stream(items, encode, form, context)
    elif procedure.is_async:
        raise NeedsAsgiError(
            f"{procedure.name} streams asynchronously, which WSGI cannot send. Serve the project's asgi.py, for "
            "example with uvicorn, or make it a plain generator."
        )
    else:
        content = write_stream(items, encode, form, context)
    response = StreamingHttpResponse(content, content_type=form.content_type)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Accel-Buffering"] = "no"  # or nginx would keep the items back
    response.headers["Kontract-Txid"] = str(known_position())
    return response


@applies_rules
@csrf_exempt
@_outside_atomic_requests
def batch(request: HttpRequest) -> HttpResponseBase:
    """Answer several calls, one after another; one that fails stops none of the others."""
    try:
        if request.method != "POST":
            raise MethodNotAllowedError(f"A batch is sent with POST, not with {request.method}.", ["POST"])
        calls = read_batch(request)
    except Exception as error:
        return refuse(request, error, known_position())
    items = [as_item(_answer(request, single)) for single in calls]
    return JsonResponse(items, safe=False, headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})


def _answer(request: HttpRequest, single: dict[str, Any]) -> HttpResponseBase:
    name = single["procedure"]
    try:
        procedure = registry.get(name)
        if procedure.is_stream or get_codec(procedure).is_download:
            raise InvalidRequestError(f"{name} gives no JSON value, so it cannot be in a batch. Call it by itself.")
    except Exception as error:
        return refuse(request, error, known_position())
    alone = make_request(request, single, f"{request.path}/{name}")
    return async_to_sync(acall)(alone, name) if procedure.is_async else call(alone, name)
