"""HKDF with SHA-256 (RFC 5869), its two steps apart."""

import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand


def extract(salt: bytes, secret: bytes) -> bytes:
    """Return a pseudorandom key of 32 bytes."""
    return hmac.digest(salt, secret, "sha256")


def expand(key: bytes, info: bytes, length: int) -> bytes:
    """Return ``length`` bytes of output from a pseudorandom key."""
    return HKDFExpand(SHA256(), length, info).derive(key)
