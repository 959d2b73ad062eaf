"""Streams whose clients do not read, and pages that were being read when somebody came."""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import override_settings

import kontract
from kontract import env
from kontract.events import sharing
from tests.integration.streams.serving import HEADER, Refused, Server, events_with, serving, sign_in, write

users, orders = env.storage.users, env.storage.orders


def flood() -> None:
    for number in range(16):
        users.set(f"u{number}", {"text": "x" * 500_000})


async def open_deaf(server: Server, token: str | None = None) -> socket.socket:
    """Open a stream that nobody reads, on a connection that holds little."""
    place = urlsplit(server.url)
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(made, (place.hostname, place.port))
    name = kontract.context.get_namespace()
    head = f"GET {place.path}events/?table=users HTTP/1.1\r\nHost: x\r\n{HEADER}: {name}\r\n"
    head += f"Authorization: Bearer {token}\r\n" if token else ""
    await loop.sock_sendall(made, f"{head}\r\n".encode())
    assert b"stream-open" in await loop.sock_recv(made, 4096) + await loop.sock_recv(made, 4096)
    return made


async def wait_until_free(server: Server) -> None:
    for _ in range(60):
        if await is_free(server):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the stream of who does not read is still open")


async def is_free(server: Server) -> bool:
    try:
        async with server.stream(table="orders"):
            return True
    except Refused:
        return False


def test_who_does_not_read_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        with events_with(send_seconds=1.0, keep_alive_seconds=0.2, streams_per_network=1):
            async with serving() as server:
                with await open_deaf(server):
                    await asyncio.sleep(1.5)  # in which keep-alives are taken: it is not for being idle
                    assert not await is_free(server)
                    await write(flood)
                    await wait_until_free(server)

    with caplog.at_level("INFO", "kontract.events"):
        asyncio.run(run())
    assert "too_slow" in caplog.text


def test_who_does_not_read_is_cut_off_when_the_token_expires() -> None:
    async def run() -> None:
        with events_with(send_seconds=60.0, streams_per_network=1):
            ours = {**settings.KONTRACT, "AUTH": {"access_seconds": 2.5, "leeway_seconds": 0}}
            with override_settings(KONTRACT=ours):
                somebody = await write(sign_in)
                async with serving() as server:
                    with await open_deaf(server, somebody.token):
                        await write(flood)
                        await wait_until_free(server)

    asyncio.run(run())


def test_who_comes_while_a_page_is_read_is_told_of_its_own_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is of the tables of those who were there, and says nothing of others."""
    is_reading, may_go_on = threading.Event(), threading.Event()
    read: Callable[..., Any] = sharing.read_shared

    def read_slowly(name: str, after: Any, tables: Any, *args: Any) -> Any:
        if not is_reading.is_set():
            is_reading.set()
            may_go_on.wait(10)
        return read(name, after, tables, *args)

    async def run() -> None:
        async with serving() as server, server.stream(table="users") as of_users:
            await write(lambda: users.set("u0", {}))
            await of_users.told(1)
            monkeypatch.setattr(sharing, "read_shared", read_slowly)
            await write(lambda: users.set("u1", {}))
            await asyncio.to_thread(is_reading.wait, 10)
            async with server.stream(table="orders") as of_orders:
                await write(lambda: orders.set("o1", {}))
                may_go_on.set()
                assert [one["id"] for one in await of_orders.told(1)] == ["o1"]
                assert [one["id"] for one in await of_users.told(1)] == ["u1"]

    asyncio.run(run())
