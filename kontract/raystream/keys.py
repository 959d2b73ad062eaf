"""Static keys: the server's secret ones, and the public ones that a client pins."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from kontract.raystream.errors import MisuseError
from kontract.raystream.suites import KEY_BYTES, SUITES, Suite

KID_BYTES: Final = 8
MAX_AUDIENCE_BYTES: Final = 0xFFFF


def kid_of(public: bytes) -> bytes:
    """Return the 8 bytes that name a public key on the wire."""
    return hashlib.sha256(public).digest()[:KID_BYTES]


@dataclass(frozen=True, slots=True, eq=False)
class StaticKey:
    """A secret key of the server, used for nothing else; ``not_after`` (seconds of UNIX time) ends its use."""

    private: X25519PrivateKey = field(repr=False)
    public: bytes
    kid: bytes
    not_after: float

    @classmethod
    def generate(cls, not_after: float) -> Self:
        """Make a new random key."""
        return cls._of(X25519PrivateKey.generate(), not_after)

    @classmethod
    def from_bytes(cls, private: bytes, not_after: float) -> Self:
        """Return the key of these 32 bytes.  Raises ``MisuseError``."""
        if len(private) != KEY_BYTES:
            raise MisuseError(f"A raystream key has {KEY_BYTES} bytes, not {len(private)}. Make one with generate().")
        return cls._of(X25519PrivateKey.from_private_bytes(private), not_after)

    @classmethod
    def _of(cls, private: X25519PrivateKey, not_after: float) -> Self:
        public = private.public_key().public_bytes_raw()
        return cls(private, public, kid_of(public), not_after)

    def private_bytes(self) -> bytes:
        """Return the 32 bytes of the secret key, to be kept where secrets are."""
        return self.private.private_bytes_raw()


class KeyRing:
    """The server's keys, and the audience: the text that names the service, equal in server and clients."""

    def __init__(self, audience: str, keys: Sequence[StaticKey]) -> None:
        """Raise ``MisuseError`` unless there is a key, no two have one kid, and the audience is no more than 64 KiB."""
        if not keys:
            raise MisuseError("The key ring is empty. Give it the current key and the next.")
        self.audience = encode_audience(audience)
        self._keys = {key.kid: key for key in keys}
        if len(self._keys) != len(keys):
            raise MisuseError("Two keys of the ring have the same kid. Give each key once.")
        # Nobody knows the public half, so no handshake with it succeeds; but it takes the same steps and as long.
        self._dummy = StaticKey.generate(not_after=0)

    def find(self, kid: bytes, now: float) -> StaticKey:
        """Return the key of this kid, or the dummy if there is none or its time is over."""
        key = self._keys.get(kid, self._dummy)
        return key if now <= key.not_after else self._dummy


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What a client is built with: the audience, public keys (the current one first), and suites by preference."""

    audience: str
    keys: tuple[bytes, ...]
    suites: tuple[Suite, ...] = tuple(SUITES.values())

    @classmethod
    def parse(cls, audience: str, keys: Sequence[str], suites: Sequence[int] = tuple(SUITES)) -> Self:
        """Return the pins that ``manage.py kontract_keys public`` prints: keys in base64, suites by number.

        Raises ``MisuseError`` for what can be none.
        """
        try:
            decoded = tuple(base64.b64decode(key, validate=True) for key in keys)
            return cls(audience=audience, keys=decoded, suites=tuple(SUITES[number] for number in suites))
        except (binascii.Error, LookupError) as error:
            raise MisuseError(f"These are no pins: {error!r}. See manage.py kontract_keys public.") from error

    def __post_init__(self) -> None:
        """Raise ``MisuseError`` unless the client could make a handshake with these."""
        encode_audience(self.audience)
        if not self.keys or any(len(key) != KEY_BYTES for key in self.keys):
            raise MisuseError(f"A client must pin at least one public key of the server, of {KEY_BYTES} bytes.")
        if not self.suites or len(set(self.suites)) != len(self.suites):
            raise MisuseError("A client must allow at least one suite, and each once.")


def encode_audience(audience: str) -> bytes:
    """Return the audience as it enters the handshake.  Raises ``MisuseError`` if it is empty or too long."""
    encoded = audience.encode()
    if not 0 < len(encoded) <= MAX_AUDIENCE_BYTES:
        raise MisuseError(f"The audience has {len(encoded)} bytes; give it 1 to {MAX_AUDIENCE_BYTES}.")
    return encoded
