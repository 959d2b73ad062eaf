"""What the server keeps of a session: one frozen value, which any process can store, load and carry on with.

    status     happens   next        deadline
    PENDING    REQUEST   OPEN        idle, not beyond absolute
    OPEN       REQUEST   OPEN        idle, not beyond absolute
    OPEN       RESUME    DRAINING    60 s

A DRAINING session takes nothing: it ends answers that are open, whose senders hold their keys, so its own are gone.
Neither does one past its deadline.  What is not in this table is not authentic.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self

from kontract.raystream.errors import NotAuthenticError, PrincipalError
from kontract.raystream.limits import DRAINING_SECONDS, PENDING_SECONDS, Limits
from kontract.raystream.replay import WINDOW_BITS, Window
from kontract.raystream.schedule import Secrets
from kontract.raystream.suites import SUITES, Suite
from kontract.raystream.wrapping import wrap


class Status(StrEnum):
    """Where a session stands."""

    PENDING = "pending"  # nobody has shown yet that they hold its keys
    OPEN = "open"
    DRAINING = "draining"  # another session has taken its place


class Happening(StrEnum):
    """What an authentic message asks of a session."""

    REQUEST = "request"
    RESUME = "resume"


_TRANSITIONS: Final = {
    (Status.PENDING, Happening.REQUEST): Status.OPEN,
    (Status.OPEN, Happening.REQUEST): Status.OPEN,
    (Status.OPEN, Happening.RESUME): Status.DRAINING,
}
_UNUSED: Final = Window()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """A row.  Times are seconds of UNIX time; ``owner`` is None until a principal is bound."""

    sid: bytes
    suite: Suite
    wrapped: bytes  # the secrets, see kontract.raystream.wrapping; empty when there are none any more
    limits: Limits  # as the client was told
    expires_at: float  # when it ends if nothing happens
    ends_at: float  # when it ends whatever happens
    status: Status = Status.PENDING
    window: Window = _UNUSED
    owner: str | None = None

    @classmethod
    def begin(cls, secrets: Secrets, key: bytes, limits: Limits, now: float, *, owner: str | None) -> Self:
        """Return the state of a session after its handshake; ``key`` wraps its secrets."""
        return cls(
            sid=secrets.sid,
            suite=secrets.suite,
            wrapped=wrap(secrets, key),
            limits=limits,
            expires_at=now + min(PENDING_SECONDS, limits.absolute),
            ends_at=now + limits.absolute,
            owner=owner,
        )

    def after_request(self, seq: int, now: float) -> Self:
        """Return the state after authentic request number ``seq``.

        Raises ``NotAuthenticError`` if it is a replay, too old to tell, over the limit, or the session is at its end.
        """
        status = self._after(Happening.REQUEST, now)
        window = self.window.accept(seq) if seq < self.limits.requests else None
        if window is None:
            raise NotAuthenticError
        return replace(self, status=status, window=window, expires_at=min(now + self.limits.idle, self.ends_at))

    def after_resume(self, now: float) -> Self:
        """Return the state after another session took this one's place.

        Raises ``NotAuthenticError`` if one has already, or the session is at its end or unconfirmed.
        """
        status = self._after(Happening.RESUME, now)
        end = min(now + DRAINING_SECONDS, self.ends_at)
        return replace(self, status=status, wrapped=b"", expires_at=end, ends_at=end)

    def bind(self, owner: str) -> Self:
        """Return the state bound to a principal: the first binds.  Raises ``PrincipalError`` for another one."""
        if self.owner not in (None, owner):
            raise PrincipalError("This session belongs to somebody else. Sign in over a session of your own.")
        return replace(self, owner=owner)

    def encode(self) -> dict[str, Any]:
        """Return the state as a JSON object."""
        return {
            "sid": self.sid.hex(),
            "suite": self.suite.id,
            "wrapped": base64.b64encode(self.wrapped).decode(),
            "limits": list(self.limits.values()),
            "expires_at": self.expires_at,
            "ends_at": self.ends_at,
            "status": self.status.value,
            "hi": self.window.hi,
            "window": f"{self.window.bits:0{WINDOW_BITS // 4}x}",
            "owner": self.owner,
        }

    @classmethod
    def decode(cls, row: Mapping[str, Any]) -> Self:
        """Return what ``encode`` encoded."""
        return cls(
            sid=bytes.fromhex(row["sid"]),
            suite=SUITES[row["suite"]],
            wrapped=base64.b64decode(row["wrapped"]),
            limits=Limits.of(row["limits"]),
            expires_at=row["expires_at"],
            ends_at=row["ends_at"],
            status=Status(row["status"]),
            window=Window(row["hi"], int(row["window"], 16)),
            owner=row["owner"],
        )

    def _after(self, happening: Happening, now: float) -> Status:
        status = _TRANSITIONS.get((self.status, happening))
        if status is None or now >= self.expires_at:
            raise NotAuthenticError
        return status
