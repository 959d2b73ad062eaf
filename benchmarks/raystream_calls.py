"""``python -m benchmarks.raystream_calls``: what a call of 1 KB costs through the encrypted channel.

The generated client's runtime makes the same call with the channel and without, in turns, to servers in the same
process: to Django's whole WSGI handler, so that both ends count and no network; with ``--live`` to uvicorn over TCP, as
clients do, with a pool of connections as ``docs/deploying.md`` has it.  The database commits for real.
"""

import argparse
import functools
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.measure import Effort, Ratio, compare, ratio

LIMIT = 1.3  # of the same call without
PLAIN, FLUSHED, UNFLUSHED = "plain", "sealed", 'sealed, "flush": False'
NAMES = (PLAIN, FLUSHED, UNFLUSHED)
CALLS = {"bench_echo": "uses no storage", "bench_read": "reads a document", "bench_write": "writes a document"}
TEXT = "0123456789abcdef" * 64  # 1 KB


class Calls:
    """Calls of one procedure by three clients, each of which has a server of its own."""

    def __init__(self, procedure: str, *, live: bool) -> None:
        from kontract.client import Procedure

        self._procedure: Any = Procedure(name=procedure, result=str, arguments={"text": str}, is_read_only=True)
        self._clients = {name: make_client(name, live=live) for name in NAMES}

    def operation(self, name: str, step: int) -> Callable[[], Any]:
        """Return one call."""
        return functools.partial(self._clients[name]._call, self._procedure, {"text": TEXT})

    def verify(self, name: str, step: int, result: Any) -> None:
        """Check the answer.  Raises ``SystemExit``."""
        if result != TEXT:
            sys.exit(f"{name} answered {result!r}")


def make_client(name: str, *, live: bool) -> Any:
    """Return a client, and the server that it calls."""
    from django.test import override_settings

    from kontract.client import BaseClient, Pins
    from kontract.raystream.keys import StaticKey

    key = StaticKey.generate(not_after=0)
    middleware, channel = [], {}
    if name != PLAIN:
        middleware = ["kontract.middleware.RaystreamMiddleware"]
        channel = {"RAYSTREAM": _set_up(key.private_bytes(), flush=name == FLUSHED)}
    with override_settings(MIDDLEWARE=middleware, KONTRACT={"TABLES": ["documents"], **channel}):
        http, url = _serve() if live else _embed()
    pins = None if name == PLAIN else Pins(audience="benchmark", keys=(key.public,))
    return BaseClient(url, http=http, raystream=pins)


def _embed() -> tuple[Any, str]:
    import httpx
    from django.core.handlers.wsgi import WSGIHandler

    return httpx.Client(transport=httpx.WSGITransport(WSGIHandler())), "http://localhost/kontract/"


def _serve() -> tuple[Any, str]:
    import httpx
    import uvicorn
    from django.core.asgi import get_asgi_application

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(get_asgi_application(), lifespan="off", log_level="error"))
    threading.Thread(target=server.run, args=([listener],), daemon=True).start()
    return httpx.Client(), f"http://localhost:{listener.getsockname()[1]}/kontract/"


def _set_up(secret: bytes, *, flush: bool) -> dict[str, Any]:
    import base64

    keys = [{"key": base64.b64encode(secret).decode(), "not_after": "2100-01-01"}]
    wrapping_key = base64.b64encode(os.urandom(32)).decode()
    return {"audience": "benchmark", "keys": keys, "wrapping_key": wrapping_key, "flush": flush}


@contextmanager
def configured(*, pool: bool) -> Iterator[None]:
    """Set Django up, on a database that is made anew.

    Under ASGI Django opens a connection for each request, unless there is a ``pool``.
    """
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
    django.setup()
    from django.db import connection
    from django.test import override_settings

    from benchmarks.database import fresh_database

    with fresh_database(), override_settings(ROOT_URLCONF="benchmarks.raystream_urls", ALLOWED_HOSTS=["localhost"]):
        if pool:
            connection.close()
            connection.settings_dict |= {"CONN_MAX_AGE": 0, "OPTIONS": {"pool": True}}
        yield


def measure(effort: Effort, *, live: bool) -> dict[str, dict[str, Ratio]]:
    """Return how many times as long the sealed calls take."""
    found = {}
    for procedure, title in CALLS.items():
        times = compare(Calls(procedure, live=live), NAMES, effort)
        found[title] = {name: ratio(times, name, PLAIN) for name in (FLUSHED, UNFLUSHED)}
    return found


def main() -> None:
    """Measure and print; a missed target is no failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.raystream_calls", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="rounds of 20 calls of each kind (default: 30)")
    parser.add_argument("--live", action="store_true", help="call uvicorn over TCP")
    options = parser.parse_args()
    with configured(pool=options.live):
        effort = Effort(rounds=options.rounds, repeats=20, warm_up=30)
        for title, ratios in measure(effort, live=options.live).items():
            for name, found in ratios.items():
                verdict = "met" if found.median <= LIMIT else "missed"
                print(f"a call that {title:<20} {name:<24} {found} times plain (target {LIMIT}: {verdict})")


if __name__ == "__main__":
    main()
