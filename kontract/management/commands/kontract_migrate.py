"""``manage.py kontract_migrate``: the two physical tables, the logical ones that are declared, and their indexes."""

from argparse import ArgumentParser
from contextlib import nullcontext
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ProgrammingError
from psycopg.sql import Identifier

from kontract.context import get_namespace, namespace
from kontract.exceptions import ConfigurationError, NamespaceNotFound
from kontract.management.indexing import build, print_script
from kontract.mvcc import versions
from kontract.mvcc.connections import get_alias
from kontract.mvcc.schema import create_tables
from kontract.tables.catalog import create_declared, locate


class Command(BaseCommand):
    """Create kontract's two tables, the declared logical tables and their indexes, or print the SQL for a DBA."""

    help = (
        "Create kontract's two tables where they are missing, the logical tables of KONTRACT['TABLES'] and of "
        "versioned models, and the indexes that those models ask for; drop those that no model asks for any more. "
        "Where the role does not own the tables, the statements for the indexes are printed for someone who does. "
        "Safe to run at any time, and again after it was stopped: indexes are built without blocking writers."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("--database", help="alias of the database (default: what the routers say)")
        parser.add_argument(
            "--namespace",
            help="create the logical tables there, and look after its indexes only (default: all indexes)",
        )
        parser.add_argument("--no-indexes", action="store_true", help="neither build nor drop indexes")
        parser.add_argument(
            "--sql",
            action="store_true",
            help="print the DDL of the two tables and of missing indexes, and change nothing",
        )
        parser.add_argument("--grants", metavar="ROLE", help="print the GRANT lines for the app's ROLE, change nothing")
        parser.add_argument("--schema", default="public", help="schema that --grants names (default: public)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        name = options["namespace"]
        with nullcontext() if name is None else namespace(name):
            alias = get_alias(get_namespace(), options["database"])
            if options["sql"]:
                self.stdout.write(versions.TABLES_DDL)
            if options["grants"]:
                role, schema = Identifier(options["grants"]).as_string(), Identifier(options["schema"]).as_string()
                self.stdout.write(versions.grants(role, schema))
            if options["sql"] and not options["no_indexes"]:
                print_script(connections[alias], self.stdout, everywhere=name is None)
            if not options["sql"] and not options["grants"]:
                connection = self._migrate(alias)
                if not options["no_indexes"]:
                    build(connection, self.stdout, everywhere=name is None)

    def _migrate(self, alias: str) -> BaseDatabaseWrapper:
        try:
            created = create_tables(connections[alias])
            self.stdout.write(
                f"{'Created the' if created else 'The'} tables storage and trxs{'' if created else ' exist'}."
            )
            connection, ns = locate(alias)
        except (ConfigurationError, NamespaceNotFound, OperationalError) as error:
            raise CommandError(str(error)) from error
        except ProgrammingError as error:
            raise CommandError(
                f"The tables cannot be created: {error}".strip() + "\nAsk someone who may to run the output of "
                "`manage.py kontract_migrate --sql --grants ROLE`."
            ) from error
        for table in create_declared(connection, ns):
            self.stdout.write(f"Logical table {table.name}: ptr {table.ptr}.")
        return connection
