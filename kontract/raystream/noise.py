"""Noise NK and NKpsk0 with 25519 and SHA-256 (revision 34 of the Noise Protocol Framework).

    NK:                              NKpsk0:
      <- s                             <- s
      -> e, es                         -> psk, e, es
      <- e, ee                         <- e, ee

Each key of these two patterns seals one message only, so every nonce of the handshake is 0, which all of Noise's AEADs
encode as twelve zero bytes.
"""

import hashlib
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from kontract.raystream.errors import NotAuthenticError
from kontract.raystream.hkdf import expand, extract
from kontract.raystream.suites import KEY_BYTES, Suite

HASH_BYTES: Final = 32
_NONCE: Final = bytes(12)


def agree(private: X25519PrivateKey, public: bytes) -> bytes:
    """Return what two keys have in common.  Raises ``NotAuthenticError`` for a point of small order."""
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise NotAuthenticError from error


class _Symmetric:
    """The chaining key, the running hash, and the key of the next message: Noise's SymmetricState."""

    def __init__(self, suite: Suite, prologue: bytes, remote_or_own_static: bytes, psk: bytes | None) -> None:
        name = f"Noise_NK{'' if psk is None else 'psk0'}_25519_{suite.name}_SHA256".encode()
        self.hash = name.ljust(HASH_BYTES, b"\0") if len(name) <= HASH_BYTES else hashlib.sha256(name).digest()
        self._chain = self.hash
        self._key = b""
        self._suite = suite
        self._with_psk = psk is not None
        self._mix_hash(prologue)
        self._mix_hash(remote_or_own_static)
        if psk is not None:
            self._mix_key_and_hash(psk)

    def mix_ephemeral(self, public: bytes) -> None:
        """Take in an ephemeral public key, which goes over the wire in the clear."""
        self._mix_hash(public)
        if self._with_psk:
            self._mix_key(public)

    def mix_shared(self, private: X25519PrivateKey, public: bytes) -> None:
        """Take in a Diffie-Hellman result.  Raises ``NotAuthenticError`` for a point of small order."""
        self._mix_key(agree(private, public))

    def seal(self, payload: bytes) -> bytes:
        """Encrypt the payload of a message, and take in the ciphertext."""
        sealed = self._suite.aead(self._key).encrypt(_NONCE, payload, self.hash)
        self._mix_hash(sealed)
        return sealed

    def open(self, sealed: bytes) -> bytes:
        """Decrypt the payload of a message.  Raises ``NotAuthenticError``."""
        try:
            payload = self._suite.aead(self._key).decrypt(_NONCE, sealed, self.hash)
        except InvalidTag as error:
            raise NotAuthenticError from error
        self._mix_hash(sealed)
        return payload

    def split(self) -> tuple[bytes, bytes]:
        """Return the keys of the initiator and of the responder."""
        output = expand(extract(self._chain, b""), b"", 2 * KEY_BYTES)
        return output[:KEY_BYTES], output[KEY_BYTES:]

    def _mix_hash(self, data: bytes) -> None:
        self.hash = hashlib.sha256(self.hash + data).digest()

    def _mix_key(self, secret: bytes) -> None:
        output = expand(extract(self._chain, secret), b"", 2 * KEY_BYTES)
        self._chain, self._key = output[:KEY_BYTES], output[KEY_BYTES:]

    def _mix_key_and_hash(self, secret: bytes) -> None:
        output = expand(extract(self._chain, secret), b"", 3 * KEY_BYTES)
        self._chain, self._key = output[:KEY_BYTES], output[2 * KEY_BYTES :]
        self._mix_hash(output[KEY_BYTES : 2 * KEY_BYTES])


class Initiator:
    """The client's half.  ``ephemeral`` is fresh for each handshake; ``psk`` makes it NKpsk0."""

    def __init__(
        self, suite: Suite, prologue: bytes, static: bytes, ephemeral: X25519PrivateKey, psk: bytes | None = None
    ) -> None:
        self._static = static
        self._ephemeral = ephemeral
        self._symmetric = _Symmetric(suite, prologue, static, psk)

    def write(self, payload: bytes) -> bytes:
        """Return message 1: 32 bytes of ephemeral key and the sealed payload."""
        public = self._ephemeral.public_key().public_bytes_raw()
        self._symmetric.mix_ephemeral(public)
        self._symmetric.mix_shared(self._ephemeral, self._static)
        return public + self._symmetric.seal(payload)

    def read(self, message: bytes) -> bytes:
        """Return the payload of message 2.  Raises ``NotAuthenticError``."""
        public = message[:KEY_BYTES]
        self._symmetric.mix_ephemeral(public)
        self._symmetric.mix_shared(self._ephemeral, public)
        return self._symmetric.open(message[KEY_BYTES:])

    def finish(self) -> tuple[bytes, bytes, bytes]:
        """Return the key of the initiator, that of the responder, and the handshake hash."""
        return *self._symmetric.split(), self._symmetric.hash


class Responder:
    """The server's half; ``public`` is the public key of ``static``, which costs a multiplication to find again."""

    def __init__(
        self,
        suite: Suite,
        prologue: bytes,
        static: X25519PrivateKey,
        public: bytes,
        ephemeral: X25519PrivateKey,
        psk: bytes | None = None,
    ) -> None:
        self._static = static
        self._ephemeral = ephemeral
        self._theirs = b""
        self._symmetric = _Symmetric(suite, prologue, public, psk)

    def read(self, message: bytes) -> bytes:
        """Return the payload of message 1.  Raises ``NotAuthenticError``."""
        self._theirs = message[:KEY_BYTES]
        self._symmetric.mix_ephemeral(self._theirs)
        self._symmetric.mix_shared(self._static, self._theirs)
        return self._symmetric.open(message[KEY_BYTES:])

    def write(self, payload: bytes) -> bytes:
        """Return message 2: 32 bytes of ephemeral key and the sealed payload."""
        public = self._ephemeral.public_key().public_bytes_raw()
        self._symmetric.mix_ephemeral(public)
        self._symmetric.mix_shared(self._ephemeral, self._theirs)
        return public + self._symmetric.seal(payload)

    def finish(self) -> tuple[bytes, bytes, bytes]:
        """Return the key of the initiator, that of the responder, and the handshake hash."""
        return *self._symmetric.split(), self._symmetric.hash
