"""Streams whose clients do not read, and pages that were being read when somebody came."""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

import kontract
from kontract import env
from kontract.events import sharing
from tests.integration.streams.serving import HEADER, Refused, Server, events_with, serving, write

users, orders = env.storage.users, env.storage.orders


def flood() -> None:
    for number in range(40):
        users.set(f"u{number}", {"text": "x" * 500_000})


async def open_deaf(server: Server) -> socket.socket:
    """Open a stream that nobody reads, on a connection that holds little."""
    place = urlsplit(server.url)
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(made, (place.hostname, place.port))
    name = kontract.context.get_namespace()
    head = f"GET {place.path}events/?table=users HTTP/1.1\r\nHost: x\r\n{HEADER}: {name}\r\n\r\n"
    await loop.sock_sendall(made, head.encode())
    assert b"stream-open" in await loop.sock_recv(made, 4096) + await loop.sock_recv(made, 4096)
    return made


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
                    for _ in range(60):
                        if await is_free(server):
                            return
                        await asyncio.sleep(0.1)
                    raise AssertionError("the stream of who does not read is still open")

    with caplog.at_level("INFO", "kontract.events"):
        asyncio.run(run())
    assert "too_slow" in caplog.text


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
