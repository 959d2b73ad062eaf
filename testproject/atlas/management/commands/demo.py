"""``manage.py demo``: everything from an empty directory to a page and calls that work."""

import socket
from argparse import ArgumentParser
from contextlib import suppress
from io import StringIO
from typing import Any

import trips.loading
import uvicorn
from config.home import CLIENT
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

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
        call_command("kontract_migrate", interactive=False, stdout=StringIO())
        atlas.loading.load()
        trips.loading.load()
        call_command("kontract_compile", javascript=CLIENT, stdout=StringIO())
        with listen(options["port"]) as listener:
            self._explain(f"http://127.0.0.1:{listener.getsockname()[1]}/")
            if not options["no_serve"]:
                serve(listener)

    def _explain(self, root: str) -> None:
        self.stdout.write("\nIn another terminal, calls to try:\n\n")
        for example in get_examples():
            self.stdout.write(self.style.HTTP_NOT_MODIFIED(f"# {example.title}") + f"\n{example.curl(root)}\n\n")
        self.stdout.write(f"The demo is at {self.style.SUCCESS(root)} (Ctrl-C ends it)\n")
        self.stdout.flush()


def listen(port: int | None) -> socket.socket:
    """Return a socket on the port; without one, on the usual port, or where that is taken on a free one."""
    for number in (PORT, 0) if port is None else (port,):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", number))
        except OSError:
            listener.close()
        else:
            return listener
    raise CommandError(f"Port {port} of 127.0.0.1 is taken. Choose another one with --port.")


def serve(listener: socket.socket) -> None:
    """Serve until Ctrl-C.  Streams that are open then are cut off, which uvicorn would tell as an error."""
    config = uvicorn.Config(
        "config.asgi:application", lifespan="off", log_level="critical", timeout_graceful_shutdown=1
    )
    with suppress(KeyboardInterrupt):  # uvicorn passes it on when all has ended
        uvicorn.Server(config).run(sockets=[listener])
