"""``manage.py kontract_consume``: run the durable consumers of changes."""

import signal
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kontract.context import namespace
from kontract.events.consumers import discover, registry
from kontract.events.consuming import Worker
from kontract.events.source import Source
from kontract.exceptions import KontractError
from kontract.management import consuming


class Command(BaseCommand):
    """Run what ``@kontract.on_change`` has registered."""

    help = (
        "Run the consumers that @kontract.on_change has registered in the events modules of the installed apps, until "
        "SIGTERM or Ctrl-C. Start as many of these processes as you like: they share the work."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("names", nargs="*", help="consumers, by name (default: all)")
        parser.add_argument("--database", help="alias of the database (default: what the routers say)")
        parser.add_argument(
            "--namespace", action="append", help="may be given several times (default: the default one)"
        )
        parser.add_argument("--once", action="store_true", help="end when everything is done that there is")
        parser.add_argument("--list", action="store_true", help="show where they are; with --dead what was put aside")
        parser.add_argument("--dead", action="store_true", help="try once more what was put aside")
        parser.add_argument("--reset", metavar="NAME", help="move a consumer to the present, or where --to says")
        parser.add_argument("--to", metavar="CURSOR", help="with --reset: a position, or 'beginning'")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        discover()
        try:
            if options["list"] or options["dead"] or options["reset"]:
                failed = sum(self._look(options))
            else:
                failed = self._run(options)
        except KontractError as error:
            raise CommandError(str(error)) from error
        if failed:
            raise CommandError("Some changes could not be taken: see the log, and --list.")

    def _run(self, options: dict[str, Any]) -> bool:
        chosen = [registry.get(name) for name in options["names"]] or list(registry)
        if not chosen:
            raise CommandError("There is no consumer: put @kontract.on_change(...) into the events.py of an app.")
        worker = Worker(chosen, options["namespace"] or [""], using=options["database"], report=self.stdout.write)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        self.stdout.write(f"{worker.name} runs {', '.join(consumer.name for consumer in chosen)}")
        worker.run(once=options["once"])
        self.stdout.write(f"{worker.name} has ended")
        return options["once"] and worker.has_failures

    def _look(self, options: dict[str, Any]) -> Iterator[bool]:
        """Do what needs no worker, in each namespace; yield whether something failed."""
        for name in options["namespace"] or [""]:
            with namespace(name):
                source = Source.here(using=options["database"])
                if options["reset"]:
                    self.stdout.write(consuming.reset(source, options["reset"], options["to"]))
                elif options["list"]:
                    lines = consuming.show_dead(source) if options["dead"] else consuming.show(source)
                    self.stdout.writelines(f"{line}\n" for line in lines)
                else:
                    for done, line in consuming.retry_dead(source, options["names"]):
                        self.stdout.write(line)
                        yield not done
