"""The limits of a session, which the server tells the client in ACCEPT."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Final, Self

from kontract.raystream.errors import MisuseError, NotAuthenticError

_FORMAT: Final = struct.Struct(">5I")
LIMITS_BYTES: Final = _FORMAT.size

PENDING_SECONDS: Final = 30  # that a session lives before its first request
DRAINING_SECONDS: Final = 60  # that it may finish open answers after it was resumed


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """At most the protocol's own values, which are the defaults; a server may have lower ones."""

    idle: int = 5 * 60  # seconds between two requests
    absolute: int = 60 * 60  # seconds from the handshake
    requests: int = 2**20
    frame: int = 16 * 1024 * 1024  # bytes of a message to the server, header and tag included
    chunk: int = 64 * 1024  # bytes of plaintext in a chunk of a response

    def __post_init__(self) -> None:
        """Raise ``MisuseError`` for a limit beyond the protocol's."""
        for name, value, least, most in zip(_NAMES, self.values(), _LEAST, _MOST, strict=True):
            if not least <= value <= most:
                raise MisuseError(f"The limit {name!r} is {value}; it must be between {least} and {most}.")

    def values(self) -> tuple[int, ...]:
        """Return the limits in their order on the wire."""
        return self.idle, self.absolute, self.requests, self.frame, self.chunk

    def encode(self) -> bytes:
        """Return five numbers of 32 bits: idle, absolute, requests, frame, chunk."""
        return _FORMAT.pack(*self.values())

    @classmethod
    def of(cls, values: Iterable[int]) -> Self:
        """Return the limits that have these ``values()``.  Raises ``MisuseError``."""
        return cls(**dict(zip(_NAMES, values, strict=True)))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return what ``encode`` encoded.  Raises ``NotAuthenticError`` for limits beyond the protocol's."""
        try:
            return cls.of(_FORMAT.unpack(data))
        except MisuseError as error:
            raise NotAuthenticError from error


_NAMES: Final = tuple(field.name for field in fields(Limits))
_LEAST: Final = (1, 1, 1, 1024, 1024)  # a frame and a chunk must hold a head
_MOST: Final = (300, 3600, 2**20, 16 * 1024 * 1024, 64 * 1024)
