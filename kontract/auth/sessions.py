"""Sessions: one row each, which every request with an access token looks at.

What a process knows of a session it trusts for ``session_cache_seconds``, at most one; so whatever ends a session, or
changes its principal, acts everywhere within that time.
"""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from django.db import transaction

from kontract.auth.models import USERS, new_id
from kontract.auth.providers import State, find_state
from kontract.auth.tokens import Access, read_access, read_refresh
from kontract.conf import get_settings
from kontract.context import Identity, get_namespace
from kontract.exceptions import InvalidTokenError
from kontract.mvcc import asynchronous
from kontract.mvcc.connections import fetch_quietly
from kontract.mvcc.errors import translated
from kontract.mvcc.versions import sessions as sql
from kontract.tables.catalog import locate, resolve

_MOST: Final = 10_000  # sessions that a process knows

Place = tuple[str, str]  # namespace, session


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session as its owner sees it; times are seconds since 1970."""

    id: str
    created_at: float
    refreshed_at: float
    expires_at: float
    agent: str
    ip: str
    is_current: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Who is signed in by a session, and the principal's epoch."""

    identity: Identity
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What came of a refresh token: the counter of the next one, or that the token was used ``again``."""

    outcome: Literal["fresh", "again", "reused"]
    sid: str
    principal: str
    counter: int


class _Known:
    """The sessions that this process has looked at, the least used first."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Place, tuple[Signed, float]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, place: Place) -> Signed | None:
        """Return what is known, and not too old."""
        found = self._entries.get(place)
        if found is None or time.monotonic() - found[1] >= get_settings().AUTH.session_cache_seconds:
            return None
        return found[0]

    def keep(self, place: Place, signed: Signed, looked_at: float) -> None:
        """Remember a session as it was at ``looked_at``, by the monotonic clock."""
        with self._lock:
            self._entries[place] = signed, looked_at
            self._entries.move_to_end(place)
            if len(self._entries) > _MOST:
                self._entries.popitem(last=False)

    def forget(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()


known = _Known()


def authenticate(token: str) -> Identity:
    """Return whom an access token signs in.  Raises ``InvalidTokenError``."""
    if (identity := _find_known(token)) is not None:
        return identity
    access, looked_at = read_access(token), time.monotonic()
    signed = look_up(access.sid)
    known.keep((get_namespace(), access.sid), signed, looked_at)
    return _match(signed, access)


async def aauthenticate(token: str) -> Identity:
    """See authenticate().  What is known needs no thread."""
    identity = _find_known(token)
    return await asynchronous.call(authenticate, token) if identity is None else identity


def _find_known(token: str) -> Identity | None:
    """Return whom a token signs in as far as this process knows; raises as authenticate() does."""
    access = read_access(token)
    signed = known.find((get_namespace(), access.sid))
    if signed is None or signed.epoch < access.epoch:  # another process has made the token since
        return None
    return _match(signed, access)


def _match(signed: Signed, access: Access) -> Identity:
    if signed.identity.owner != access.principal or signed.epoch != access.epoch:
        raise InvalidTokenError
    return signed.identity


def look_up(sid: str) -> Signed:
    """Return who is signed in by a session now, whatever is cached.  Raises ``InvalidTokenError``."""
    if (signed := look_up_all([sid])[sid]) is None:
        raise InvalidTokenError
    return signed


def look_up_all(sids: Iterable[str]) -> dict[str, Signed | None]:
    """Return who is signed in by each of some sessions now, read at once; None: nobody."""
    found: dict[str, Signed | None] = dict.fromkeys(sids)
    for sid, *row in _run(sql.ALIVE_SESSIONS, sids=list(found), users=_users_ptr()):
        found[sid] = _read_signed(sid, *row)
    return found


def _read_signed(sid: str, owner: str, session_text: str, principal_text: str | None) -> Signed | None:
    if principal_text is None:
        return None
    session, principal = json.loads(session_text), json.loads(principal_text)
    if not principal["is_active"]:
        return None
    state = find_state(principal["subject"])
    if not state.is_active:
        return None
    if session["fingerprint"] != state.fingerprint:
        if session["fingerprint"] not in state.fallbacks:
            return None
        set_fingerprint(sid, state)  # that of a secret key that will be gone some day
    identity = Identity(
        owner=owner,
        sid=sid,
        ugroups=frozenset(principal["ugroups"]) | state.ugroups,
        is_anonymous=principal["is_anonymous"],
        subject=principal["subject"],
    )
    return Signed(identity=identity, epoch=principal["epoch"])


def create(principal: str, state: State, *, agent: str, ip: str) -> str:
    """Begin a session and return its id."""
    options, sid = get_settings().AUTH, new_id()
    data = {"fingerprint": state.fingerprint, "agent": agent[:300], "ip": ip}
    _run(
        sql.CREATE_SESSION,
        sid=sid,
        principal=principal,
        data=json.dumps(data),
        idle=options.refresh_idle_seconds,
        absolute=options.refresh_absolute_seconds,
    )
    return sid


def rotate(token: str) -> Rotation:
    """Use a refresh token: atomically the session's counter goes up, or the token is not the current one.

    The one before that is taken ``again`` for ``reuse_seconds``: an answer was lost, or two tabs were as fast.  Older
    ones have been stolen by somebody, or from somebody: the session ends.  Raises ``InvalidTokenError`` for what is no
    token, or of no session.
    """
    options = get_settings().AUTH
    sid, counter = read_refresh(token)
    rows = _run(sql.ROTATE_SESSION, sid=sid, counter=counter, idle=options.refresh_idle_seconds)
    if rows:
        return Rotation(outcome="fresh", sid=sid, principal=rows[0][1], counter=rows[0][0])
    rows = _run(sql.SESSION_COUNTER, sid=sid)
    if not rows or counter > rows[0][0]:
        raise InvalidTokenError
    current, seconds, principal = rows[0]
    if counter == current - 1 and seconds <= options.reuse_seconds:
        return Rotation(outcome="again", sid=sid, principal=principal, counter=current)
    end(principal, only=sid)
    return Rotation(outcome="reused", sid=sid, principal=principal, counter=current)


def find_counter(sid: str) -> int:
    """Return the counter of a session's current refresh token.  Raises ``InvalidTokenError``."""
    rows = _run(sql.SESSION_COUNTER, sid=sid)
    if not rows:
        raise InvalidTokenError
    counter: int = rows[0][0]
    return counter


def list_of(principal: str, current: str | None = None) -> list[Session]:
    """Return the sessions of a principal, the latest first."""
    found = [_describe(sid, data, current) for sid, data in _run(sql.LIST_SESSIONS, principal=principal)]
    return sorted(found, key=lambda session: -session.created_at)


def list_latest(limit: int) -> list[tuple[str, Session]]:
    """Return so many sessions with their principals, those first that were used last."""
    return [(principal, _describe(sid, data)) for principal, sid, data in _run(sql.LATEST_SESSIONS, limit=limit)]


def _describe(sid: str, text: str, current: str | None = None) -> Session:
    data = json.loads(text)
    return Session(
        id=sid,
        created_at=data["created_at"],
        refreshed_at=data["rotated_at"],
        expires_at=min(data["idle_until"], data["expires_at"]),
        agent=data["agent"],
        ip=data["ip"],
        is_current=sid == current,
    )


def end(principal: str, *, only: str | None = None, but: str | None = None) -> list[str]:
    """End sessions of a principal: all, or ``only`` one, or all ``but`` one; return their ids."""
    rows = _run(sql.END_SESSIONS, principal=principal, only=only, but=but)
    forget()
    return [row[0] for row in rows]


def set_fingerprint(sid: str, state: State) -> None:
    """Let a session outlive a change of password, or of the secret key."""
    _run(sql.SET_SESSION, sid=sid, data=json.dumps({"fingerprint": state.fingerprint}))


def forget() -> None:
    """Look at all sessions anew, in this process: now, and once more when the transaction has committed."""
    known.forget()
    connection, _ = locate()
    transaction.on_commit(known.forget, using=connection.alias)


def _users_ptr() -> int:
    connection, ns = locate()
    return resolve(connection, ns, USERS).ptr


def _run(sql: str, **params: Any) -> list[Any]:
    connection, ns = locate()
    values: Mapping[str, Any] = {"ns": ns, **params}
    with translated():
        return list(fetch_quietly(connection, sql, dict(values)))
