"""``manage.py kontract_export``: the documents of a table as JSON Lines, or as rows of an ordinary table."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime

from kontract.context import namespace
from kontract.exceptions import KontractError
from kontract.orm.source import is_versioned
from kontract.schema.transfer_out import Export, insert_rows, write_file, write_lines
from kontract.tables.catalog import locate, resolve


class Command(BaseCommand):
    """Export a logical table."""

    help = (
        "Write the documents of a logical table, of one snapshot, as JSON Lines to a file or to standard output, or "
        "insert them into an ordinary table through its model. A run that was stopped goes on where it was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("table", metavar="TABLE", help="a versioned model, app_label.Model, or a logical table")
        parser.add_argument("--to", type=Path, metavar="FILE", help="the file to write (default: standard output)")
        parser.add_argument("--into", metavar="MODEL", help="the ordinary model, app_label.Model, to insert into")
        parser.add_argument("--map", action="append", default=[], metavar="FIELD=NAME", help="a field called otherwise")
        parser.add_argument("--as-of", metavar="MOMENT", help="a txid, or a moment such as 2026-01-31T12:00:00Z")
        parser.add_argument("--history", action="store_true", help="all versions up to then, not only the last")
        parser.add_argument("--namespace", default="", help="the namespace to export")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        try:
            with namespace(options["namespace"]):
                self._export(options)
        except (KontractError, LookupError) as error:
            raise CommandError(str(error)) from error

    def _export(self, options: dict[str, Any]) -> None:
        model = apps.get_model(options["table"]) if "." in options["table"] else None
        if options["into"] and not (model is not None and is_versioned(model)):
            raise CommandError("--into needs a versioned model, app_label.Model, whose objects are inserted.")
        connection, ns = locate()
        table = resolve(connection, ns, options["table"] if model is None else model._meta.db_table)
        export = Export.of(connection, table, _moment(options["as_of"]), history=options["history"])
        if options["into"]:
            names = dict(pair.partition("=")[::2] for pair in options["map"])
            done = insert_rows(export, model, apps.get_model(options["into"]), names, out=self.stderr)
            self.stdout.write(f"{done} objects are in {options['into']}.")
        elif options["to"]:
            done = write_file(export, options["to"], out=self.stderr)
            self.stdout.write(f"{done} lines written to {options['to']}.")
        else:
            write_lines(export, self.stdout, after="", out=None)


def _moment(text: str | None) -> Any:
    if text is None or text.isdecimal():
        return text and int(text)
    return parse_datetime(text) or text
