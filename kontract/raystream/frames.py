"""The messages as bytes: a strict parser, and its inverse.

Every message begins with a header of 28 bytes, ``version | type | suite | flags | sid 16 | seq u64``.  A message that
is not exactly as the protocol has it raises ``NotAuthenticError``, as a forged one does.
"""

import struct
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from kontract.raystream.errors import NotAuthenticError
from kontract.raystream.keys import KID_BYTES
from kontract.raystream.limits import LIMITS_BYTES
from kontract.raystream.suites import KEY_BYTES, SUITES, TAG_BYTES, Suite

VERSION: Final = 1
SID_BYTES: Final = 16
SALT_BYTES: Final = 32
PADDING: Final = bytes(32)  # the payload of a client's handshake message, which carries nothing of the application
NO_SID: Final = bytes(SID_BYTES)

_HEADER: Final = struct.Struct(">BBBB16sQ")
HEADER_BYTES: Final = _HEADER.size
_MESSAGE_1_BYTES: Final = KEY_BYTES + len(PADDING) + TAG_BYTES
_MESSAGE_2_BYTES: Final = KEY_BYTES + SID_BYTES + LIMITS_BYTES + TAG_BYTES

RESET_TYPE: Final = 0x7F
RESET: Final = _HEADER.pack(VERSION, RESET_TYPE, 0, 0, NO_SID, 0)
"""The constant answer to everything that is not authentic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Init:
    """M1: the client's first message, with Noise's message 1."""

    TYPE: ClassVar = 1
    suite: Suite
    kid: bytes
    offer: tuple[int, ...]
    noise: bytes

    def encode(self) -> bytes:
        """Return the bytes on the wire."""
        return pack_header(self.TYPE, self.suite, NO_SID, 0) + _pack_opening(self)

    @classmethod
    def decode(cls, suite: Suite, sid: bytes, seq: int, body: bytes) -> Self:
        """Return the message of this header and body.  Raises ``NotAuthenticError``."""
        if sid != NO_SID or seq != 0:
            raise NotAuthenticError
        kid, offer, noise = _unpack_opening(suite, body)
        return cls(suite=suite, kid=kid, offer=offer, noise=noise)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """M6: like INIT, in the name of an old session, whose ``resume`` secret is the pre-shared key."""

    TYPE: ClassVar = 3
    suite: Suite
    sid: bytes
    kid: bytes
    offer: tuple[int, ...]
    noise: bytes

    def encode(self) -> bytes:
        """Return the bytes on the wire."""
        return pack_header(self.TYPE, self.suite, self.sid, 0) + _pack_opening(self)

    @classmethod
    def decode(cls, suite: Suite, sid: bytes, seq: int, body: bytes) -> Self:
        """Return the message of this header and body.  Raises ``NotAuthenticError``."""
        if sid == NO_SID or seq != 0:
            raise NotAuthenticError
        kid, offer, noise = _unpack_opening(suite, body)
        return cls(suite=suite, sid=sid, kid=kid, offer=offer, noise=noise)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """M2: the server's answer to INIT and RESUME, with Noise's message 2."""

    TYPE: ClassVar = 2
    suite: Suite
    sid: bytes
    noise: bytes

    def encode(self) -> bytes:
        """Return the bytes on the wire."""
        return pack_header(self.TYPE, self.suite, self.sid, 0) + self.noise

    @classmethod
    def decode(cls, suite: Suite, sid: bytes, seq: int, body: bytes) -> Self:
        """Return the message of this header and body.  Raises ``NotAuthenticError``."""
        if sid == NO_SID or seq != 0 or len(body) != _MESSAGE_2_BYTES:
            raise NotAuthenticError
        return cls(suite=suite, sid=sid, noise=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """M3: request number ``seq`` of a session."""

    TYPE: ClassVar = 0x10
    suite: Suite
    sid: bytes
    seq: int
    sealed: bytes

    @property
    def header(self) -> bytes:
        """The associated data."""
        return pack_header(self.TYPE, self.suite, self.sid, self.seq)

    def encode(self) -> bytes:
        """Return the bytes on the wire."""
        return self.header + self.sealed

    @classmethod
    def decode(cls, suite: Suite, sid: bytes, seq: int, body: bytes) -> Self:
        """Return the message of this header and body.  Raises ``NotAuthenticError``."""
        if sid == NO_SID or len(body) < TAG_BYTES:
            raise NotAuthenticError
        return cls(suite=suite, sid=sid, seq=seq, sealed=body)


RESPONSE_TYPE: Final = 0x11  # M4 has no class: it comes in pieces, see kontract.raystream.answers

Message = Init | Resume | Accept | Request
_TYPES: Final = {kind.TYPE: kind for kind in (Init, Resume, Accept, Request)}


def parse(data: bytes) -> Message:
    """Return the message that these bytes are.  Raises ``NotAuthenticError`` if they are none."""
    kind, suite, sid, seq = unpack_header(data)
    if kind not in _TYPES:
        raise NotAuthenticError
    return _TYPES[kind].decode(suite, sid, seq, bytes(data[HEADER_BYTES:]))


def pack_header(kind: int, suite: Suite, sid: bytes, seq: int) -> bytes:
    """Return the 28 bytes that every message begins with."""
    return _HEADER.pack(VERSION, kind, suite.id, 0, sid, seq)


def unpack_header(data: bytes) -> tuple[int, Suite, bytes, int]:
    """Return type, suite, sid and seq of a message.  Raises ``NotAuthenticError``."""
    if len(data) < HEADER_BYTES:
        raise NotAuthenticError
    version, kind, suite, flags, sid, seq = _HEADER.unpack_from(data)
    if version != VERSION or flags != 0 or suite not in SUITES:
        raise NotAuthenticError
    return kind, SUITES[suite], sid, seq


def _pack_opening(message: Init | Resume) -> bytes:
    return message.kid + bytes([len(message.offer), *message.offer]) + message.noise


def _unpack_opening(suite: Suite, body: bytes) -> tuple[bytes, tuple[int, ...], bytes]:
    """Return kid, offer and Noise's message 1.  The chosen suite must be one of those offered, and each once."""
    count = body[KID_BYTES] if len(body) > KID_BYTES else 0
    end = KID_BYTES + 1 + count
    offer = tuple(body[KID_BYTES + 1 : end])
    if len(body) != end + _MESSAGE_1_BYTES or len(set(offer)) != count or suite.id not in offer:
        raise NotAuthenticError
    return body[:KID_BYTES], offer, body[end:]
