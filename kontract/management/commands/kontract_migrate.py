"""``manage.py kontract_migrate``: the two physical tables, and the logical ones that the settings declare."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.db.utils import ProgrammingError
from psycopg.sql import Identifier

from kontract.conf import get_settings
from kontract.exceptions import ConfigurationError
from kontract.mvcc import versions
from kontract.mvcc.connections import get_alias
from kontract.mvcc.schema import create_tables
from kontract.tables.catalog import locate, resolve


class Command(BaseCommand):
    """Create kontract's two tables and the declared logical tables, or print the SQL for somebody who may."""

    help = (
        "Create kontract's two tables where they are missing, and the logical tables of KONTRACT['TABLES']. "
        "With --sql and --grants, print what a database administrator has to run instead, and touch nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("--database", help="alias of the database (default: what the routers say)")
        parser.add_argument("--sql", action="store_true", help="print the DDL of the two tables and stop")
        parser.add_argument("--grants", metavar="ROLE", help="print the GRANT lines for the app's ROLE and stop")
        parser.add_argument("--schema", default="public", help="schema that --grants names (default: public)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        alias = get_alias("", options["database"])
        if options["sql"]:
            self.stdout.write(versions.TABLES_DDL)
        if options["grants"]:
            role, schema = Identifier(options["grants"]).as_string(), Identifier(options["schema"]).as_string()
            self.stdout.write(versions.grants(role, schema))
        if not options["sql"] and not options["grants"]:
            self._migrate(alias)

    def _migrate(self, alias: str) -> None:
        try:
            created = create_tables(connections[alias])
        except ConfigurationError as error:
            raise CommandError(str(error)) from error
        except ProgrammingError as error:
            raise CommandError(
                f"The tables cannot be created: {error}".strip() + "\nAsk someone who may to run the output of "
                "`manage.py kontract_migrate --sql --grants ROLE`."
            ) from error
        self.stdout.write("Created the tables storage and trxs." if created else "The tables storage and trxs exist.")
        connection, ns = locate(alias)
        for name in get_settings().TABLES:
            table = resolve(connection, ns, name, fresh=True)
            self.stdout.write(f"Logical table {name}: ptr {table.ptr}.")
