"""Clients that read streams from sockets, as cheaply as can be, so that what is measured is the server."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, NamedTuple


class Event(NamedTuple):
    """An event, and when it came by the monotonic clock."""

    name: str
    id: str
    data: str
    at: float


async def read_events(port: int, query: str, last: str = "") -> AsyncIterator[Event]:
    """Open a stream and yield its events until it ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = f"GET /kontract/events/?{query} HTTP/1.1\r\nHost: x\r\n"
        writer.write(f"{head}{f'Last-Event-ID: {last}' if last else 'X-None: 1'}\r\n\r\n".encode())
        status = await reader.readline()
        if b" 200 " not in status:
            raise ConnectionError(status.decode())
        while (await reader.readline()).strip():  # the headers
            pass
        name = event_id = data = ""
        async for line in _read_lines(reader):
            if line.startswith(b"event: "):
                name = line[7:].decode()
            elif line.startswith(b"id: "):
                event_id = line[4:].decode()
            elif line.startswith(b"data:"):
                data = line[5:].decode()
            elif not line and name:
                yield Event(name, event_id, data, time.monotonic())
                name = event_id = data = ""
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _read_lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield the lines of a body in chunks (RFC 9112, section 7.1), which may end anywhere in a line."""
    rest = b""
    while size := int(await reader.readline() or b"0", 16):
        *lines, rest = (rest + (await reader.readexactly(size + 2))[:-2]).split(b"\n")
        for line in lines:
            yield line


class Subscriber:
    """One that follows the table of items, leaves now and then, and comes back where it was."""

    def __init__(self, port: int, cursor: str, leaves: float) -> None:
        self._port = port
        self._leaves = leaves
        self._cursor = cursor
        self.told: list[tuple[str, str, str]] = []  # cursor, kind and id
        self.resets = 0
        self.connections = 0

    async def follow(self, end: str) -> None:
        """Read until the document ``end`` was written."""
        while True:
            try:
                self.connections += 1
                if await self._read(end):
                    return
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(random.uniform(0.02, 0.2))

    async def _read(self, end: str) -> bool:
        events = read_events(self._port, "table=items", self._cursor)
        try:
            async for event in events:
                self._cursor = event.id or self._cursor
                if event.name == "stream-reset":
                    self.resets += 1
                if event.name != "change":
                    continue
                told: dict[str, Any] = json.loads(event.data)["to"][""]
                self.told.append((event.id, told["type"], told["id"]))
                if told["id"] == end:
                    return True
                if random.random() < self._leaves:
                    return False
        finally:
            await events.aclose()  # type: ignore[attr-defined]
        return False
