"""``kontract.undo`` and ``kontract.pin_snapshot``: the engine's functions, for the current namespace."""

from datetime import timedelta

from kontract.context import register_snapshot_reader
from kontract.mvcc import asynchronous, clock, snapshot
from kontract.mvcc.history import reversing_writes
from kontract.mvcc.transaction import run_transaction
from kontract.mvcc.units import collect, require_unit
from kontract.tables.catalog import list_tables, locate


def undo(txid: int, *, using: str | None = None) -> int | None:
    """Reverse everything that the transaction ``txid`` wrote, as a new transaction; return the new one's txid.

    Inside an open transaction it joins that one and returns None.  Unversioned tables are not part of it.

    Raises ``TransactionNotFound``; ``UndoConflictError`` (with ``documents``) where later transactions touched the same
    documents; ``SnapshotTooOldError`` where vacuum has removed what was there before.
    """
    snapshot.check_writable()
    connection, ns = locate(using)

    def write() -> None:
        writes = reversing_writes(connection, ns, txid, list_tables(connection, ns))
        unit = require_unit(connection)
        for reversing in writes:
            collect(connection, unit, reversing)

    return run_transaction(write, using=connection.alias, label=f"undo {txid}")[1]


async def aundo(txid: int, *, using: str | None = None) -> int | None:
    """See undo()."""
    return await asynchronous.call(undo, txid, using=using)


def pin_snapshot(ttl: timedelta | float, *, using: str | None = None) -> str:
    """Keep the present readable for ``ttl`` (seconds or a timedelta), and return a token for ``as_of``.

    The token works in every process.  It stops vacuum from removing what it shows until it expires; at most for the
    setting ``PIN_MAX_TTL``.  Anybody who has the token can let go of it with ``unpin_snapshot``.
    """
    connection, ns = locate(using)
    return snapshot.pin_snapshot(connection, ns, ttl)


async def apin_snapshot(ttl: timedelta | float, *, using: str | None = None) -> str:
    """See pin_snapshot()."""
    return await asynchronous.call(pin_snapshot, ttl, using=using)


def unpin_snapshot(token: str, *, using: str | None = None) -> None:
    """Let go of a pinned snapshot before it expires."""
    connection, ns = locate(using)
    snapshot.unpin_snapshot(connection, ns, token)


async def aunpin_snapshot(token: str, *, using: str | None = None) -> None:
    """See unpin_snapshot()."""
    await asynchronous.call(unpin_snapshot, token, using=using)


def current_snapshot(using: str | None = None) -> int:
    """Return the txid of the snapshot that reads see now: that of the open transaction, or of the ``as_of`` block."""
    connection, ns = locate(using)
    moment = snapshot.current()
    return clock.latest(connection, ns) if moment is None else moment.resolve(connection, ns)


register_snapshot_reader(current_snapshot)
