"""The client's half: one session at a time, in one process, in memory.

    stage       act        next
    IDLE        START      SHAKING      send what start() returns
    SHAKING     ACCEPT     OPEN         receive() took the server's answer
    OPEN        REQUEST    OPEN         send a call's frame; feed the answer to what open() returns
    OPEN        RESUME     RESUMING     send what resume() returns
    RESUMING    ACCEPT     OPEN
    OPEN        START      SHAKING      give the session up for a new one

``drop()`` leads from any stage to IDLE, and so does every answer to a handshake that is RESET or not authentic.
"""

import os
from dataclasses import dataclass, field
from enum import Enum
from threading import Lock
from typing import Final, NoReturn

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from kontract.raystream import frames
from kontract.raystream.answers import Opener
from kontract.raystream.cipher import Cipher
from kontract.raystream.envelope import RequestHead, encode_request
from kontract.raystream.errors import MisuseError, NotAuthenticError, SessionResetError
from kontract.raystream.framing import Framing
from kontract.raystream.handshake import ClientHandshake, Established
from kontract.raystream.keys import Pins
from kontract.raystream.limits import PENDING_SECONDS
from kontract.raystream.schedule import Secrets
from kontract.raystream.suites import TAG_BYTES, Suite

RESUME_AT: Final = 0.75  # of a limit: early enough that a request under way is not caught by it


class Stage(Enum):
    """Where the client stands."""

    IDLE = "without a session"
    SHAKING = "in a handshake"
    OPEN = "in a session"
    RESUMING = "resuming a session"


class Act(Enum):
    """What the client does, or takes."""

    START = "start a handshake"
    ACCEPT = "take the answer to a handshake"
    REQUEST = "send a request"
    RESUME = "resume the session"


class Step(Enum):
    """What is next to do for who wants to send a request: ``start()``, ``resume()``, or ``request()``."""

    START = "start"
    RESUME = "resume"
    REQUEST = "request"


_TRANSITIONS: Final = {
    (Stage.IDLE, Act.START): Stage.SHAKING,
    (Stage.SHAKING, Act.ACCEPT): Stage.OPEN,
    (Stage.OPEN, Act.REQUEST): Stage.OPEN,
    (Stage.OPEN, Act.RESUME): Stage.RESUMING,
    (Stage.RESUMING, Act.ACCEPT): Stage.OPEN,
    (Stage.OPEN, Act.START): Stage.SHAKING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A sealed request: ``frame`` goes to the server."""

    seq: int
    frame: bytes = field(repr=False)
    _secrets: Secrets = field(repr=False)
    _chunk: int = field(repr=False)

    def open(self, framing: type[Framing]) -> Opener:
        """Return what opens the response; the outer content type says which framing it has."""
        return Opener(self._secrets, self.seq, chunk=self._chunk, framing=framing)


class _Channel:
    """An established session: its cipher and its counter."""

    def __init__(self, established: Established, now: float) -> None:
        self.secrets = established.secrets
        self.limits = established.limits
        self._cipher = Cipher(self.secrets.suite, self.secrets.c2s)
        self._began = self._used = now
        self._count = 0
        self._lock = Lock()
        self._process = os.getpid()

    def draw(self, now: float) -> int:
        """Return the number of the next request.  Raises ``MisuseError`` when they are used up, and in a fork."""
        if os.getpid() != self._process:
            raise MisuseError("This session was made before the process forked. Make a client in each process.")
        with self._lock:
            if self._count >= self.limits.requests:
                raise MisuseError(f"The session has made its {self.limits.requests} requests. Resume it.")
            self._count += 1
            self._used = now
            return self._count - 1

    def seal(self, seq: int, envelope: bytes) -> bytes:
        """Return the frame of request ``seq``."""
        header = frames.pack_header(frames.Request.TYPE, self.secrets.suite, self.secrets.sid, seq)
        return header + self._cipher.seal(seq, envelope, header)

    def next_step(self, now: float) -> Step:
        """Return whether the session is good for another request."""
        age = now - self._began
        if not self._count:
            return Step.REQUEST if age < RESUME_AT * PENDING_SECONDS else Step.START
        limits = self.limits
        spent = max(age / limits.absolute, (now - self._used) / limits.idle, self._count / limits.requests)
        if spent >= 1:
            return Step.START
        return Step.RESUME if spent >= RESUME_AT else Step.REQUEST


class Client:
    """A client of one server.  Not to be stored, copied or used after a fork: the counter would run twice."""

    def __init__(self, pins: Pins, *, suite: Suite | None = None) -> None:
        """``suite`` is the one to use, by default the first of the pinned ones.  Raises ``MisuseError``."""
        self._pins = pins
        self._suite = suite or pins.suites[0]
        if self._suite not in pins.suites:
            raise MisuseError(f"The suite {self._suite.name} is not one of those that are pinned.")
        self._pin = 0
        self._stage = Stage.IDLE
        self._handshake: ClientHandshake | None = None
        self._channel: _Channel | None = None

    def __reduce__(self) -> NoReturn:
        raise MisuseError("A client cannot be copied or stored: its numbers would be used twice. Make another one.")

    @property
    def exporter(self) -> bytes:
        """32 secret bytes that only the two ends of the present session know."""
        return self._need_channel().secrets.exporter

    def next_step(self, now: float) -> Step:
        """Return what to do next for a request; ``now`` is in seconds and never goes back."""
        return self._channel.next_step(now) if self._channel and self._stage is Stage.OPEN else Step.START

    def start(self) -> bytes:
        """Begin a handshake and return INIT."""
        self._go(Act.START)
        self._channel = None
        return self._open(None)

    def resume(self) -> bytes:
        """Begin the handshake that replaces the session, and return RESUME.

        The server takes no request of the old session from now on; calls whose answers have begun go on.
        """
        self._go(Act.RESUME)
        return self._open(self._need_channel().secrets)

    def receive(self, data: bytes, now: float) -> None:
        """Take the answer to ``start`` or ``resume``.

        Raises ``SessionResetError`` or ``NotAuthenticError``; then there is no session, and the next handshake takes
        the next of the pinned keys unless this one was a resumption.
        """
        shaking = self._stage is Stage.SHAKING
        self._go(Act.ACCEPT)
        try:
            self._channel = _Channel(self._finish(data), now)
        except (SessionResetError, NotAuthenticError):
            self._pin = (self._pin + shaking) % len(self._pins.keys)
            self.drop()
            raise
        self._handshake = None

    def request(self, head: RequestHead, body: bytes, now: float, *, block: int = 1) -> Call:
        """Seal a request, padded to a multiple of ``block`` bytes.  Raises ``MisuseError``."""
        self._go(Act.REQUEST)
        channel = self._need_channel()
        envelope = encode_request(head, body, block=block)
        size = frames.HEADER_BYTES + len(envelope) + TAG_BYTES
        if size > channel.limits.frame:
            raise MisuseError(
                f"The request has {size} bytes; the encrypted channel takes at most {channel.limits.frame}, files "
                "included. Send a large file in several calls."
            )
        seq = channel.draw(now)
        frame = channel.seal(seq, envelope)
        return Call(seq=seq, frame=frame, _secrets=channel.secrets, _chunk=channel.limits.chunk)

    def drop(self, call: Call | None = None) -> None:
        """Forget the session, or the handshake; calls whose answers have begun go on.

        With a ``call``, which was answered RESET, only the session that it was sealed in.
        """
        if call is not None and (self._channel is None or call._secrets is not self._channel.secrets):
            return
        self._stage = Stage.IDLE
        self._handshake = self._channel = None

    def _open(self, old: Secrets | None) -> bytes:
        static = self._pins.keys[self._pin]
        self._handshake = ClientHandshake(self._pins, self._suite, static, X25519PrivateKey.generate(), old)
        return self._handshake.opening

    def _finish(self, data: bytes) -> Established:
        if data == frames.RESET:
            raise SessionResetError
        message = frames.parse(data)
        if not isinstance(message, frames.Accept) or self._handshake is None:
            raise NotAuthenticError
        return self._handshake.finish(message)

    def _need_channel(self) -> _Channel:
        if self._channel is None:
            raise MisuseError(f"The client is {self._stage.value}. Start a handshake first.")
        return self._channel

    def _go(self, act: Act) -> None:
        stage = _TRANSITIONS.get((self._stage, act))
        if stage is None:
            raise MisuseError(f"The client cannot {act.value} while it is {self._stage.value}.")
        self._stage = stage
