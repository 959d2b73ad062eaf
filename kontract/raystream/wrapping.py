"""Secrets of sessions in a database: sealed under a key that the database does not have."""

import os
from typing import Final

from kontract.raystream.cipher import KEY_AND_IV_BYTES, Cipher
from kontract.raystream.errors import MisuseError, NotAuthenticError
from kontract.raystream.hkdf import expand, extract
from kontract.raystream.schedule import Secrets
from kontract.raystream.suites import CHACHA20_POLY1305, KEY_BYTES, Suite

_SALT_BYTES: Final = 32
_LABEL: Final = b"raystream/1 wrap\0"


def check_wrapping_key(key: bytes) -> bytes:
    """Return a wrapping key.  Raises ``MisuseError`` unless it has 32 bytes."""
    if len(key) != KEY_BYTES:
        raise MisuseError(f"The wrapping key has {len(key)} bytes; it must have {KEY_BYTES}, random ones.")
    return key


def wrap(secrets: Secrets, key: bytes) -> bytes:
    """Return a session's secrets sealed under the wrapping key (32 bytes), bound to the session's sid and suite.

    Each has a key of its own, by a random salt, so that no number of sessions wears the wrapping key out.
    """
    salt = os.urandom(_SALT_BYTES)
    return salt + _cipher(key, salt).seal(0, secrets.encode(), _associated(secrets.sid, secrets.suite))


def unwrap(wrapped: bytes, *, sid: bytes, suite: Suite, key: bytes) -> Secrets | None:
    """Return the secrets that ``wrap`` wrapped; None if it was for another session, or under another key."""
    salt = wrapped[:_SALT_BYTES]
    try:
        data = _cipher(key, salt).open(0, wrapped[_SALT_BYTES:], _associated(sid, suite))
    except NotAuthenticError:
        return None
    return Secrets.decode(suite, sid, data)


def _cipher(key: bytes, salt: bytes) -> Cipher:
    return Cipher(CHACHA20_POLY1305, expand(extract(salt, check_wrapping_key(key)), _LABEL, KEY_AND_IV_BYTES))


def _associated(sid: bytes, suite: Suite) -> bytes:
    return _LABEL + sid + bytes([suite.id])
