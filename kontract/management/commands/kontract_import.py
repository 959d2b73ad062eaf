"""``manage.py kontract_import``: the rows of an ordinary table, copied into a versioned model."""

from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from kontract.context import namespace
from kontract.exceptions import KontractError
from kontract.orm.source import is_versioned
from kontract.schema.transfer_in import Source, copy_rows, find_fields


class Command(BaseCommand):
    """Copy an ordinary table into a versioned model."""

    help = (
        "Copy the rows of an ordinary table into a versioned model, in batches, by primary key. A run that was stopped "
        "goes on where it was; one that has come to its end copies the rows that have a greater key since."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("model", metavar="MODEL", help="the versioned model, app_label.Model")
        parser.add_argument("source", metavar="FROM", help="an ordinary model, app_label.Model, or a table's name")
        parser.add_argument("--from-database", default="default", help="alias of the table's database")
        parser.add_argument(
            "--map", action="append", default=[], metavar="COLUMN=FIELD", help="a column called otherwise"
        )
        parser.add_argument("--skip", action="append", default=[], metavar="COLUMN", help="a column to leave out")
        parser.add_argument("--restart", action="store_true", help="begin with the first row again")
        parser.add_argument("--namespace", default="", help="the namespace to copy to")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        try:
            model = apps.get_model(options["model"])
        except (LookupError, ValueError) as error:
            raise CommandError(f"There is no model {options['model']!r}: {error}") from error
        if not is_versioned(model):
            raise CommandError(f"{model._meta.label} is no versioned model.")
        names = dict(pair.partition("=")[::2] for pair in options["map"])
        try:
            source = Source.find(connections[options["from_database"]], options["source"])
            fields = find_fields(source, model, names, options["skip"])
            with namespace(options["namespace"]):
                done = copy_rows(source, model, fields, restart=options["restart"], out=self.stderr)
        except KontractError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{done} rows of {source.name} are in {model._meta.label}.")
