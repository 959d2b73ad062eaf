"""The handshake: INIT or RESUME by the client, ACCEPT by the server, and the session's secrets on both sides."""

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from kontract.raystream.errors import NotAuthenticError
from kontract.raystream.frames import PADDING, SID_BYTES, Accept, Init, Resume
from kontract.raystream.keys import Pins, StaticKey, encode_audience, kid_of
from kontract.raystream.limits import Limits
from kontract.raystream.noise import Initiator, Responder
from kontract.raystream.schedule import Secrets, prologue
from kontract.raystream.suites import Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class Established:
    """What a handshake gave."""

    secrets: Secrets
    limits: Limits


class ClientHandshake:
    """One attempt of the client: ``opening`` goes to the server, whose answer ``finish`` takes."""

    def __init__(
        self, pins: Pins, suite: Suite, static: bytes, ephemeral: X25519PrivateKey, old: Secrets | None = None
    ) -> None:
        """``static`` is one of the pinned keys; with ``old`` the new session resumes the one of these secrets."""
        offer = tuple(offered.id for offered in pins.suites)
        kid = kid_of(static)
        psk = old.resume if old else None
        self._suite = suite
        self._noise = Initiator(
            suite, prologue(encode_audience(pins.audience), offer, suite, kid), static, ephemeral, psk
        )
        noise = self._noise.write(PADDING)
        message = (
            Resume(suite=suite, sid=old.sid, kid=kid, offer=offer, noise=noise)
            if old
            else Init(suite=suite, kid=kid, offer=offer, noise=noise)
        )
        self.opening: Final = message.encode()

    def finish(self, accept: Accept) -> Established:
        """Return what the two have agreed on.  Raises ``NotAuthenticError``."""
        if accept.suite is not self._suite:
            raise NotAuthenticError
        payload = self._noise.read(accept.noise)
        if payload[:SID_BYTES] != accept.sid:
            raise NotAuthenticError
        limits = Limits.decode(payload[SID_BYTES:])
        return Established(secrets=Secrets.derive(self._suite, accept.sid, *self._noise.finish()), limits=limits)


def accept(
    message: Init | Resume,
    audience: bytes,
    key: StaticKey,
    limits: Limits,
    *,
    ephemeral: X25519PrivateKey,
    sid: bytes,
    psk: bytes | None = None,
) -> tuple[Accept, Secrets]:
    """Return the server's answer and the new session's secrets.  Raises ``NotAuthenticError``.

    ``ephemeral`` and ``sid`` are fresh and random; ``psk`` is the old session's ``resume`` secret for a RESUME.
    """
    agreed = prologue(audience, message.offer, message.suite, message.kid)
    noise = Responder(message.suite, agreed, key.private, key.public, ephemeral, psk)
    if noise.read(message.noise) != PADDING:
        raise NotAuthenticError
    answer = Accept(suite=message.suite, sid=sid, noise=noise.write(sid + limits.encode()))
    return answer, Secrets.derive(message.suite, sid, *noise.finish())
