"""``events/``: the stream of server-sent events, over HTTP and through the encrypted channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from kontract.conf import Policy
from kontract.context import CallContext, Identity, get_namespace, namespace
from kontract.events.asking import Asked, Followed, Subscribed, read_request
from kontract.events.credentials import Credential, find_credential, list_seats
from kontract.events.cursor import Cursor
from kontract.events.live import Question
from kontract.events.running import find_procedure, make_context
from kontract.events.seats import seats
from kontract.events.sharing import catchers, read_latest, run
from kontract.events.subscriptions import TableSubscription, make_subscription
from kontract.exceptions import AsgiRequiredError, ConfigurationError
from kontract.mvcc import asynchronous
from kontract.rpc.channel import acheck_channel
from kontract.rpc.position import known_position
from kontract.rpc.registry import registry
from kontract.rpc.responses import refuse

_HEADERS: Final = {
    "Cache-Control": "no-cache, no-transform",
    "Content-Encoding": "identity",  # or GZipMiddleware would keep events back until it has enough of them
    "X-Accel-Buffering": "no",  # and nginx
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Events:
    """What the policy of the encrypted channel takes for a procedure: subscriptions to tables, in no endpoint group."""

    name: str = "events"
    egroup: str = ""
    raystream: Policy | None = None


@csrf_exempt  # it changes nothing, and other sites cannot read it
async def events(request: HttpRequest) -> HttpResponseBase:
    """Answer with a stream of events, or with the problem that keeps it from beginning."""
    try:
        if not isinstance(request, ASGIRequest):
            raise AsgiRequiredError(
                "Events need a server that speaks ASGI, and this one speaks WSGI. Serve the project's asgi.py, for "
                "example: uvicorn project.asgi:application"
            )
        return await _open(request)
    except Exception as error:
        return refuse(request, error, known_position())


async def _open(request: HttpRequest) -> HttpResponseBase:
    try:
        from kontract.events.response import EventsResponse
        from kontract.events.stream import Stream
    except ImportError as error:  # of django-eventstream, which only streams need
        raise ConfigurationError(f'Streams need more packages ({error}): pip install "kontract[events]"') from error
    asked, after = read_request(request)
    credential, identity = await _identify(request)
    await _check_channel(request, asked, identity)
    tables, questions = await _prepare(asked)
    seat = seats.take(list_seats(request, identity))
    try:
        cursor = after or Cursor(await run(catchers, read_latest, get_namespace()))
        stream = Stream(
            request,
            tables=tables,
            questions=questions,
            identity=identity,
            credential=credential,
            cursor=cursor,
            is_resumed=after is not None,
            seat=seat,
        )
        stream.check()
    except BaseException:
        seat.release()
        raise
    response = EventsResponse(stream, content_type="text/event-stream", headers=_HEADERS)
    response._resource_closers.append(seat.release)  # type: ignore[attr-defined]  # also if it never begins
    return response


async def _identify(request: HttpRequest) -> tuple[Credential, Identity]:
    """Return who asks, as the database has it now.  Raises ``InvalidTokenError`` and ``SessionRevokedError``."""
    name = get_namespace()

    def look() -> tuple[Credential, Identity]:
        with namespace(name):
            credential = find_credential(request)
            return credential, credential.renew()

    return await asynchronous.call(look)


async def _check_channel(request: HttpRequest, asked: Mapping[str, Asked], identity: Identity) -> None:
    """Raise unless the request came through the encrypted channel where that is required, and through its own."""
    call = CallContext(owner=identity.owner, is_anonymous=identity.is_anonymous)
    if any(isinstance(one, Subscribed) for one in asked.values()):
        await acheck_channel(request, _Events(), call)
    for one in asked.values():
        if isinstance(one, Followed):
            procedure = await registry.aget(one.live)
            await acheck_channel(request, procedure, make_context(procedure, identity, request))


async def _prepare(asked: Mapping[str, Asked]) -> tuple[dict[str, TableSubscription], dict[str, Question]]:
    tables = {
        name: make_subscription(one.table, one.where, with_old=one.old)
        for name, one in asked.items()
        if isinstance(one, Subscribed)
    }
    questions = {
        name: Question(procedure=await sync_to_async(find_procedure)(one.live), args=one.args, known=one.known)
        for name, one in asked.items()
        if isinstance(one, Followed)
    }
    return tables, questions
