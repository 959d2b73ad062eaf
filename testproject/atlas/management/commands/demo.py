"""``manage.py demo``: everything from an empty directory to calls that work."""

import socket
from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from atlas.examples import get_examples
from atlas.loading import load

PORT = 8000


class Command(BaseCommand):
    """Create the tables, load the data, print calls to try, and serve them."""

    help = "Create the tables, load the data unless it is there, print calls to try, and serve them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("--port", type=int, help=f"port to serve on (default: {PORT}, or a free one)")
        parser.add_argument("--no-serve", action="store_true", help="stop after loading and printing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        call_command("migrate", verbosity=0)
        load()
        port = options["port"] or find_port()
        self._explain(f"http://127.0.0.1:{port}/")
        if not options["no_serve"]:
            call_command("runserver", f"127.0.0.1:{port}", use_reloader=False)

    def _explain(self, root: str) -> None:
        self.stdout.write(f"\nThe demo is at {self.style.SUCCESS(root)}\nIn another terminal:\n\n")
        for example in get_examples():
            self.stdout.write(self.style.HTTP_NOT_MODIFIED(f"# {example.title}") + f"\n{example.curl(root)}\n\n")
        self.stdout.flush()


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
