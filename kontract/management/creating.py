"""Creating the two tables, or saying who can."""

from typing import Any

from django.core.management.base import CommandError
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ProgrammingError

from kontract.exceptions import ConfigurationError, NamespaceNotFound
from kontract.mvcc.schema import create_tables
from kontract.tables.catalog import locate


def create(alias: str, out: Any) -> tuple[BaseDatabaseWrapper, int]:
    """Create the two tables where they are missing; return the connection and the current namespace's number.

    Raises ``CommandError`` where that cannot be.
    """
    try:
        created = create_tables(connections[alias])
        out.write(f"{'Created the' if created else 'The'} tables storage and trxs{'' if created else ' exist'}.")
        return locate(alias)
    except (ConfigurationError, NamespaceNotFound, OperationalError) as error:
        raise CommandError(str(error)) from error
    except ProgrammingError as error:
        raise CommandError(
            f"The tables cannot be created: {error}".strip() + "\nAsk someone who may to run the output of "
            "`manage.py kontract_migrate --sql --grants ROLE`."
        ) from error
