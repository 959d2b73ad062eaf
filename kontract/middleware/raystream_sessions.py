"""Sessions of the channel in the database: rows that all processes share, and what a process remembers of them.

A request costs one statement: from the state that this process saw last the next one is made, and the row is set to
that if it still holds the former (compare and set).  Where another process was faster, the statement tells what the
row holds instead, and everything is decided anew.  So of all processes one admits a number, whatever they remember.
What is compared is the row's mark, random bytes that are others after each change.  Within a process requests of one
session take turns, so that they do not outrun each other.

Each statement is a transaction of its own, committed before the request runs.
"""

import json
import os
import random
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, Generic, TypeVar

from kontract.exceptions import ConflictError
from kontract.mvcc.alone import fetch_alone
from kontract.mvcc.versions import channels as sql
from kontract.raystream.errors import NotAuthenticError
from kontract.raystream.server import CACHED_SESSIONS
from kontract.raystream.state import SessionState
from kontract.tables.catalog import locate

_ATTEMPTS: Final = 100  # each that fails, another process has won
_SWEEP_CHANCE: Final = 0.02
_SWEPT: Final = 200  # sessions
_NOBODY: Final = b"nobody"  # no session's id
_MARK_BYTES: Final = 12

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Generic[T]):
    """What becomes of a session: the state ``after``, perhaps a ``new`` one in its place, and what is made of both."""

    after: SessionState
    made: T
    new: SessionState | None = None


Decide = Callable[[SessionState | None], Change[T]]


@dataclass(slots=True)
class _Known:
    """What this process remembers of a session."""

    state: SessionState | None = None
    members: dict[str, Any] = field(default_factory=dict)  # of the row, which has them of the state, and its mark
    lock: Lock = field(default_factory=Lock)


class Sessions:
    """The rows of the sessions in the current namespace."""

    def __init__(self, *, flush: bool) -> None:
        """``flush``: wait until each change is on disk, see ``kontract.mvcc.versions.channels.Channels``."""
        self._sql = sql.Channels(flush=flush)
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._lock = Lock()

    @contextmanager
    def seek(self, sid: bytes) -> Iterator[SessionState | None]:
        """Give the state that this process knows, or else the row's; None if there is no session.

        A forgery takes as long, and asks the database as much, whether there is a session or not.
        """
        remembered = self._recall(sid)
        state = remembered or self.load(sid)
        try:
            yield state
        except NotAuthenticError:
            if remembered is not None:
                self.load(_NOBODY)
            raise

    def find(self, sid: bytes) -> SessionState | None:
        """Return what seek() gives, after one question to the database in any case.

        This is for what computes long before it finds a forgery: a question after that takes longer than one before.
        """
        remembered = self._recall(sid)
        found = self.load(sid if remembered is None else _NOBODY)
        return remembered or found

    def _recall(self, sid: bytes) -> SessionState | None:
        return known.state if (known := self._known.get(sid)) is not None else None

    def load(self, sid: bytes) -> SessionState | None:
        """Return the row's present state; None if there is no session (any more)."""
        with self._turn(sid) as known:
            return self._load(known, sid)

    def begin(self, state: SessionState) -> None:
        """Store a new session; now and then remove some that are over."""
        self._fetch(self._sql.begin, state.sid, after=json.dumps(_encode(state)))
        if random.random() < _SWEEP_CHANCE:  # noqa: S311 - not a secret
            connection, ns = locate()
            after = f"{random.getrandbits(128):032x}"
            fetch_alone(connection, sql.SWEEP_CHANNELS, {"ns": ns, "after": after, "batch": _SWEPT})

    def change(self, sid: bytes, decide: Decide[T]) -> T:
        """Store what ``decide`` makes of the present state, and return what it made of it.

        ``decide`` is asked again where the state was not the present one, and where it raises ``NotAuthenticError`` by
        what is remembered: the row may have been given more time since.
        """
        with self._turn(sid) as known:
            before, is_present = known.state, False
            if before is None:
                before, is_present = self._load(known, sid), True
            for _ in range(_ATTEMPTS):
                try:
                    change = decide(before)
                except NotAuthenticError:
                    if is_present:
                        raise
                    before, is_present = self._load(known, sid), True
                    continue
                is_moved, before = self._move(known, sid, change)
                if is_moved:
                    return change.made
                is_present = True
        raise ConflictError(f"A session of raystream was changed by others {_ATTEMPTS} times over. Try again.")

    def _move(self, known: _Known, sid: bytes, change: Change[Any]) -> tuple[bool, SessionState | None]:
        """Change the row if it is what is known of it; return whether it was, and the state that there is now."""
        members = _encode(change.after)
        changes = {name: value for name, value in members.items() if value != known.members[name]}
        params = {"mark": known.members["mark"], "changes": json.dumps(changes)}
        if change.new is None:
            is_moved, _, row = self._fetch(self._sql.move, sid, **params)
        else:
            new = {"new_id": change.new.sid.hex(), "new": json.dumps(_encode(change.new))}
            is_moved, _, row = self._fetch(self._sql.replace, sid, **params, **new)
        if not is_moved:
            return False, self._note(known, row)
        known.state, known.members = change.after, members
        return True, change.after

    def _load(self, known: _Known, sid: bytes) -> SessionState | None:
        (row,) = self._fetch(self._sql.find, sid)
        return self._note(known, row)

    def _note(self, known: _Known, row: str | None) -> SessionState | None:
        """Remember what the row holds; an older one, which somebody has put back, ends the session here."""
        members = {} if row is None else json.loads(row)
        state = SessionState.decode(members) if "mark" in members else None
        if state is not None and known.state is not None and not state.window.is_after(known.state.window):
            return None
        known.state, known.members = state, members
        return state

    def _fetch(self, sql: str, sid: bytes, **params: Any) -> Any:
        connection, ns = locate()
        return fetch_alone(connection, sql, {"ns": ns, "id": sid.hex(), **params}, prepared=True)[0]

    @contextmanager
    def _turn(self, sid: bytes) -> Iterator[_Known]:
        """Wait for the others of this process that look at the session, and remember it if there is one.

        Get a connection first: who waits for one of a pool while others wait for their turn, could wait for theirs.
        """
        locate()
        with self._lock:
            known = self._known.setdefault(sid, _Known())
            self._known.move_to_end(sid)
            if len(self._known) > CACHED_SESSIONS:
                self._known.popitem(last=False)
        try:
            with known.lock:
                yield known
        finally:
            if known.state is None:  # else whoever makes ids up could fill the memory
                with self._lock:
                    self._known.pop(sid, None)


def _encode(state: SessionState) -> dict[str, Any]:
    """Return what a row with this state has, and a mark that no row had before."""
    return {**state.encode(), "mark": os.urandom(_MARK_BYTES).hex()}
