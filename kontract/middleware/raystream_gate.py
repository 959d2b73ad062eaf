"""The way in: what a message of the channel becomes, and what is counted before it costs anything."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from kontract.conf import RaystreamOptions
from kontract.exceptions import ConfigurationError, RateLimitedError
from kontract.middleware.raystream_sessions import Change, Sessions
from kontract.raystream import frames
from kontract.raystream.errors import MisuseError, NotAuthenticError, PrincipalError
from kontract.raystream.keys import KeyRing, StaticKey
from kontract.raystream.limits import PENDING_SECONDS, Limits
from kontract.raystream.server import Admitted, OpenedRequest, OpenedResume, Server
from kontract.raystream.state import SessionState, Status
from kontract.raystream.suites import SUITES
from kontract.rpc.limits import Rate, take

_EVERYBODY: Final = "raystream:pending"


def make_ring(options: RaystreamOptions) -> KeyRing:
    """Return the keys of the settings.  Raises ``ConfigurationError`` where one is there twice."""
    try:
        return KeyRing(options.audience, [StaticKey.from_bytes(key.secret, key.not_after) for key in options.keys])
    except MisuseError as error:
        raise ConfigurationError(f'KONTRACT["RAYSTREAM"] cannot be used: {error}') from error


def make_server(options: RaystreamOptions) -> Server:
    """Return the channel's half of the settings.  Raises ``ConfigurationError``."""
    try:
        limits = Limits(**options.limits)
        suites = [SUITES[number] for number in options.suites]
    except (MisuseError, TypeError, LookupError) as error:
        raise ConfigurationError(
            f'KONTRACT["RAYSTREAM"] cannot be used: {error!r}. "suites" are of {list(SUITES)}; "limits" may have idle, '
            "absolute, requests, frame and chunk."
        ) from error
    return Server(make_ring(options), options.wrapping_key, limits=limits, suites=suites)


class Gate:
    """What a process of the server has: it opens messages and admits each once, in all processes together."""

    def __init__(self, options: RaystreamOptions) -> None:
        """Raise ``ConfigurationError`` for settings that cannot be."""
        self._server = make_server(options)
        self._sessions = Sessions(flush=options.flush)
        self._rate = Rate.parse(options.handshakes)
        # At most half at once, and the other half in the time that the first may take to confirm.
        self._burst = options.pending // 2
        self._pending = Rate(count=self._burst, seconds=PENDING_SECONDS)
        self.limits = self._server.limits

    def receive(self, data: bytes, find_network: Callable[[], str]) -> "bytes | Arrival":
        """Return the answer to a handshake, or the request that came; ``find_network`` tells where from.

        Raises ``NotAuthenticError``, and ``RateLimitedError`` before a handshake costs a computation.
        """
        message = self._server.parse(data)
        now = time.time()
        if isinstance(message, frames.Request):
            with self._sessions.seek(message.sid) as state:
                opened = self._server.open(message, state)
            admitted = self._sessions.change(message.sid, partial(_admit_request, opened, now))
            return Arrival(admitted=admitted, sessions=self._sessions)
        self._count(f"raystream:{find_network()}", self._rate, self._rate.count)
        if isinstance(message, frames.Resume):
            resuming = self._server.open_resume(message, self._sessions.find(message.sid), now)
            return self._sessions.change(message.sid, partial(_admit_resume, resuming, now))
        self._count(_EVERYBODY, self._pending, self._burst)
        accepted = self._server.accept(message, now)
        self._sessions.begin(accepted.state)
        return accepted.frame

    def _count(self, bucket: str, rate: Rate, burst: int) -> None:
        if seconds := take(bucket, rate, burst=burst):
            wait = int(seconds) + 1
            raise RateLimitedError(f"There are too many handshakes. Try again in {wait} seconds.", wait)


@dataclass(slots=True, kw_only=True)
class Arrival:
    """A request that was admitted, and its session: what ``kontract.rpc.channel`` calls a channel."""

    admitted: Admitted
    sessions: Sessions

    @property
    def sid(self) -> str:
        """The session's id."""
        return self.admitted.state.sid.hex()

    @property
    def exporter(self) -> bytes:
        """32 secret bytes that only the two ends of the session know."""
        return self.admitted.exporter

    @property
    def owner(self) -> str | None:
        """The principal that the session belonged to when the request came."""
        return self.admitted.state.owner

    def bind(self, owner: str) -> bool:
        """Let the session belong to ``owner``; return whether it does now."""
        try:
            self.sessions.change(self.admitted.state.sid, partial(_bind, owner))
        except (PrincipalError, NotAuthenticError):  # the latter where it ended meanwhile
            return False
        return True

    def is_over(self) -> bool:
        """Return whether answers that are still open are to end: the session is gone, or has had its time."""
        row, now = self.sessions.load(self.admitted.state.sid), time.time()
        return row is None or now >= (row.expires_at if row.status is Status.DRAINING else row.ends_at)


def _admit_request(opened: OpenedRequest, now: float, row: SessionState | None) -> Change[Admitted]:
    admitted = opened.admit(row, now)
    return Change(after=admitted.state, made=admitted)


def _admit_resume(opened: OpenedResume, now: float, row: SessionState | None) -> Change[bytes]:
    resumed = opened.admit(row, now)
    return Change(after=resumed.previous, made=resumed.frame, new=resumed.state)


def _bind(owner: str, row: SessionState | None) -> Change[None]:
    if row is None:
        raise NotAuthenticError
    return Change(after=row.bind(owner), made=None)
