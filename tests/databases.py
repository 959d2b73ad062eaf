"""More entries of ``DATABASES`` for one test."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections


@contextmanager
def database_alias(alias: str, **changes: Any) -> Iterator[str]:
    """Let ``alias`` name the tests' database, or with ``changes`` to its entry another one."""
    connections.databases[alias] = {**connections.databases["default"], **changes}
    try:
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.databases[alias]
