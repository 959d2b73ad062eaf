"""Calls whose effects happen once, however often a client repeats them: the header ``Idempotency-Key``.

The answer is stored in the transaction of the call's effects, so one is committed where the other is, whatever dies in
between.  Whoever repeats the call finds the answer, or that it is about to be given: the first holds an advisory lock
until it ends.  Where a snapshot is older than the lock, both would run; then the unique index on live rows lets one
answer in, and the other conflicts, rolls back, runs again and finds the first.

Only successes are kept.  What failed has had no effect, and may be tried again with the same key.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from kontract.conf import TableOptions, get_settings
from kontract.context import get_call
from kontract.exceptions import (
    AnswerTooLargeError,
    IdempotencyInProgressError,
    IdempotencyKeyReusedError,
    InvalidRequestError,
)
from kontract.mvcc import asynchronous, versions
from kontract.mvcc.connections import fetch_one
from kontract.mvcc.units import require_unit
from kontract.mvcc.versions.ptrs import ANSWERS
from kontract.mvcc.writes import Table, Write
from kontract.rpc.envelope import Arguments
from kontract.rpc.reply import Reply
from kontract.tables.catalog import locate

UNGUESSABLE: Final = 22  # characters: 128 random bits in base64; a UUID has more


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """One call that is to have its effects once: where its answer is kept, and a digest of its arguments."""

    id: str
    fingerprint: str


def identify_call(key: str | None, arguments: Arguments) -> Once | None:
    """Return what the current call is, by its caller, its procedure and the caller's ``key``; None without a key.

    Keys of different callers have nothing to do with each other.  One who is not known at all, neither by name nor by
    a session, shares them with everybody like that, and so must not be able to guess another's.  Raises
    ``InvalidRequestError`` where it could.
    """
    if key is None:
        return None
    call = get_call()
    if not call.owner and call.sid is None and len(key) < UNGUESSABLE:
        raise InvalidRequestError(
            f"Without signing in an Idempotency-Key must have at least {UNGUESSABLE} characters, so that nobody "
            "guesses it and is given the answer. Send a random UUID."
        )
    caller = ["owner", call.owner] if call.owner else ["session", call.sid]
    files = {name: [_describe(file) for file in files] for name, files in arguments.files.items()}
    return Once(id=_digest([caller, call.route, key]), fingerprint=_digest([arguments.args, arguments.kwargs, files]))


def run_once(once: Once, attempt: Callable[[], Reply]) -> Reply:
    """Return the answer that the call was given before, or what ``attempt`` returns, which is then kept.

    To be called in the transaction of the attempt, before anything else in it.  Raises
    ``IdempotencyInProgressError`` while the first call runs, ``IdempotencyKeyReusedError`` if it had other arguments,
    ``AnswerTooLargeError`` and ``InvalidRequestError`` where the answer cannot be kept.
    """
    found = _find(once)
    return found.reply or _keep(once, attempt(), found.now)


async def arun_once(once: Once, attempt: Callable[[], Awaitable[Reply]]) -> Reply:
    """See run_once()."""
    found = await asynchronous.call(_find, once)
    if found.reply is not None:
        return found.reply
    return await asynchronous.call(_keep, once, await attempt(), found.now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The answer that is kept, if there is one, and the database server's time in seconds since 1970."""

    reply: Reply | None
    now: float


def _find(once: Once) -> _Found:
    connection, ns = locate()
    is_first, now, txid, text = fetch_one(connection, versions.answers.FIND_ANSWER, {"ns": ns, "id": once.id})
    kept = None if text is None else json.loads(text)
    if kept is None or kept["until"] <= now:
        if not is_first:
            raise IdempotencyInProgressError("The first call with this Idempotency-Key has not ended yet.")
        return _Found(reply=None, now=now)
    if kept["fingerprint"] != once.fingerprint:
        raise IdempotencyKeyReusedError(
            "This Idempotency-Key came with other arguments before. Send a new key with each new call."
        )
    headers = {**kept["headers"], "Kontract-Replayed": "1"}
    reply = Reply(body=kept["body"].encode(), status=kept["status"], headers=headers, snapshot=txid)
    return _Found(reply=reply, now=now)


def _keep(once: Once, reply: Reply, now: float) -> Reply:
    """Collect the answer with the call's other writes."""
    if not isinstance(reply.body, bytes):
        raise InvalidRequestError("The answer is a file, which is not kept. Call without Idempotency-Key.")
    settings = get_settings()
    kept = {
        "fingerprint": once.fingerprint,
        "until": now + settings.IDEMPOTENCY_HOURS * 3600,
        "status": reply.status,
        "headers": dict(reply.headers),
        "body": reply.body.decode(),
    }
    data = json.dumps(kept)
    if len(data) > settings.MAX_DOCUMENT_BYTES:
        raise AnswerTooLargeError(
            f"The answer takes {len(data)} bytes, and at most {settings.MAX_DOCUMENT_BYTES} are kept for an "
            "Idempotency-Key. Call without one, or ask for less."
        )
    connection, ns = locate()
    table = Table(ns=ns, ptr=ANSWERS, name="answers", options=TableOptions(versioned=False))
    require_unit(connection).collect(Write(table, once.id, "set", data))
    return reply


def _describe(file: Any) -> list[str]:
    """Return what tells an uploaded file from another, and leave it at its beginning."""
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return [file.name, digest.hexdigest()]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
