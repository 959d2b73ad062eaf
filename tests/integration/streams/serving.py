"""A real server in the test's own event loop, and clients that read its streams."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import uvicorn
from asgiref.sync import iscoroutinefunction
from django.core.asgi import get_asgi_application
from django.http import HttpRequest
from django.test import override_settings
from django.utils.decorators import async_only_middleware

import kontract
from kontract import perms
from kontract.auth import principals, sessions
from kontract.auth.models import Principal
from kontract.auth.providers import State
from kontract.auth.tokens import make_access

HEADER = "Kontract-Test-Namespace"
MIDDLEWARE = ["tests.integration.streams.serving.in_namespace"]
TABLES = {
    "users": {"fields": {"secret": perms.___}},
    "orders": {},
    "private": {"owner_scoped": True},
    "closed": {"perm": perms._W_},
    "audit": {},
    "hidden": {},
}
EVENTS = {"tables": {"users": None, "orders": None, "private": None, "closed": None, "audit": ["staff", "auditors"]}}


def events_with(**options: Any) -> override_settings:
    """Return a block with other options of events."""
    return override_settings(KONTRACT={"TABLES": TABLES, "EVENTS": {**EVENTS, **options}})


@async_only_middleware
def in_namespace(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Let each request work in the namespace of its test."""
    assert iscoroutinefunction(get_response)

    async def answer(request: HttpRequest) -> Any:
        with kontract.namespace(request.headers[HEADER]):
            return await get_response(request)

    return answer


class Event(NamedTuple):
    """An event as it came."""

    name: str
    data: Any
    id: str | None


class Reader:
    """One open stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._events = self._parse()
        self.cursor: str | None = None

    async def _parse(self) -> AsyncIterator[Event]:
        fields: dict[str, str] = {}
        async for line in self.response.aiter_lines():
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
                continue
            if "event" in fields:
                data = fields.get("data")
                yield Event(fields["event"], json.loads(data) if data else None, fields.get("id"))
            fields = {}

    async def next(self, seconds: float = 5.0) -> Event:
        """Return the next event; raise ``TimeoutError`` where none comes."""
        event = await asyncio.wait_for(anext(self._events), seconds)
        self.cursor = event.id or self.cursor
        return event

    async def told(self, count: int) -> list[dict[str, Any]]:
        """Return the next ``count`` changes, each as the only subscription is told of it."""
        found = []
        for _ in range(count):
            event = await self.next()
            assert event.name == "change", event
            (one,) = event.data["to"].values()
            found.append(one)
        return found

    async def is_quiet(self, seconds: float = 0.3) -> bool:
        """Return whether nothing comes for a while; the stream is of no use afterwards."""
        try:
            await self.next(seconds)
        except TimeoutError:
            return True
        return False


class Server:
    """A server, and what a client asks of it in one namespace."""

    def __init__(self, port: int, name: str) -> None:
        self.url = f"http://127.0.0.1:{port}/kontract/"
        self.client = httpx.AsyncClient(headers={HEADER: name}, timeout=10)

    @asynccontextmanager
    async def stream(self, body: Any = None, *, token: str | None = None, **asked: Any) -> AsyncIterator[Reader]:
        """Open a stream, with GET or, where there is a ``body``, with POST, and read that it is open."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Last-Event-ID": asked.pop("last")} if "last" in asked else {}
        params = {key: value if isinstance(value, str) else json.dumps(value) for key, value in asked.items()}
        method = "GET" if body is None else "POST"
        request = self.client.build_request(
            method, f"{self.url}events/", params=params, headers=headers, **({} if body is None else {"json": body})
        )
        response = await self.client.send(request, stream=True)
        try:
            if response.status_code != 200:
                await response.aread()
                raise Refused(response)
            reader = Reader(response)
            opened = await reader.next()
            assert opened.name == "stream-open", opened
            yield reader
        finally:
            await response.aclose()


class Caller(NamedTuple):
    """Somebody who has signed in."""

    principal: Principal
    sid: str
    token: str

    def join(self, *groups: str) -> None:
        """Be in these groups, and in no others."""
        principals.set_groups(self.principal, list(groups))

    def log_out(self) -> None:
        """End the session."""
        sessions.end(self.principal.id, only=self.sid)


def sign_in(*groups: str) -> Caller:
    """Return a new principal in some groups, with a session."""
    principal = Principal.objects.create(is_anonymous=False, ugroups=list(groups))
    sid = sessions.create(principal.id, State(), agent="", ip="")
    return Caller(principal, sid, make_access(principal.id, sid, epoch=principal.epoch, is_anonymous=False))


class Refused(Exception):
    """A stream that did not begin."""

    def __init__(self, response: httpx.Response) -> None:
        self.problem = response.json()
        super().__init__(self.problem)
        self.status = response.status_code


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """Serve the project within the block."""
    config = uvicorn.Config(
        get_asgi_application(), port=0, lifespan="off", log_level="error", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    made = Server(server.servers[0].sockets[0].getsockname()[1], kontract.context.get_namespace())
    try:
        async with made.client:
            yield made
    finally:
        server.should_exit = True
        await task


async def write(function: Callable[..., Any], *args: Any) -> Any:
    """Call what writes, in a thread that closes its connection."""

    def call() -> Any:
        from django.db import connections

        try:
            return function(*args)
        finally:
            connections.close_all()

    return await asyncio.to_thread(call)
