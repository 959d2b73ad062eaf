"""The server's half, spread over processes: between messages all it has is a ``SessionState``, which the caller stores.

    message = server.parse(data)

    Init:     accepted = server.accept(message, now)             store accepted.state, send accepted.frame
    Resume:   opened = server.open_resume(message, row, now)     row: what is stored for message.sid, or None
              resumed = opened.admit(row, now)                   the row as it is now, locked
                                                                 store resumed.previous and resumed.state, then send
    Request:  opened = server.open(message, row)
              admitted = opened.admit(row, now)                  the row as it is now, locked
                                                                 store admitted.state, durably; then go on:
              head, body = admitted.request()
              sealer = admitted.answer(Lengths)

A message is decrypted first and admitted after that, so that a forgery can neither move the replay window nor take a
lock.  ``admit`` is pure: of two that start from one row, only one may be stored.  All of these raise the same
``NotAuthenticError``, to be answered with ``frames.RESET``; a message for a session or key that does not exist takes
the same steps with a dummy.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from kontract.raystream import frames, handshake
from kontract.raystream.answers import Sealer
from kontract.raystream.cipher import Cipher
from kontract.raystream.envelope import REQUEST_HEADERS, RequestHead, decode_request
from kontract.raystream.errors import MisuseError, NotAuthenticError
from kontract.raystream.framing import Framing
from kontract.raystream.keys import KeyRing
from kontract.raystream.limits import Limits
from kontract.raystream.schedule import SECRETS_BYTES, Secrets
from kontract.raystream.state import SessionState
from kontract.raystream.suites import SUITES, Suite
from kontract.raystream.wrapping import check_wrapping_key, unwrap

CACHED_SESSIONS: Final = 4096  # whose unwrapped keys a process keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A new session: store ``state``, then send ``frame``."""

    state: SessionState
    frame: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A session in place of another: store ``previous`` over the old one and ``state``, then send ``frame``."""

    previous: SessionState
    state: SessionState
    frame: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A request that may be handed over as soon as ``state`` is stored."""

    state: SessionState
    seq: int
    _secrets: Secrets = field(repr=False)
    _envelope: bytes = field(repr=False)

    @property
    def exporter(self) -> bytes:
        """32 secret bytes that only the two ends of this session know."""
        return self._secrets.exporter

    def request(self, *, allowed: frozenset[str] = REQUEST_HEADERS) -> tuple[RequestHead, bytes]:
        """Return head and body.  Raises ``InvalidEnvelopeError``; the answer to that is sealed like any other."""
        return decode_request(self._envelope, allowed=allowed)

    def answer(self, framing: type[Framing]) -> Sealer:
        """Return what seals the response."""
        salt = os.urandom(frames.SALT_BYTES)
        return Sealer(self._secrets, self.seq, salt, chunk=self.state.limits.chunk, framing=framing)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRequest:
    """An authentic request that nobody has looked up in the replay window yet."""

    sid: bytes
    seq: int
    _secrets: Secrets = field(repr=False)
    _envelope: bytes = field(repr=False)

    def admit(self, state: SessionState | None, now: float) -> Admitted:
        """Return the request and the state after it; ``state`` is the present one, None if the session is gone.

        Raises ``NotAuthenticError`` for a replay, a number beyond the limits, or a session at its end.
        """
        after = _check_row(self.sid, state).after_request(self.seq, now)
        return Admitted(state=after, seq=self.seq, _secrets=self._secrets, _envelope=self._envelope)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedResume:
    """An authentic RESUME of a session that may have been resumed before."""

    sid: bytes
    _secrets: Secrets = field(repr=False)
    _limits: Limits = field(repr=False)
    _key: bytes = field(repr=False)
    _frame: bytes = field(repr=False)

    def admit(self, state: SessionState | None, now: float) -> Resumed:
        """Return both sessions' states; ``state`` is the old one's present one, None if it is gone.

        Raises ``NotAuthenticError`` if it was resumed before, never confirmed, or is at its end.
        """
        state = _check_row(self.sid, state)
        previous = state.after_resume(now)
        new = SessionState.begin(self._secrets, self._key, self._limits, now, owner=state.owner)
        return Resumed(previous=previous, state=new, frame=self._frame)


@dataclass(frozen=True, slots=True)
class _Unlocked:
    """A session's secrets, and the cipher of its requests."""

    secrets: Secrets
    cipher: Cipher


class Server:
    """What every process of the server is made with; it holds no session but in a cache."""

    def __init__(
        self,
        ring: KeyRing,
        wrapping_key: bytes,
        *,
        limits: Limits | None = None,
        suites: Sequence[Suite] = tuple(SUITES.values()),
    ) -> None:
        """``wrapping_key`` (32 bytes, the same in all processes) seals what is stored.  Raises ``MisuseError``."""
        self.limits = limits or Limits()
        self._ring = ring
        self._key = check_wrapping_key(wrapping_key)
        self._suites = frozenset(suites)
        self._dummies = {suite: self._make_dummy(suite) for suite in suites}
        self._unlock = lru_cache(maxsize=CACHED_SESSIONS)(self._unlock_anew)

    def parse(self, data: bytes) -> frames.Init | frames.Resume | frames.Request:
        """Return the client's message.  Raises ``NotAuthenticError``."""
        if len(data) > self.limits.frame:
            raise NotAuthenticError
        message = frames.parse(data)
        if isinstance(message, frames.Accept) or message.suite not in self._suites:
            raise NotAuthenticError
        return message

    def accept(self, message: frames.Init, now: float) -> Accepted:
        """Answer INIT with a new session.  Raises ``NotAuthenticError``."""
        frame, secrets = self._answer(message, now, psk=None)
        return Accepted(state=SessionState.begin(secrets, self._key, self.limits, now, owner=None), frame=frame)

    def open_resume(self, message: frames.Resume, state: SessionState | None, now: float) -> OpenedResume:
        """Open RESUME with what is stored of the old session, None if nothing is.  Raises ``NotAuthenticError``."""
        psk = self._find(message, state).secrets.resume
        frame, secrets = self._answer(message, now, psk=psk)
        return OpenedResume(sid=message.sid, _secrets=secrets, _limits=self.limits, _key=self._key, _frame=frame)

    def open(self, message: frames.Request, state: SessionState | None) -> OpenedRequest:
        """Open a request with what is stored of its session, None if nothing is.  Raises ``NotAuthenticError``."""
        unlocked = self._find(message, state)
        envelope = unlocked.cipher.open(message.seq, message.sealed, message.header)
        return OpenedRequest(sid=message.sid, seq=message.seq, _secrets=unlocked.secrets, _envelope=envelope)

    def _answer(self, message: frames.Init | frames.Resume, now: float, psk: bytes | None) -> tuple[bytes, Secrets]:
        accept, secrets = handshake.accept(
            message,
            self._ring.audience,
            self._ring.find(message.kid, now),
            self.limits,
            ephemeral=X25519PrivateKey.generate(),
            sid=os.urandom(frames.SID_BYTES),
            psk=psk,
        )
        return accept.encode(), secrets

    def _find(self, message: frames.Request | frames.Resume, state: SessionState | None) -> _Unlocked:
        """Return the secrets of the session, or those of the dummy, which open nothing, by the same steps."""
        dummy = self._dummies[message.suite]
        found = _check_row(dummy.sid if state is None else message.sid, state or dummy)
        if found.suite is not message.suite:
            found = dummy
        unlocked = self._unlock(found.sid, found.suite, found.wrapped)
        return unlocked or self._find(message, None)

    def _make_dummy(self, suite: Suite) -> SessionState:
        """Return a session whose secrets nobody has."""
        secrets = Secrets.decode(suite, os.urandom(frames.SID_BYTES), os.urandom(SECRETS_BYTES))
        return SessionState.begin(secrets, self._key, self.limits, 0, owner=None)

    def _unlock_anew(self, sid: bytes, suite: Suite, wrapped: bytes) -> _Unlocked | None:
        secrets = unwrap(wrapped, sid=sid, suite=suite, key=self._key)
        return _Unlocked(secrets, Cipher(suite, secrets.c2s)) if secrets else None


def _check_row(sid: bytes, state: SessionState | None) -> SessionState:
    if state is None:
        raise NotAuthenticError
    if state.sid != sid:
        raise MisuseError(f"The state is that of session {state.sid.hex()}; the message is for {sid.hex()}.")
    return state
