"""The clock of a namespace: a lock, under which commits happen one after another.

Whoever holds it draws the next txid and commits before the next one can.  So the order of txids is the order of
commits, and PostgreSQL's snapshots, which see a prefix of the commits, see a prefix of the txids.
"""

from collections.abc import Callable
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.conf import get_settings
from kontract.mvcc.connections import fetch_all
from kontract.mvcc.versions import clock

KEY: Final = clock.CLOCK_KEY

_last_seen: dict[tuple[str, int], int] = {}
_after_commit: list[Callable[[str, int, int], None]] = []


def lock(ns: int) -> tuple[str, dict[str, Any]]:
    """Return the statement, with its parameters, that takes the clock of ``ns`` until the transaction ends.

    It waits for at most ``CLOCK_TIMEOUT`` seconds.  Under ``DURABILITY = "group"`` it also makes the commit
    asynchronous, because the flush is then waited for outside the lock.
    """
    settings = get_settings()
    sql = clock.LOCK if settings.DURABILITY == "strict" else clock.LOCK_ASYNCHRONOUS
    return sql, {"timeout": str(max(1, round(settings.CLOCK_TIMEOUT * 1000))), "ns": ns}


def latest(connection: BaseDatabaseWrapper, ns: int) -> int:
    """Return the txid of the last transaction that this connection sees committed; 0 if there is none."""
    rows = fetch_all(connection, clock.LATEST, {"ns": ns})
    txid: int = rows[0][0] if rows else 0
    saw(connection.alias, ns, txid)
    return txid


def saw(alias: str, ns: int, txid: int) -> None:
    """Remember that ``txid`` is committed."""
    if txid > _last_seen.get((alias, ns), -1):
        _last_seen[alias, ns] = txid


def last_seen(alias: str, ns: int) -> int | None:
    """Return the greatest txid that this process knows to be committed, without asking; None if it knows of none."""
    return _last_seen.get((alias, ns))


def register_after_commit(tell: Callable[[str, int, int], None]) -> None:
    """Let ``tell``, of events, which stand further right, know of each commit: alias, namespace, and txid.

    It must not fail, and not take time: the writer waits for it.
    """
    _after_commit[:] = [tell]


def committed(alias: str, ns: int, txid: int) -> None:
    """Tell of a transaction of this process that others can see now."""
    for tell in _after_commit:
        tell(alias, ns, txid)
