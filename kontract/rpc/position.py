"""The txid that a response carries: where in the order of commits the client now stands."""

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.context import get_namespace
from kontract.mvcc import clock
from kontract.mvcc.connections import get_alias, is_idle
from kontract.mvcc.units import find_unit
from kontract.tables.catalog import known_namespace, locate


def read_position(connection: BaseDatabaseWrapper) -> int | None:
    """Return the snapshot that the transaction reads which is open on ``connection``.

    None, and no query, where it has not touched the database, or has written and will get a txid of its own.
    """
    if connection.connection is None or is_idle(connection):
        return None
    if (unit := find_unit(connection)) is not None and unit.pending:
        return None
    return clock.latest(*locate())


def known_position() -> int:
    """Return the greatest txid that this process knows to be committed; it never asks the database.

    This is for an answer that tells nothing of what is stored, which any position fits: a call that used no storage, or
    one that failed.  A client keeps the greatest it has seen, so a lower one tells it nothing new.  It is 0, the
    snapshot before the first transaction, until this process reads or writes the namespace for the first time (for
    other namespaces than the default one, also after a rollback, which may have undone the namespace itself).
    """
    namespace = get_namespace()
    alias = get_alias(namespace)
    ns = known_namespace(alias, namespace)
    return 0 if ns is None else clock.last_seen(alias, ns) or 0
