"""The zoo behind a real server, in a process of its own."""

import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from django.core.asgi import get_asgi_application
from django.test import override_settings

import kontract
from kontract import tables
from tests.processes import Report, Worker


@contextmanager
def serve() -> Iterator[str]:
    """Serve the tests' database, in a new namespace, until the block ends; give the URL that kontract is mounted at."""
    namespace = f"zoo-{uuid.uuid4().hex}"
    tables.create_namespace(namespace)
    with kontract.namespace(namespace), Worker(_serve) as worker:
        yield f"http://127.0.0.1:{worker.report()}/kontract/"


def _serve(report: Report) -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)  # connections wait until the server takes them
    report(listener.getsockname()[1])
    with override_settings(ALLOWED_HOSTS=["127.0.0.1"]):
        config = uvicorn.Config(get_asgi_application(), lifespan="off", log_level="warning")
        uvicorn.Server(config).run([listener])
