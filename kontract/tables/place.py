"""Where an operation on a logical table goes: database, namespace, table, and moment."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.context import get_namespace
from kontract.exceptions import ReadOnlyError, TableNotFound
from kontract.mvcc.connections import get_alias, get_connection, get_read_alias
from kontract.mvcc.snapshot import AsOf, current
from kontract.mvcc.writes import Table
from kontract.tables.catalog import find_removed, resolve, resolve_namespace

T = TypeVar("T")


class Place(NamedTuple):
    """One logical table, seen from one namespace at one moment (None: now)."""

    name: str
    namespace: str
    using: str | None = None
    moment: AsOf | None = None

    @classmethod
    def here(cls, name: str, using: str | None, moment: AsOf | None) -> "Place":
        """Return the place that the current context means, so that it stays the same when used later."""
        return cls(name=name, namespace=get_namespace(), using=using, moment=moment or current())

    @property
    def read_alias(self) -> str:
        """The database to read from."""
        return get_read_alias(self.namespace, self.using)

    def reading(self) -> BaseDatabaseWrapper:
        """Return the connection to read from."""
        return get_connection(self.read_alias)

    def writing(self) -> BaseDatabaseWrapper:
        """Return the connection to write to.  Raises ``ReadOnlyError`` when looking at the past."""
        if self.moment is not None:
            raise ReadOnlyError(
                f"The table {self.name!r} is seen as of the past, which cannot be changed. Write outside of as_of()."
            )
        return get_connection(get_alias(self.namespace, self.using))

    def resolve(self, connection: BaseDatabaseWrapper, *, fresh: bool = False) -> Table:
        """Return the table; of the past also one that was removed since.

        Raises ``TableNotFound`` and ``NamespaceNotFound``.
        """
        ns = resolve_namespace(connection, self.namespace)
        try:
            return resolve(connection, ns, self.name, fresh=fresh)
        except TableNotFound:
            if self.moment is None or (table := find_removed(connection, ns, self.name)) is None:
                raise
            return table

    def look(self, connection: BaseDatabaseWrapper, read: Callable[[Table], T]) -> T:
        """Return what ``read`` finds; if that is nothing, make sure that the table is still the one it was."""
        table = self.resolve(connection)
        found = read(table)
        if not found and (again := self.resolve(connection, fresh=True)) != table:
            return read(again)
        return found
