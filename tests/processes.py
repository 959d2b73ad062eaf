"""Real processes that read and write beside the test, and can be killed.

They come from a fork server that has loaded Django once, so a dozen of them start in a moment; each opens a database
connection of its own and shares nothing else with the test::

    def count(report: Report, last: int) -> None:      # on the top level of a module
        for n in range(last): report(n)

    worker = Worker(count, 10)
    worker.reports()                                   # waits for its end: [0, 1, ...]
"""

import multiprocessing
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import django
from django.apps import apps
from django.conf import settings
from django.db import connections
from django.test import override_settings

import kontract
from kontract.context import get_namespace

if not apps.ready:  # in the fork server, before it forks
    django.setup()

Report = Callable[[Any], None]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


class Worker:
    """A process that runs ``function(report, *args)`` in the test's database, namespace and settings."""

    def __init__(self, function: Callable[..., None], *args: Any, using: str = "default") -> None:
        self._receiver, sender = _context.Pipe(duplex=False)
        self.application_name = f"worker-{uuid.uuid4()}"  # as the server sees it
        database = connections.databases[using]
        database = {**database, "OPTIONS": {**database["OPTIONS"], "application_name": self.application_name}}
        place = database, settings.KONTRACT, get_namespace()
        self.process = _context.Process(target=_work, args=(sender, place, function, args), daemon=True)
        self.process.start()
        sender.close()

    def report(self) -> Any:
        """Wait for the next report and return it."""
        assert self._receiver.poll(20), "the worker is silent"
        return self._receiver.recv()

    def reports(self) -> list[Any]:
        """Wait until the process ends and return everything that it has reported and nobody has read."""
        reports = []
        try:
            while self._receiver.poll(60):
                reports.append(self._receiver.recv())
        except EOFError:
            self.process.join(20)
            return reports
        raise AssertionError("the worker does not end")

    def finish(self) -> list[Any]:
        """Wait for a good end and return the reports."""
        reports = self.reports()
        assert self.process.exitcode == 0, "the worker failed; its error is above"
        return reports

    def kill(self) -> None:
        """End the process by SIGKILL."""
        self.process.kill()
        self.process.join(20)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        self._receiver.close()


def _work(sender: Any, place: tuple[dict[str, Any], dict[str, Any], str], function: Any, args: tuple[Any, ...]) -> None:
    database, options, namespace = place
    connections.databases["default"] = database
    connections["default"].settings_dict = database  # loading the application may have made it
    with override_settings(KONTRACT=options), kontract.namespace(namespace):
        function(sender.send, *args)
