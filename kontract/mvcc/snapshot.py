"""Looking at the past: ``as_of``, pinned snapshots, and the guard against a past that vacuum has removed."""

import re
import secrets
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.conf import get_settings
from kontract.context import get_call
from kontract.exceptions import InvalidSnapshotError, NotVersionedError, ReadOnlyError, SnapshotTooOldError
from kontract.mvcc import clock, versions
from kontract.mvcc.connections import fetch_all, fetch_one
from kontract.mvcc.writes import Table

_TOKEN = re.compile(r"[0-9]{1,18}\.[A-Za-z0-9_-]{22}")

Moment = int | datetime | str  # txid, point in time, or the token of a pinned snapshot


@dataclass(slots=True)
class AsOf:
    """A block that looks at the past; see ``kontract.as_of``.  Moments are resolved once for each namespace."""

    moment: Moment
    resolved: dict[tuple[str, int], int] = field(default_factory=dict)
    _tokens: "list[Token[AsOf | None]]" = field(default_factory=list)

    def __enter__(self) -> "AsOf":
        self._tokens.append(_current.set(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _current.reset(self._tokens.pop())

    def resolve(self, connection: BaseDatabaseWrapper, ns: int) -> int:
        """Return the txid whose state this moment shows."""
        place = (connection.alias, ns)
        if place not in self.resolved:
            self.resolved[place] = _resolve(connection, ns, self.moment)
        return self.resolved[place]


_current: ContextVar[AsOf | None] = ContextVar("kontract_as_of", default=None)


def as_of(moment: Moment) -> AsOf:
    """Return a block in which every read sees the past and every write raises ``ReadOnlyError``.

    ``moment`` is a txid (the state right after that transaction), an aware ``datetime`` (right after the last
    transaction committed by then, by the database server's clock), or a token from ``pin_snapshot``.

    Reads raise ``InvalidSnapshotError`` for a moment that is none of these or has not come yet, and
    ``SnapshotTooOldError`` for one behind the horizon.
    """
    return AsOf(_checked(moment))


def current() -> AsOf | None:
    """Return the innermost ``as_of`` block."""
    return _current.get()


def _checked(moment: Moment) -> Moment:
    if isinstance(moment, bool) or not isinstance(moment, (int, datetime, str)):
        raise InvalidSnapshotError(
            f"{moment!r} is no snapshot. Give a txid (int), an aware datetime, or a token from kontract.pin_snapshot()."
        )
    if isinstance(moment, int) and not 0 <= moment < 1 << 63:
        raise InvalidSnapshotError(f"The txid {moment} is out of range; txids go from 0 to 2**63 - 1.")
    if isinstance(moment, datetime) and moment.tzinfo is None:
        raise InvalidSnapshotError(f"{moment!r} has no time zone. Use an aware datetime (django.utils.timezone).")
    return _in_utc(moment) if isinstance(moment, datetime) else moment


def _in_utc(moment: datetime) -> datetime:
    """Return the same moment in UTC: PostgreSQL does not take every offset that Python does."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise InvalidSnapshotError(f"{moment!r} is out of the range of dates.") from error


def _resolve(connection: BaseDatabaseWrapper, ns: int, moment: Moment) -> int:
    if isinstance(moment, int):
        _check_happened(connection, ns, moment)
        return moment
    if isinstance(moment, str):
        return _find_pinned(connection, ns, moment)
    txid, future = fetch_one(connection, versions.past.AT, {"ns": ns, "at": moment})
    if future:
        raise InvalidSnapshotError(f"{moment.isoformat()} has not come yet by the database server's clock.")
    found: int = txid
    return found


def _check_happened(connection: BaseDatabaseWrapper, ns: int, txid: int) -> None:
    """Raise unless the transaction is over before anything is read: it might commit between a read and its check."""
    if txid > (clock.last_seen(connection.alias, ns) or 0) and txid > (latest := clock.latest(connection, ns)):
        raise InvalidSnapshotError(f"Snapshot {txid} has not come yet: the last transaction is {latest}.")


def check_writable() -> None:
    """Raise ``ReadOnlyError`` in an ``as_of`` block."""
    if _current.get() is not None:
        raise ReadOnlyError("This block looks at the past, which cannot be changed. Write outside of as_of().")


def check_versioned(table: Table) -> None:
    """Raise ``NotVersionedError`` unless the table has a past."""
    if not table.options.versioned:
        raise NotVersionedError(f"The table {table.name!r} is unversioned: it has no past. Declare it versioned.")


def check_intact(connection: BaseDatabaseWrapper, table: Table, snapshot: int) -> None:
    """Raise unless ``snapshot`` has happened and nothing that it shows was removed; to be called after reading.

    Raises ``InvalidSnapshotError`` or ``SnapshotTooOldError``.
    """
    horizon, latest = fetch_one(connection, versions.past.BOUNDS, {"ns": table.ns, "id": str(table.ptr)})
    if snapshot < horizon:
        raise SnapshotTooOldError(
            f"Snapshot {snapshot} of the table {table.name!r} is behind its horizon {horizon}: history before it was "
            "removed. Raise the table's retention_days, or pin the snapshots that you need."
        )
    if snapshot > latest:
        raise InvalidSnapshotError(f"Snapshot {snapshot} has not come yet: the last transaction is {latest}.")


def pin_snapshot(connection: BaseDatabaseWrapper, ns: int, ttl: timedelta | float) -> str:
    """Keep the present readable for ``ttl`` and return the token that ``as_of`` takes."""
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else float(ttl)
    limit = get_settings().PIN_MAX_TTL
    if not 0 < seconds <= limit:
        raise InvalidSnapshotError(
            f"A snapshot cannot be pinned for {seconds:g} seconds: give more than 0 and at most {limit:g} "
            '(KONTRACT["PIN_MAX_TTL"]).'
        )
    secret = secrets.token_urlsafe(16)
    params = {"ns": ns, "secret": secret, "owner": get_call().owner, "ttl": seconds}
    txid, snapshot = fetch_one(connection, versions.past.PIN, params)
    clock.saw(connection.alias, ns, snapshot)
    return f"{txid}.{secret}"


def unpin_snapshot(connection: BaseDatabaseWrapper, ns: int, token: str) -> None:
    """Let go of a pinned snapshot before its time."""
    with connection.cursor() as cursor:
        cursor.execute(versions.past.UNPIN, {"ns": ns, **_parse_token(token)})


def _find_pinned(connection: BaseDatabaseWrapper, ns: int, token: str) -> int:
    rows = fetch_all(connection, versions.past.PINNED, {"ns": ns, **_parse_token(token)})
    if not rows:
        raise SnapshotTooOldError("The pinned snapshot is unknown or has expired. Pin a new one.")
    snapshot: int = rows[0][0]
    return snapshot


def _parse_token(token: str) -> dict[str, int | str]:
    if not _TOKEN.fullmatch(token):
        raise InvalidSnapshotError("The token of a pinned snapshot is malformed. Use the one that pin_snapshot() gave.")
    txid, _, secret = token.partition(".")
    return {"txid": int(txid), "secret": secret}
