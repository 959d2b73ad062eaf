"""What happens after ``manage.py migrate``."""

from typing import Any

from django.db import connections

from kontract.mvcc.connections import get_alias
from kontract.mvcc.schema import find_columns
from kontract.mvcc.versions.ddl import COLUMNS
from kontract.tables.catalog import create_declared, locate


def create_after_migrate(*, using: str, verbosity: int = 1, **kwargs: Any) -> None:
    """Create the logical tables that settings and models declare, where kontract's tables lie in this database.

    One transaction, which only reads where there is nothing to create; several processes may do so at once.
    """
    if using != get_alias("") or set(find_columns(connections[using])) != set(COLUMNS):
        return
    connection, ns = locate()
    tables = create_declared(connection, ns)
    if verbosity > 1 and "stdout" in kwargs:
        kwargs["stdout"].write(f"  {len(tables)} logical tables\n")
