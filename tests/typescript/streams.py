"""A server of streams in a process of its own, which can be killed and started again, and a network that fails."""

import asyncio
import json
import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import include, path

from tests.integration.auth.server import FAST, RATES, page, script
from tests.processes import Report, Worker

TABLES: dict[str, Any] = {"users": {}, "orders": {}, "private": {"owner_scoped": True}}
EVENTS: dict[str, Any] = {"tables": {"users": None, "private": None, "orders": ["staff"]}, "keep_alive_seconds": 1.0}

_counts: Counter[str] = Counter()


class Server:
    """A server at one address, whichever process it is."""

    def __init__(self, built: Path = Path(), **options: Any) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._built = built
        self._options = options
        self._worker: Worker | None = None

    def start(self) -> None:
        """Serve in the present namespace."""
        self._worker = Worker(run, self.port, self._built, self._options)
        self._worker.report()

    def kill(self) -> None:
        """End the process as a crash does."""
        if self._worker is not None:
            self._worker.kill()
        self._worker = None


@contextmanager
def serve(built: Path = Path(), **options: Any) -> Iterator[Server]:
    """Serve in the present namespace until the block ends, with these options of ``KONTRACT``."""
    server = Server(built, **options)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def run(report: Report, port: int, built: Path, options: dict[str, Any]) -> None:
    """Be the server."""
    names = ["Raystream", "Auth"] if "RAYSTREAM" in options else ["Auth"]
    auth = {"rates": RATES, "cookie_secure": False, **options.pop("AUTH", {})}
    with override_settings(
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        MIDDLEWARE=[f"kontract.middleware.{name}Middleware" for name in names],
        PASSWORD_HASHERS=FAST,
        KONTRACT={"TABLES": TABLES, "EVENTS": EVENTS, "AUTH": auth, **options},
        KONTRACT_TEST_BUILT=built,
    ):
        application = get_asgi_application()

        async def count(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] != "/kontract/events/":
                await application(scope, receive, send)
                return
            _counts["asked"] += 1

            async def note(message: Any) -> None:
                if message["type"] == "http.response.start":
                    opened = message["status"] == 200
                    _counts["opened" if opened else "refused"] += 1
                    _counts["open"] += opened
                    scope["is_counted"] = opened
                await send(message)

            try:
                await application(scope, receive, note)
            finally:
                _counts["open"] -= scope.get("is_counted", False)

        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
        report(None)
        config = uvicorn.Config(count, lifespan="off", log_level="warning", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run([listener])


def counts(request: HttpRequest) -> HttpResponse:
    """Tell how many streams were asked for, opened and refused, and how many are open."""
    return HttpResponse(json.dumps(_counts), content_type="application/json")


class Cutting:
    """A proxy that cuts each connection after a random time, from a thread of its own."""

    def __init__(self, target: int, longest: float) -> None:
        """``target``: the port of the server; ``longest``: seconds that a connection lives."""
        self._target = target
        self._longest = longest
        self._random = random.Random(1)
        self._ends: set[asyncio.StreamWriter] = set()
        self.cuts = 0

    @contextmanager
    def running(self) -> Iterator["Cutting"]:
        """Listen until the block ends."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._loop, self._stop = asyncio.new_event_loop(), asyncio.Event()
        thread = threading.Thread(target=self._run, args=(listener,))
        thread.start()
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(5)

    def _run(self, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._listen(listener))

    async def _listen(self, listener: socket.socket) -> None:
        server = await asyncio.start_server(self._serve, sock=listener)
        await self._stop.wait()
        server.close()
        for end in self._ends:
            end.transport.abort()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            ends.append(back)
            self._ends.update(ends)
            async with asyncio.timeout(self._random.uniform(0.02, self._longest)):
                await asyncio.gather(_pass(reader, back), _pass(there, writer))
        except (OSError, TimeoutError):
            self.cuts += 1
        finally:
            for end in ends:
                end.transport.abort()
            self._ends.difference_update(ends)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        for part in (data[: len(data) // 2], data[len(data) // 2 :]):  # so that a cut may be anywhere
            writer.write(part)
            await writer.drain()


urlpatterns = [
    path("", page),
    path("counts", counts),
    path("built/<path:name>", script),
    path("kontract/", include("kontract.urls")),
]
