"""A cipher with its key and IV: message ``n`` is sealed under the nonce ``IV XOR n``."""

from typing import Final

from cryptography.exceptions import InvalidTag

from kontract.raystream.errors import NotAuthenticError
from kontract.raystream.suites import KEY_BYTES, Suite

IV_BYTES: Final = 12
KEY_AND_IV_BYTES: Final = KEY_BYTES + IV_BYTES


class Cipher:
    """Keep it as long as its key is used: making one costs more than sealing 1 KB."""

    __slots__ = ("_aead", "_iv")

    def __init__(self, suite: Suite, key_and_iv: bytes) -> None:
        self._aead = suite.aead(key_and_iv[:KEY_BYTES])
        self._iv = int.from_bytes(key_and_iv[KEY_BYTES:], "big")

    def seal(self, number: int, plaintext: bytes, associated: bytes) -> bytes:
        """Return the ciphertext and its tag.  The caller never seals twice under one number."""
        return self._aead.encrypt((self._iv ^ number).to_bytes(IV_BYTES, "big"), plaintext, associated)

    def open(self, number: int, sealed: bytes | memoryview, associated: bytes) -> bytes:
        """Return the plaintext.  Raises ``NotAuthenticError``."""
        try:
            return self._aead.decrypt((self._iv ^ number).to_bytes(IV_BYTES, "big"), sealed, associated)
        except InvalidTag as error:
            raise NotAuthenticError from error
