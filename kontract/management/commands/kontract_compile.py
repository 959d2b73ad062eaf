"""``manage.py kontract_compile``: clients, the OpenAPI document and the manifest of routes."""

import subprocess
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.autoreload import get_child_arguments

from kontract.codegen import outputs, writer
from kontract.codegen.watcher import watch
from kontract.exceptions import KontractError


class Command(BaseCommand):
    """Write what is generated from the project's procedures, or check that it is up to date."""

    help = (
        "Write typed clients, the OpenAPI document and the manifest of routes, all generated from the procedures of "
        "the project. The same procedures always give the same text, so commit these files and let "
        "`kontract_compile ... --check` fail where someone forgot to."
    )

    requires_system_checks = []  # one of them misses the manifest of routes, which this command writes

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        for name, output in outputs.OUTPUTS.items():
            parser.add_argument(f"--{name}", metavar="PATH", type=Path, help=output.help)
        parser.add_argument(
            "--check", action="store_true", help="write nothing; show how the files differ and exit with 1 if they do"
        )
        parser.add_argument("--watch", action="store_true", help="write again after each change, until Ctrl-C")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        paths = {name: options[name] for name in outputs.OUTPUTS if options[name] is not None}
        if not paths:
            known = " ".join(f"--{name} PATH" for name in outputs.OUTPUTS)
            raise CommandError(f"Say what to write, and where to: {known}")
        if options["check"] and options["watch"]:
            raise CommandError("Give either --check or --watch.")
        if options["watch"]:
            self._watch()
        else:
            self._run(paths, check=options["check"])

    def _run(self, paths: dict[str, Path], *, check: bool) -> None:
        try:
            texts = {path: outputs.render(name) for name, path in paths.items()}
            if check:
                self._check(texts)
                return
            for path, text in texts.items():
                self.stdout.write(f"{path}: {'written' if writer.write(path, text) else 'up to date'}")
        except (KontractError, OSError) as error:
            raise CommandError(str(error)) from error

    def _check(self, texts: dict[Path, str]) -> None:
        differences = [difference for path, text in texts.items() if (difference := writer.compare(path, text))]
        if differences:
            self.stdout.write("".join(differences))
            raise CommandError("Generated files are not up to date. Run kontract_compile without --check.")

    def _watch(self) -> None:
        """Run this command in a new process, now and after each change: only that imports what the source says now."""
        command = [argument for argument in get_child_arguments() if argument != "--watch"]
        try:
            for _ in watch():
                subprocess.run(command, check=False)  # noqa: S603 - it is this very command
        except KeyboardInterrupt:
            self.stdout.write("")
