"""Creating the two physical tables, or adopting those that a DBA created."""

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.exceptions import ConfigurationError
from kontract.mvcc.versions import ddl


def create_tables(connection: BaseDatabaseWrapper) -> bool:
    """Create the two tables and return True, or return False where they exist.

    Raises ``ConfigurationError`` where tables of these names belong to something else.
    """
    existing = find_columns(connection)
    if not existing:
        with connection.cursor() as cursor:
            cursor.execute(ddl.TABLES_DDL)
        return True
    for table, columns in ddl.COLUMNS.items():
        if missing := columns - existing.get(table, set()):
            raise ConfigurationError(
                f"The database has a table {table!r} that is not kontract's (it lacks {', '.join(sorted(missing))}). "
                "Give kontract a schema of its own: OPTIONS = {'options': '-c search_path=kontract'}."
            )
    return False


def drop_tables(connection: BaseDatabaseWrapper) -> None:
    """Drop the two tables with everything in them."""
    with connection.cursor() as cursor:
        cursor.execute(ddl.DROP_DDL)


def find_columns(connection: BaseDatabaseWrapper) -> dict[str, set[str]]:
    """Return the columns of the tables named ``storage`` and ``trxs`` on the search path, where there are any."""
    found: dict[str, set[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(ddl.EXISTING_COLUMNS)
        for table, column in cursor.fetchall():
            found.setdefault(table, set()).add(column)
    return found
