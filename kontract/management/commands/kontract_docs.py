"""``manage.py kontract_docs``: the cookbook, as Markdown for VitePress and as a site of HTML."""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from kontract.codegen import writer
from kontract.codegen.cookbook import outputs, pages, vitepress
from kontract.codegen.cookbook.source import SourceError
from kontract.exceptions import KontractError

_URL: Final = "https://example.org/kontract"


class Command(BaseCommand):
    """Write the cookbook, or check that it is up to date."""

    help = "Write pages about the procedures of the project for those who call them, from what the code says of itself."
    requires_system_checks = []  # one of them misses the manifest of routes, which is written in the same step

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("--output", metavar="DIR", type=Path, help="write Markdown, as VitePress builds it")
        parser.add_argument("--html", metavar="DIR", type=Path, help="write a site that needs no server")
        parser.add_argument("--title", default="Cookbook", help="the title of all pages (default: Cookbook)")
        parser.add_argument("--url", default=_URL, help=f"where kontract.urls is mounted, for examples ({_URL})")
        parser.add_argument(
            "--check", action="store_true", help="write nothing; show how the files differ and exit with 1 if they do"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        if options["output"] is None and options["html"] is None:
            raise CommandError("Say what to write, and where to: --output DIR for Markdown, --html DIR for a site.")
        title, url = options["title"], options["url"].rstrip("/")
        try:
            recipes = outputs.collect()
            if (directory := options["output"]) is not None:
                files = vitepress.write_files(title, recipes, url)
                self._finish(directory, files, outputs.list_first(title), check=options["check"])
            if (directory := options["html"]) is not None:
                self._finish(directory, pages.write_files(title, recipes, url), {}, check=options["check"])
        except (KontractError, OSError, SourceError) as error:
            raise CommandError(str(error)) from error

    def _finish(self, directory: Path, files: Mapping[str, str], first: Mapping[str, str], *, check: bool) -> None:
        """Write files, and what has to be there ``first`` unless it is; or compare them."""
        stale = outputs.find_stale(directory, files)
        if check:
            self._check(directory, files, stale)
            return
        new = {name: text for name, text in first.items() if not (directory / name).exists()}
        written = sum(writer.write(directory / name, text) for name, text in {**files, **new}.items())
        for path in stale:
            path.unlink()
        self.stdout.write(f"{directory}: {written} of {len(files) + len(new)} files written, {len(stale)} removed")

    def _check(self, directory: Path, files: Mapping[str, str], stale: list[Path]) -> None:
        differences = [found for name, text in files.items() if (found := writer.compare(directory / name, text))]
        differences += [f"{path} is of a procedure that is gone.\n" for path in stale]
        if differences:
            self.stdout.write("".join(differences))
            raise CommandError("The cookbook is not up to date. Run kontract_docs without --check.")
