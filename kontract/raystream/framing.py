"""How the pieces of a response lie on the wire.

A response is a list of pieces: first its header and salt, then its chunks.  In an ``application/raystream`` body the
first lies as it is and each chunk after its length (u32); in a ``text/event-stream`` each piece is a ``data:`` line in
base64.  Both only carry: lengths and lines are not authentic, the chunks are.
"""

import base64
import binascii
from typing import ClassVar, Final, Protocol

from kontract.raystream.errors import NotAuthenticError
from kontract.raystream.frames import HEADER_BYTES, SALT_BYTES
from kontract.raystream.suites import TAG_BYTES

PREFIX_BYTES: Final = HEADER_BYTES + SALT_BYTES
FINAL_BYTES: Final = 1
CHUNK_OVERHEAD: Final = FINAL_BYTES + TAG_BYTES

_LENGTH_BYTES: Final = 4


class Framing(Protocol):
    """One of the two; ``content_type`` names it in the outer response."""

    content_type: ClassVar[str]

    @staticmethod
    def encode_prefix(prefix: bytes) -> bytes:
        """Return the first piece as it lies on the wire."""

    @staticmethod
    def encode_chunk(*parts: bytes) -> bytes:
        """Return a chunk, given in parts, as it lies on the wire."""

    @staticmethod
    def decode(buffer: memoryview, largest: int, first: bool) -> tuple[list[bytes | memoryview], int]:
        """Return all complete pieces in the buffer, and where the rest of it begins.

        ``first`` says that no piece came before; ``largest`` is how many bytes one may have.  Raises
        ``NotAuthenticError`` for what cannot be one.
        """


class Lengths:
    """``application/raystream``: binary, for whole answers."""

    content_type: ClassVar = "application/raystream"

    @staticmethod
    def encode_prefix(prefix: bytes) -> bytes:
        """Return the first piece, which always has the same length, as it is."""
        return prefix

    @staticmethod
    def encode_chunk(*parts: bytes) -> bytes:
        """Return the chunk after its length."""
        return b"".join((sum(map(len, parts)).to_bytes(_LENGTH_BYTES, "big"), *parts))

    @staticmethod
    def decode(buffer: memoryview, largest: int, first: bool) -> tuple[list[bytes | memoryview], int]:
        """See ``Framing.decode``."""
        pieces: list[bytes | memoryview] = []
        start = 0
        if first:
            if len(buffer) < PREFIX_BYTES:
                return [], 0
            pieces.append(buffer[:PREFIX_BYTES])
            start = PREFIX_BYTES
        while len(buffer) - start >= _LENGTH_BYTES:
            begin = start + _LENGTH_BYTES
            end = begin + int.from_bytes(buffer[start:begin], "big")
            if not CHUNK_OVERHEAD <= end - begin <= largest:
                raise NotAuthenticError
            if end > len(buffer):
                break
            pieces.append(buffer[begin:end])
            start = end
        return pieces, start


class Lines:
    """``text/event-stream``: a ``data:`` line a piece, for answers that go on and on."""

    content_type: ClassVar = "text/event-stream"

    @staticmethod
    def encode_prefix(prefix: bytes) -> bytes:
        """Return the first piece as an event."""
        return _encode_event(prefix)

    @staticmethod
    def encode_chunk(*parts: bytes) -> bytes:
        """Return the chunk as an event."""
        return _encode_event(b"".join(parts))

    @staticmethod
    def decode(buffer: memoryview, largest: int, first: bool) -> tuple[list[bytes | memoryview], int]:
        """See ``Framing.decode``.  Other lines, such as comments that a proxy puts between, are passed over."""
        *lines, rest = bytes(buffer).split(b"\n")
        if len(rest) > _longest_line(largest):
            raise NotAuthenticError
        return [_decode_line(line, largest) for line in lines if line.startswith(_DATA)], len(buffer) - len(rest)


_DATA: Final = b"data:"


def _encode_event(piece: bytes) -> bytes:
    return b"data: " + base64.b64encode(piece) + b"\n\n"


def _decode_line(line: bytes, largest: int) -> bytes:
    if len(line) > _longest_line(largest):
        raise NotAuthenticError
    try:
        return base64.b64decode(line[len(_DATA) :].strip(b" \r"), validate=True)
    except binascii.Error as error:
        raise NotAuthenticError from error


def _longest_line(largest: int) -> int:
    return len(_DATA) + 2 + 4 * (largest // 3 + 1)
