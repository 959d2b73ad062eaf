"""The cipher suites: X25519 and SHA-256 with one of two AEADs."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305


class Aead(Protocol):
    """An AEAD under one key: 12 bytes of nonce, 16 bytes of tag at the end."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Return the ciphertext and its tag."""

    def decrypt(self, nonce: bytes, data: bytes | memoryview, associated_data: bytes | None, /) -> bytes:
        """Return the plaintext.  Raises ``InvalidTag``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """``id`` on the wire, ``name`` in the Noise protocol's name, and ``aead``, which makes an AEAD of a 32-byte key."""

    id: int
    name: str
    aead: Callable[[bytes], Aead]


CHACHA20_POLY1305: Final = Suite(id=1, name="ChaChaPoly", aead=ChaCha20Poly1305)
AES_256_GCM: Final = Suite(id=2, name="AESGCM", aead=AESGCM)

SUITES: Final = MappingProxyType({suite.id: suite for suite in (CHACHA20_POLY1305, AES_256_GCM)})
"""Every suite by its id.  3 is reserved for a hybrid with ML-KEM."""

KEY_BYTES: Final = 32
TAG_BYTES: Final = 16
