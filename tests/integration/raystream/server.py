"""Real servers, in processes of their own, with the channel set up; and a proxy that writes down what passes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
from django.core.asgi import get_asgi_application
from django.test import override_settings

from tests.processes import Report, Worker

from .wire import MIDDLEWARE, SIGN_IN


@contextmanager
def serve() -> Iterator[int]:
    """Serve the tests' database, in the current namespace and settings, until the block ends; give the port."""
    with Worker(_serve) as worker:
        yield worker.report()


def _serve(report: Report) -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    report(listener.getsockname()[1])
    with override_settings(ALLOWED_HOSTS=["*"], MIDDLEWARE=[MIDDLEWARE, SIGN_IN]):
        config = uvicorn.Config(get_asgi_application(), lifespan="off", log_level="warning")
        uvicorn.Server(config).run([listener])


class Proxy:
    """A TCP proxy in a thread: each connection goes to the next of its servers, and all bytes are kept."""

    def __init__(self, *ports: int) -> None:
        self.ports = list(ports)
        self.up = bytearray()
        self.down = bytearray()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> "Proxy":
        self._threads[0].start()
        return self

    def __exit__(self, *args: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(5)
        self.cut()
        for thread in self._threads:
            thread.join(5)
        for each in (self._listener, *self._sockets):
            each.close()

    def cut(self) -> None:
        """Break all connections."""
        for each in self._sockets:
            with suppress(OSError):  # it is broken already
                each.shutdown(socket.SHUT_RDWR)

    @property
    def seen(self) -> bytes:
        """All bytes that have passed, in both directions."""
        return bytes(self.up + self.down)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # the block has ended
                return
            self.ports.append(port := self.ports.pop(0))
            server = socket.create_connection(("127.0.0.1", port))
            self._sockets += [client, server]
            for source, target, kept in ((client, server, self.up), (server, client, self.down)):
                self._threads.append(threading.Thread(target=self._pump, args=(source, target, kept), daemon=True))
                self._threads[-1].start()

    def _pump(self, source: socket.socket, target: socket.socket, kept: bytearray) -> None:
        with suppress(OSError):  # one of the two has gone
            while data := source.recv(65536):
                kept += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
