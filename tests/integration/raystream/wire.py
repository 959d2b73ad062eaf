"""A client of the channel whose wire is one of Django's own test clients: what it posts and gets are outer bytes."""

import base64
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient
from django.test import Client as DjangoClient
from django.utils.decorators import sync_and_async_middleware

from kontract.context import Identity
from kontract.raystream.answers import Data, End
from kontract.raystream.client import Call, Client, Step
from kontract.raystream.envelope import RequestHead, ResponseHead
from kontract.raystream.framing import Framing, Lengths, Lines
from kontract.raystream.keys import Pins, StaticKey
from kontract.raystream.suites import SUITES

MIDDLEWARE = "kontract.middleware.RaystreamMiddleware"
SIGN_IN = f"{__name__}.sign_in"
OUTER = "/kontract/_rs"
AUDIENCE = "tests.example"
DAY = (datetime.now(UTC) + timedelta(days=300)).date().isoformat()
KEYS = [StaticKey.generate(not_after=1e12) for _ in range(2)]
PINS = Pins(audience=AUDIENCE, keys=tuple(key.public for key in KEYS))


def in_base64(secret: bytes) -> str:
    return base64.b64encode(secret).decode()


def options(**changes: Any) -> dict[str, Any]:
    """Return ``KONTRACT["RAYSTREAM"]``."""
    keys = [{"key": in_base64(key.private_bytes()), "not_after": DAY} for key in KEYS]
    return {"audience": AUDIENCE, "keys": keys, "wrapping_key": in_base64(bytes(range(32))), **changes}


class Answer(NamedTuple):
    """What was in a sealed response, and the response around it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    outer: HttpResponse

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One process of the server, as its client reaches it; each has a handler, and so a memory, of its own."""

    def __init__(self, *, is_async: bool = False) -> None:
        self.is_async = is_async
        self._client: Any = AsyncClient() if is_async else DjangoClient()

    def post(self, data: bytes, **more: Any) -> HttpResponse:
        """Post outer bytes; return the outer response, whole."""
        more = {"content_type": "application/raystream", **more}
        return self._async_post(data, more) if self.is_async else self._read(self._client.post(OUTER, data, **more))

    @async_to_sync
    async def _async_post(self, data: bytes, more: Any) -> HttpResponse:
        response = await self._client.post(OUTER, data, **more)
        if response.streaming:
            response.wire = b"".join([part async for part in response])
        else:
            response.wire = response.content
        return response  # type: ignore[no-any-return]

    def _read(self, response: Any) -> HttpResponse:
        response.wire = b"".join(response) if response.streaming else response.content
        return response  # type: ignore[no-any-return]


class Peer:
    """A client with its session; calls go over the wire that they name."""

    def __init__(self, wire: Wire, *, suite: int = 1) -> None:
        self.wire = wire
        self.client = Client(PINS, suite=SUITES[suite])

    def connect(self) -> "Peer":
        """Make a handshake, or resume."""
        now = time.time()
        opening = self.client.start() if self.client.next_step(now) is Step.START else self.client.resume()
        response = self.wire.post(opening)
        assert response.status_code == 200
        self.client.receive(response.content, now)
        return self

    def seal(self, method: str, path: str, body: bytes = b"", **headers: str) -> Call:
        """Return a sealed request, which is not sent."""
        named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return self.client.request(RequestHead(method=method, path=path, headers=named), body, time.time())

    def seal_call(self, name: str, *args: Any, **headers: str) -> Call:
        """Return a sealed call of a procedure."""
        headers = {"content_type": "application/json", **headers}
        return self.seal("POST", f"/kontract/rpc/{name}", json.dumps({"args": args}).encode(), **headers)

    def send(self, call: Call, wire: Wire | None = None, **outer: Any) -> Answer:
        """Send a sealed request and open the answer, which must be whole."""
        response = (wire or self.wire).post(call.frame, **outer)
        return open_answer(call, response)

    def call(self, name: str, *args: Any, **headers: str) -> Answer:
        """Call a procedure."""
        return self.send(self.seal_call(name, *args, **headers))


def open_answer(call: Call, response: Any) -> Answer:
    """Open the outer response to a call."""
    assert response.status_code == 200, response.wire
    framing: type[Framing] = Lines if response["Content-Type"] == Lines.content_type else Lengths
    opener = call.open(framing)
    head, *rest = opener.feed(response.wire)
    opener.close()
    assert isinstance(head, ResponseHead)
    assert rest[-1] == End()
    body = b"".join(event.data for event in rest if isinstance(event, Data))
    return Answer(head.status, dict(head.headers), body, response)


@sync_and_async_middleware
def sign_in(get_response: Any) -> Any:
    """Take the token for who calls; one that begins with "-" is an anonymous visitor's."""

    def identify(request: HttpRequest) -> None:
        owner = request.META.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
        if owner:
            request.kontract_identity = Identity(owner=owner, is_anonymous=owner[0] == "-")  # type: ignore[attr-defined]

    def handle(request: HttpRequest) -> Any:
        identify(request)
        return get_response(request)

    async def ahandle(request: HttpRequest) -> Any:
        identify(request)
        return await get_response(request)

    return ahandle if iscoroutinefunction(get_response) else handle
