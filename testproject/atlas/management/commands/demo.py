"""``manage.py demo``: everything from an empty directory to a page and calls that work."""

import socket
from argparse import ArgumentParser
from io import StringIO
from typing import Any

import trips.loading
import uvicorn
from config.home import CLIENT
from django.core.management import call_command
from django.core.management.base import BaseCommand

import atlas.loading
from atlas.examples import get_examples

PORT = 8000


class Command(BaseCommand):
    """Create the tables, load the data, write the page's client, print calls to try, and serve all of it."""

    help = (
        "Create the tables, load the data unless it is there, write the page's client, print calls to try, and serve."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("--port", type=int, help=f"port to serve on (default: {PORT}, or a free one)")
        parser.add_argument("--no-serve", action="store_true", help="stop after loading and printing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        call_command("migrate", verbosity=0)
        atlas.loading.load()
        trips.loading.load()
        call_command("kontract_compile", javascript=CLIENT, stdout=StringIO())
        port = options["port"] or find_port()
        self._explain(f"http://127.0.0.1:{port}/")
        if not options["no_serve"]:
            serve(port)

    def _explain(self, root: str) -> None:
        self.stdout.write("\nIn another terminal, calls to try:\n\n")
        for example in get_examples():
            self.stdout.write(self.style.HTTP_NOT_MODIFIED(f"# {example.title}") + f"\n{example.curl(root)}\n\n")
        self.stdout.write(f"The demo is at {self.style.SUCCESS(root)} (Ctrl-C ends it)\n")
        self.stdout.flush()


def serve(port: int) -> None:
    """Serve until Ctrl-C; streams that are open then have a second to end."""
    uvicorn.run("config.asgi:application", port=port, lifespan="off", log_level="error", timeout_graceful_shutdown=1)


def find_port() -> int:
    """Return the usual port, or where that is taken a free one."""
    for port in (PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise OSError("No port is free on 127.0.0.1.")
