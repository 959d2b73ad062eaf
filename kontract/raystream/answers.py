"""A response, sealed chunk by chunk by the server and opened chunk by chunk by the client (M4 and M5).

    header 28 | salt 32        then chunk i:  final u8 | AEAD(key, IV XOR i, AAD = header || final, plaintext)

Key and IV come from the session, the request's number and the salt, which is random: so no two responses share a key,
whatever servers know of each other.  ``final`` is 1 in the last chunk only: a response without it was cut off.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from kontract.raystream.cipher import Cipher
from kontract.raystream.envelope import ResponseHead, decode_response, encode_response
from kontract.raystream.errors import MisuseError, NotAuthenticError, SessionResetError, TruncatedError
from kontract.raystream.frames import HEADER_BYTES, RESET, RESPONSE_TYPE, pack_header
from kontract.raystream.framing import CHUNK_OVERHEAD, FINAL_BYTES, PREFIX_BYTES, Framing
from kontract.raystream.schedule import Secrets

_MORE: Final = b"\0"
_LAST: Final = b"\1"


class Stage(Enum):
    """Where a response stands: before its head, in its body, after its final chunk."""

    HEAD = "before its head"
    BODY = "in its body"
    ENDED = "at its end"


@dataclass(frozen=True, slots=True)
class Data:
    """Some bytes of the body."""

    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The final chunk came: the response is whole."""


Event = ResponseHead | Data | End


class Sealer:
    """The server's half: ``whole`` once, or else ``start``, ``send`` as often as needed, and ``end``.

    Each returns bytes to put on the wire, in this order.  Raises ``MisuseError`` for another order.
    """

    def __init__(self, secrets: Secrets, seq: int, salt: bytes, *, chunk: int, framing: type[Framing]) -> None:
        """``chunk`` is the most bytes of plaintext in a chunk; ``salt`` 32 random bytes."""
        self._header = pack_header(RESPONSE_TYPE, secrets.suite, secrets.sid, seq)
        self._salt = salt
        self._cipher = secrets.response_cipher(seq, salt)
        self._chunk = chunk
        self._framing = framing
        self._number = 0
        self._stage = Stage.HEAD

    def whole(self, head: ResponseHead, body: bytes, *, block: int = 1) -> bytes:
        """Seal a whole response; one that fits into a chunk is padded to a multiple of ``block`` bytes."""
        if len(body) < self._chunk and len(envelope := encode_response(head, body, block=block)) <= self._chunk:
            return self._begin(envelope, _LAST)
        room = max(self._chunk - len(encode_response(head)), 0)
        return self.start(head, body[:room]) + self.end(body[room:])

    def start(self, head: ResponseHead, body: bytes = b"") -> bytes:
        """Seal the head, with the first bytes of the body, as far as one chunk holds them."""
        return self._begin(encode_response(head, body), _MORE)

    def send(self, data: bytes) -> bytes:
        """Seal the next bytes of the body."""
        self._expect(Stage.BODY)
        return b"".join(self._seal(part, _MORE) for part in self._split(data))

    def end(self, data: bytes = b"") -> bytes:
        """Seal the last bytes of the body."""
        self._expect(Stage.BODY)
        self._stage = Stage.ENDED
        *parts, last = self._split(data) if data else (b"",)
        return b"".join((*(self._seal(part, _MORE) for part in parts), self._seal(last, _LAST)))

    def _begin(self, envelope: bytes, final: bytes) -> bytes:
        self._expect(Stage.HEAD)
        if len(envelope) > self._chunk:
            raise MisuseError(f"The head of a response must fit into a chunk of {self._chunk} bytes. Send less of it.")
        self._stage = Stage.ENDED if final == _LAST else Stage.BODY
        return self._framing.encode_prefix(self._header + self._salt) + self._seal(envelope, final)

    def _seal(self, plaintext: bytes, final: bytes) -> bytes:
        sealed = self._cipher.seal(self._number, plaintext, self._header + final)
        self._number += 1
        return self._framing.encode_chunk(final, sealed)

    def _split(self, data: bytes) -> Iterator[bytes]:
        if len(data) <= self._chunk:
            return iter((data,))
        return (data[start : start + self._chunk] for start in range(0, len(data), self._chunk))

    def _expect(self, stage: Stage) -> None:
        if self._stage is not stage:
            raise MisuseError(f"The response is {self._stage.value}, not {stage.value}. Seal each in its order, once.")


class Opener:
    """The client's half: ``feed`` it what comes, and ``close`` it when nothing more does."""

    def __init__(self, secrets: Secrets, seq: int, *, chunk: int, framing: type[Framing]) -> None:
        self._secrets = secrets
        self._seq = seq
        self._header = pack_header(RESPONSE_TYPE, secrets.suite, secrets.sid, seq)
        self._largest = chunk + CHUNK_OVERHEAD
        self._framing = framing
        self._rest = b""
        self._cipher: Cipher | None = None
        self._number = 0
        self._stage = Stage.HEAD

    def feed(self, data: bytes) -> list[Event]:
        """Return what these bytes complete: the head once, then data, then the end.

        Raises ``SessionResetError`` if the answer is RESET, ``NotAuthenticError``, or ``InvalidEnvelopeError``.
        """
        buffer = self._rest + data if self._rest else data
        if self._cipher is None and buffer.startswith(RESET):
            raise SessionResetError
        pieces, end = self._framing.decode(memoryview(buffer), self._largest, self._cipher is None)
        self._rest = buffer[end:]
        return [event for piece in pieces for event in self._open(piece)]

    def close(self) -> None:
        """Raise ``TruncatedError`` unless the response has come to its end."""
        if self._stage is not Stage.ENDED:
            raise TruncatedError

    def _open(self, piece: bytes | memoryview) -> Iterator[Event]:
        if self._cipher is None:
            self._open_prefix(piece)
            return
        final, plaintext = self._open_chunk(self._cipher, piece)
        if self._stage is Stage.HEAD:
            head, plaintext = decode_response(plaintext)
            self._stage = Stage.BODY
            yield head
        if plaintext:
            yield Data(plaintext)
        if final:
            self._stage = Stage.ENDED
            yield End()

    def _open_prefix(self, piece: bytes | memoryview) -> None:
        if len(piece) != PREFIX_BYTES or piece[:HEADER_BYTES] != self._header:
            raise NotAuthenticError
        self._cipher = self._secrets.response_cipher(self._seq, bytes(piece[HEADER_BYTES:]))

    def _open_chunk(self, cipher: Cipher, piece: bytes | memoryview) -> tuple[bool, bytes]:
        final = bytes(piece[:FINAL_BYTES])
        if self._stage is Stage.ENDED or final not in (_MORE, _LAST):
            raise NotAuthenticError
        plaintext = cipher.open(self._number, piece[FINAL_BYTES:], self._header + final)
        self._number += 1
        return final == _LAST, plaintext
