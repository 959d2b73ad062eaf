"""``manage.py kontract_migrate``: the two physical tables, the schema of the logical ones, and their indexes."""

from argparse import ArgumentParser
from contextlib import nullcontext
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from psycopg.sql import Identifier

from kontract.context import get_namespace, namespace
from kontract.exceptions import SchemaError
from kontract.management import verbs
from kontract.management.creating import create
from kontract.management.indexing import print_script
from kontract.mvcc.connections import get_alias
from kontract.mvcc.versions import ddl


class Command(BaseCommand):
    """Bring the logical tables to what models and settings declare, or print the SQL for a DBA."""

    help = (
        "Create kontract's two tables where they are missing; bring the logical tables of all namespaces to what "
        "models and KONTRACT['TABLES'] declare, as far as that loses nothing, and say what to write for the rest; "
        "build the indexes that models ask for, and drop others. Where the role does not own the tables, the "
        "statements for the indexes are printed for someone who does. Safe to run at any time, by several processes "
        "at once, and again after it was stopped. Verbs: apply (the default), up [N] (migration files only), finish "
        "(no older code runs any more), down [N] (take back what was done last), create NAME (begin a migration file), "
        "status, verify (ask all documents), lock."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return a parser that takes options anywhere, also between a verb and its argument."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("verb", nargs="?", choices=sorted(verbs.VERBS), help="what to do (default: apply)")
        parser.add_argument("argument", nargs="?", help="of up and down: how many; of create: the file's name")
        parser.add_argument("--plan", action="store_true", help="say what would be done, and change nothing")
        parser.add_argument("--check", action="store_true", help="exit with 1 where anything is to be done")
        parser.add_argument("--fake", action="store_true", help="record that all is done, and look at no document")
        parser.add_argument("--revert", action="store_true", help="this code takes changes back on purpose")
        parser.add_argument("--app", metavar="LABEL", help="with create: the app that the file is for")
        parser.add_argument("--no-input", "--noinput", action="store_false", dest="interactive", help="ask nothing")
        parser.add_argument("--database", help="alias of the database (default: what the routers say)")
        parser.add_argument("--namespace", help="do so there, and look after its indexes only (default: everywhere)")
        parser.add_argument("--no-indexes", action="store_true", help="neither build nor drop indexes")
        parser.add_argument("--sql", action="store_true", help="print the DDL of the two tables and of missing indexes")
        parser.add_argument("--grants", metavar="ROLE", help="print the GRANT lines for the app's ROLE, change nothing")
        parser.add_argument("--schema", default="public", help="schema that --grants names (default: public)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        name = options["namespace"]
        with nullcontext() if name is None else namespace(name):
            alias = get_alias(get_namespace(), options["database"])
            if options["sql"] or options["grants"]:
                self._print(alias, options)
                return
            run = verbs.find(options)
            connection, _ = create(alias, self.stdout)
            try:
                run(verbs.open_project(connection, options), options, self.stdout)
            except SchemaError as error:
                raise CommandError(str(error)) from error

    def _print(self, alias: str, options: dict[str, Any]) -> None:
        if options["sql"]:
            self.stdout.write(ddl.TABLES_DDL)
        if options["grants"]:
            role, schema = Identifier(options["grants"]).as_string(), Identifier(options["schema"]).as_string()
            self.stdout.write(ddl.grants(role, schema))
        if options["sql"] and not options["no_indexes"]:
            print_script(connections[alias], self.stdout, everywhere=options["namespace"] is None)
