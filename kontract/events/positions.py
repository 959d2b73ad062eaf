"""Where consumers are, who runs them, and what they could not take, in the database."""

import json
import os
import secrets
import socket
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import atomic
from django.utils import timezone

from kontract.events.change import Change
from kontract.events.consumers import Consumer
from kontract.events.cursor import Cursor
from kontract.events.source import Source
from kontract.exceptions import LeaseLostError
from kontract.mvcc.alone import fetch_alone
from kontract.mvcc.connections import fetch_all, get_connection
from kontract.mvcc.versions import consumers as sql


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where one part of a consumer is: its row's id, the last change that it has had, and how the next one fails.

    ``token`` is that of the worker who has it.
    """

    id: str
    cursor: Cursor
    attempts: int
    error: str | None
    token: str | None

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> "Position":
        """Return the position that a row of the database holds."""
        data = json.loads(row[1])
        cursor = Cursor(data["txid"], data["ordinal"])
        return cls(
            id=row[0], cursor=cursor, attempts=data["attempts"], error=data.get("error"), token=data.get("token")
        )

    @property
    def part(self) -> int:
        """Which part of the consumer it is."""
        return int(self.id.rpartition("/")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A change that a consumer could not take: its row's id, the change, and what happened the last time."""

    id: str
    consumer: str
    change: Change
    error: str
    failed_at: str


def make_worker_name() -> str:
    """Return what nobody else is called: host, process, and something random."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def ensure(consumer: Consumer, source: Source) -> list[str]:
    """Make the positions of a consumer's parts, where they are not there yet, and return their ids.

    Where it had another number of parts, each new one begins with what the slowest old one has had.
    """
    ids = [f"at/{consumer.name}/{consumer.partitions}/{part}" for part in range(consumer.partitions)]
    prefix = f"at/{consumer.name}/"
    with atomic(source.alias):
        found = {row[0]: Position.from_row(row) for row in _run(source, sql.LIST_TO_CHANGE, {"prefix": prefix})}
        if missing := [id_ for id_ in ids if id_ not in found]:
            cursor = min((position.cursor for position in found.values()), default=None) or _find_start(
                consumer, source
            )
            for id_ in missing:
                _run(source, sql.INSERT, {"id": id_, "data": _encode(cursor, 0)})
        for id_ in found.keys() - set(ids):
            _run(source, sql.REMOVE, {"id": id_})
            _run(source, sql.REMOVE, {"id": f"lease{id_[2:]}"})
    return ids


def _find_start(consumer: Consumer, source: Source) -> Cursor:
    return source.find_end() if consumer.start == "now" else source.find_start()


def list_all(source: Source, name: str | None = None) -> list[Position]:
    """Return the positions of one consumer, or of all."""
    rows = _run(source, sql.LIST, {"prefix": f"at/{name}/" if name else "at/"})
    return [Position.from_row(row) for row in rows]


def list_workers(source: Source) -> dict[str, str]:
    """Return who has what: workers by the positions' ids."""
    rows = _run(source, sql.LIST, {"prefix": "lease/"})
    return {f"at{id_[5:]}": json.loads(data)["worker"] for id_, data in rows}


def reset(source: Source, name: str, cursor: Cursor) -> int:
    """Move a consumer to ``cursor`` and take it away from whoever runs it; return the number of its parts."""
    with atomic(source.alias):
        found = _run(source, sql.LIST_TO_CHANGE, {"prefix": f"at/{name}/"})
        _run(source, sql.RESET, {"prefix": f"at/{name}/", "position": _encode(cursor, 0)})
        _run(source, sql.UNLEASE, {"prefix": f"lease/{name}/"})
    return len(found)


# --- Having a part ---------------------------------------------------------------------------------------------------


def claim(source: Source, ids: Collection[str], worker: str, seconds: float) -> Position | None:
    """Take one of the parts that nobody has, and return its position; None where there is none.

    Where the last who had it has not let go of it but died, that counts as an attempt that failed.
    """
    params = {"ids": list(ids), "worker": worker, "token": secrets.token_hex(8), "seconds": seconds}
    rows = fetch_alone(get_connection(source.alias), sql.CLAIM, {"ns": source.ns, **params})
    return Position.from_row(rows[0]) if rows else None


def renew(source: Source, worker: str, tokens: Collection[str], seconds: float) -> tuple[set[str], int]:
    """Keep what the worker has; return the tokens of what it has indeed, and the number of workers that live."""
    params = {"ns": source.ns, "worker": worker, "tokens": list(tokens), "seconds": seconds}
    kept, workers = fetch_alone(get_connection(source.alias), sql.RENEW, params)[0]
    return set(kept), workers


def move(
    connection: BaseDatabaseWrapper, ns: int, position: Position, cursor: Cursor, attempts: int = 0, error: str = ""
) -> None:
    """Write where a part is now, in the transaction that is open, if there is one.

    Raises ``LeaseLostError`` where somebody else has it.
    """
    params = {"ns": ns, "id": position.id, "token": position.token, "position": _encode(cursor, attempts, error)}
    if not fetch_all(connection, sql.MOVE, params):
        raise LeaseLostError(f"Another worker has taken over {position.id}; this one leaves it.")


def release(source: Source, position: Position, cursor: Cursor, attempts: int) -> None:
    """Let go of a part, for anybody to take; nothing happens where somebody has."""
    params = {"id": position.id, "token": position.token, "position": _encode(cursor, attempts)}
    with atomic(source.alias):
        _run(source, sql.RELEASE, params)


def leave(source: Source, worker: str) -> None:
    """Let the other workers know that this one ends."""
    _run(source, sql.REMOVE, {"id": f"worker/{worker}"})


def _encode(cursor: Cursor, attempts: int, error: str = "") -> str:
    position: dict[str, Any] = {"txid": cursor.txid, "ordinal": cursor.ordinal, "attempts": attempts}
    return json.dumps(position | {"error": error} if error else position)


# --- Dead letters ----------------------------------------------------------------------------------------------------


def bury(connection: BaseDatabaseWrapper, ns: int, consumer: str, change: Change, error: str) -> None:
    """Put a change aside, in the transaction that is open."""
    content = asdict(change) | {"committed_at": change.committed_at.isoformat()}
    data = json.dumps({"change": content, "error": error, "failed_at": timezone.now().isoformat()})
    params: dict[str, Any] = {"ns": ns, "id": f"dead/{consumer}/{change.txid:019}.{change.ordinal}", "data": data}
    with connection.cursor() as cursor:
        cursor.execute(sql.INSERT, params)


def list_dead(source: Source, name: str | None = None) -> list[DeadLetter]:
    """Return the changes that one consumer, or any, could not take, in commit order."""
    rows = _run(source, sql.LIST, {"prefix": f"dead/{name}/" if name else "dead/"})
    return [_as_dead(id_, json.loads(data)) for id_, data in rows]


def _as_dead(id_: str, data: dict[str, Any]) -> DeadLetter:
    content = data["change"] | {"committed_at": datetime.fromisoformat(data["change"]["committed_at"])}
    change = Change(**{field.name: content[field.name] for field in fields(Change)})
    return DeadLetter(
        id=id_, consumer=id_.split("/")[1], change=change, error=data["error"], failed_at=data["failed_at"]
    )


def take_dead(connection: BaseDatabaseWrapper, ns: int, letter: DeadLetter) -> bool:
    """Lock a dead letter for the transaction that is open; return whether it is there, and nobody else has it."""
    return bool(fetch_all(connection, sql.TAKE_DEAD, {"ns": ns, "id": letter.id}))


def remove_dead(connection: BaseDatabaseWrapper, ns: int, letter: DeadLetter) -> None:
    """Remove a dead letter, in the transaction that is open."""
    with connection.cursor() as cursor:
        cursor.execute(sql.REMOVE, {"ns": ns, "id": letter.id})


def keep_dead(source: Source, letter: DeadLetter, error: str) -> None:
    """Note what happened to a dead letter this time."""
    data = json.dumps({"error": error, "failed_at": timezone.now().isoformat()})
    _run(source, sql.KEEP_DEAD, {"id": letter.id, "data": data})


def _run(source: Source, statement: str, params: dict[str, Any]) -> list[Sequence[Any]]:
    with get_connection(source.alias).cursor() as cursor:
        cursor.execute(statement, {"ns": source.ns, **params})
        return list(cursor.fetchall()) if cursor.description else []
