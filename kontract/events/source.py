"""What somebody follows: some tables of one namespace, in one database."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from django.db import connections

from kontract.context import get_namespace
from kontract.events.cursor import Cursor
from kontract.events.pages import MOST_CHANGES, Page, find_start, read_page
from kontract.mvcc import clock, reads
from kontract.mvcc.connections import get_alias, get_connection
from kontract.mvcc.snapshot import check_versioned
from kontract.mvcc.units import in_transaction
from kontract.tables.catalog import resolve, resolve_namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where changes come from.  It reads from the database that is written to, since a replica may be behind."""

    alias: str
    namespace: str
    ns: int
    tables: frozenset[str] | None = None  # by name; None: all
    old: bool = False

    @classmethod
    def here(cls, tables: Collection[str] | None = None, *, using: str | None = None, old: bool = False) -> Self:
        """Return the source of changes in the current namespace, whose tables exist and have a log.

        Raises ``TableNotFound`` and ``NotVersionedError``.
        """
        namespace = get_namespace()
        connection = get_connection(get_alias(namespace, using))
        ns = resolve_namespace(connection, namespace)
        found = [resolve(connection, ns, name) for name in tables or ()]
        for table in found:
            check_versioned(table)
            reads.note(table)
        wanted = None if tables is None else frozenset(tables)
        return cls(alias=connection.alias, namespace=namespace, ns=ns, tables=wanted, old=old)

    def read(self, after: Cursor, limit: int = MOST_CHANGES) -> Page:
        """See read_page()."""
        return read_page(get_connection(self.alias), self.ns, after, self.tables, old=self.old, limit=limit)

    def find_start(self) -> Cursor:
        """Return the first position from which everything can still be read."""
        return find_start(get_connection(self.alias), self.ns, self.tables)

    def find_end(self) -> Cursor:
        """Return the present."""
        return Cursor(clock.latest(get_connection(self.alias), self.ns))

    def is_in_transaction(self) -> bool:
        """Return whether this thread has a transaction open."""
        return in_transaction(connections[self.alias])

    def rest(self) -> None:
        """See rest_of()."""
        self.rest_of(self.alias)

    @staticmethod
    def rest_of(alias: str) -> None:
        """Give this thread's connection to a database back, since nothing may happen for long, or it is broken."""
        if not connections[alias].in_atomic_block:
            connections[alias].close()
