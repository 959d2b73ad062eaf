"""Keys for one purpose each, derived from Django's secret keys, with which other packages sign, too.

``SECRET_KEY_FALLBACKS`` go on verifying what they have signed; only ``SECRET_KEY`` signs.
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kontract.conf import get_secrets
from kontract.raystream.hkdf import expand, extract

_SALT = b"kontract/auth"


@dataclass(frozen=True, eq=False)
class Key:
    """32 secret bytes, and the name by which a token says that they sign it, which tells nothing about them."""

    kid: str
    secret: bytes = field(repr=False)

    @cached_property
    def private(self) -> Ed25519PrivateKey:
        """The bytes as a private key (RFC 8032)."""
        return Ed25519PrivateKey.from_private_bytes(self.secret)


@dataclass(frozen=True, eq=False)
class Keyring:
    """The keys for one purpose; the first one signs.  One object as long as the secret keys stay the same."""

    keys: tuple[Key, ...]

    @property
    def current(self) -> Key:
        """The key that signs."""
        return self.keys[0]

    def find(self, kid: object) -> Key | None:
        """Return the key of this name."""
        return next((key for key in self.keys if key.kid == kid), None)


def get_keyring(purpose: str) -> Keyring:
    """Return the keys for ``purpose``, such as "access"."""
    return _derive(purpose, get_secrets())


@lru_cache(maxsize=64)
def _derive(purpose: str, secrets: tuple[str | bytes, ...]) -> Keyring:
    return Keyring(tuple(_derive_key(purpose, secret) for secret in secrets))


def _derive_key(purpose: str, secret: str | bytes) -> Key:
    root = extract(_SALT, secret.encode() if isinstance(secret, str) else secret)
    info = f"kontract/auth/{purpose}/v1".encode()
    return Key(encode(expand(root, info + b"/kid", 9)), expand(root, info, 32))


def encode(data: bytes) -> str:
    """Return bytes in base64url without padding, as JOSE has them."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()
