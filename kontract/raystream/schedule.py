"""The prologue, which both sides must agree on, and every secret that comes of a handshake."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from kontract.raystream.cipher import KEY_AND_IV_BYTES, Cipher
from kontract.raystream.hkdf import expand, extract
from kontract.raystream.suites import KEY_BYTES, Suite

SECRETS_BYTES: Final = KEY_AND_IV_BYTES + 3 * KEY_BYTES


def prologue(audience: bytes, offer: Sequence[int], suite: Suite, kid: bytes) -> bytes:
    """Return what both sides mix into the handshake first; the audience is encoded already."""
    return b"".join(
        (
            b"kontract raystream/1\0",
            len(audience).to_bytes(2, "big"),
            audience,
            bytes([len(offer), *offer, suite.id]),
            kid,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The secrets of one session.

    ``c2s`` (key and IV) seals requests; from ``s2c`` comes the key of each response; ``resume`` is the pre-shared key
    of the next handshake; ``exporter`` is for the application, to bind something of its own to this session.
    """

    suite: Suite
    sid: bytes
    c2s: bytes = field(repr=False)
    s2c: bytes = field(repr=False)
    resume: bytes = field(repr=False)
    exporter: bytes = field(repr=False)

    @classmethod
    def derive(cls, suite: Suite, sid: bytes, k1: bytes, k2: bytes, handshake_hash: bytes) -> Self:
        """Return the secrets of a handshake: from Noise's two keys and its hash."""
        master = extract(handshake_hash, k1 + k2)

        def secret(label: bytes, length: int) -> bytes:
            return expand(master, b"raystream/1 " + label + b"\0" + sid + bytes([suite.id]), length)

        return cls(
            suite=suite,
            sid=sid,
            c2s=secret(b"c2s", KEY_AND_IV_BYTES),
            s2c=secret(b"s2c", KEY_BYTES),
            resume=secret(b"resume", KEY_BYTES),
            exporter=secret(b"exporter", KEY_BYTES),
        )

    def response_cipher(self, seq: int, salt: bytes) -> Cipher:
        """Return the cipher of the response to request ``seq``."""
        info = b"raystream/1 resp\0" + self.sid + seq.to_bytes(8, "big")
        return Cipher(self.suite, expand(extract(salt, self.s2c), info, KEY_AND_IV_BYTES))

    def encode(self) -> bytes:
        """Return the four secrets, one after the other, for ``kontract.raystream.wrapping``."""
        return self.c2s + self.s2c + self.resume + self.exporter

    @classmethod
    def decode(cls, suite: Suite, sid: bytes, data: bytes) -> Self:
        """Return what ``encode`` encoded."""
        starts = range(KEY_AND_IV_BYTES, SECRETS_BYTES, KEY_BYTES)
        s2c, resume, exporter = (data[start : start + KEY_BYTES] for start in starts)
        return cls(suite=suite, sid=sid, c2s=data[:KEY_AND_IV_BYTES], s2c=s2c, resume=resume, exporter=exporter)
