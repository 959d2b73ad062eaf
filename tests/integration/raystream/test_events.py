"""Events through the channel: over connections that are cut again and again, from the cursor that came inside."""

import asyncio
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import aclosing, closing, contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.test import override_settings
from pytest_django import DjangoDbBlocker

import kontract
from kontract import env, tables
from tests.generated import imported, write_client
from tests.typescript.streams import TABLES, Cutting, serve

from .server import Proxy
from .wire import options

NAMES = [f"document-of-{number:02}" for number in range(40)]
LONGEST = 0.3  # seconds that a connection lives, and most less, down to none in which a handshake fits


@pytest.fixture(autouse=True)
def place(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A new namespace, with tables that can be followed."""
    with django_db_blocker.unblock(), override_settings(KONTRACT={"TABLES": TABLES, "EVENTS": {}, "AUTH": {}}):
        name = f"events-{uuid.uuid4().hex}"
        tables.create_namespace(name)
        with kontract.namespace(name):
            yield


@pytest.fixture(scope="module")
def channel() -> dict[str, Any]:
    """The settings of a server that takes nothing beside the channel."""
    return options(policy="required")


@pytest.fixture(scope="module")
def api(channel: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The generated module, with the pins in it."""
    with override_settings(KONTRACT={**settings.KONTRACT, "TABLES": TABLES, "RAYSTREAM": channel}):
        path = write_client(tmp_path_factory.mktemp("client"))
    with imported(path) as module:
        yield module


@contextmanager
def writing() -> Iterator[None]:
    """Write documents from another thread, a while long, as the block runs."""
    name = kontract.context.get_namespace()

    def write() -> None:
        with kontract.namespace(name):
            for number in NAMES:
                env.storage.users.set(number, {"name": "Ann"})
                time.sleep(0.03)
        connections.close_all()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_each_change_comes_once_over_connections_that_are_cut(api: Any, channel: dict[str, Any]) -> None:
    with serve(RAYSTREAM=channel) as server, Cutting(server.port, LONGEST).running() as proxy:
        with api.Client(f"{proxy.url}/kontract") as client:
            with closing(client.subscribe("users", after=0)) as changes, writing():
                assert [next(changes).id for _ in NAMES] == NAMES
        assert proxy.cuts >= 2

        async def follow() -> list[str]:
            async with api.AsyncClient(f"{proxy.url}/kontract") as client:
                async with aclosing(client.subscribe("users", after=0)) as changes:
                    return [(await anext(changes)).id for _ in NAMES]

        assert asyncio.run(follow()) == NAMES


def test_a_proxy_sees_neither_events_nor_the_cursor_that_a_client_comes_back_with(
    api: Any, channel: dict[str, Any]
) -> None:
    with serve(RAYSTREAM=channel) as server, Proxy(server.port) as proxy:
        with api.Client(f"http://127.0.0.1:{proxy.port}/kontract") as client:
            cursors = []
            with closing(client.subscribe("users", after=0, where={"name": "secretive"})) as changes:
                for name in NAMES[:3]:
                    env.storage.users.set(name, {"name": "secretive"})
                    cursors.append(next(changes).cursor)
            env.storage.users.set(NAMES[3], {"name": "secretive"})
            with closing(client.subscribe("users", after=cursors[-1])) as changes:
                assert next(changes).id == NAMES[3]
            with closing(client.live(client.live_users, age=7)) as results:
                assert next(results) == []
        seen = proxy.seen.lower()
    assert seen.count(b"post /kontract/_rs") >= 4
    assert b"text/event-stream" in seen
    for word in ("document-of-", "secretive", "subscriptions", "live_users", "last-event-id", "cursor"):
        assert word.encode() not in seen, word
