"""When bytes arrive at many clients, by one loop that does nothing but receive, which costs next to nothing.

On few cores a client that also reads what it has received would be what is measured.
"""

import re
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final, NamedTuple

_EVENT: Final = re.compile(rb"event: change\nid: (\d+)")
_OPEN_SECONDS: Final = 30.0


class Arrival(NamedTuple):
    """Bytes, which client they came to, and when by the monotonic clock."""

    client: int
    at: float
    data: bytes


class Clients:
    """Streams that are open, each on a connection of its own."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self._sockets = {one.fileno(): one for one in sockets}
        self._poll = select.epoll()
        for fileno, one in self._sockets.items():
            one.setblocking(False)
            self._poll.register(fileno, select.EPOLLIN)

    def __len__(self) -> int:
        return len(self._sockets)

    def receive(self, seconds: float) -> list[Arrival]:
        """Return what arrives until nothing has for some time."""
        found: list[Arrival] = []
        now, add, sockets, poll = time.monotonic, found.append, self._sockets, self._poll.poll
        while ready := poll(seconds):
            for fileno, _ in ready:
                data = sockets[fileno].recv(65536)
                if not data:
                    raise ConnectionError("The server has ended a stream.")
                add(Arrival(fileno, now(), data))
        return found

    def wait_until_open(self) -> None:
        """Wait until each client has read that its stream is open."""
        missing, deadline = dict.fromkeys(self._sockets, b""), time.monotonic() + _OPEN_SECONDS
        while missing:
            if time.monotonic() > deadline:
                raise ConnectionError(f"{len(missing)} streams have not begun.")
            for client, _, data in self.receive(0.2):
                missing[client] = missing.get(client, b"") + data
            missing = {client: data for client, data in missing.items() if b"event: stream-open" not in data}


@contextmanager
def open_clients(ports: list[int], count: int, query: str) -> Iterator[Clients]:
    """Open ``count`` streams at each port."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(_connect(port, query)) for port in ports for _ in range(count)]
        clients = Clients(sockets)
        clients.wait_until_open()
        yield clients


def _connect(port: int, query: str) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port))
    made.sendall(f"GET /kontract/events/?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return made


def read_changes(arrivals: list[Arrival]) -> Iterator[tuple[int, int, float]]:
    """Yield client, transaction and time of each change; the time is that of the piece that it begins in."""
    rests: dict[int, bytes] = {}
    for client, at, data in arrivals:
        text, end = rests.get(client, b"") + data, 0
        for match in _EVENT.finditer(text):
            if match.end() == len(text):
                break  # perhaps there are more digits
            yield client, int(match[1]), at
            end = match.end()
        rests[client] = text[max(end, len(text) - 64) :]
