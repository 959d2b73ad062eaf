"""The two kinds of tokens.

An *access token* is a JWT (RFC 7519) of ten minutes.  It is verified with the one algorithm that the settings say, by
the key that its ``kid`` names.  That it is valid says less than in other systems: each request looks at its session.

A *refresh token* is ``01 | session id (16 bytes) | counter (8) | HMAC-SHA256 (32)`` in base64url.  The counter goes up
by one with each use, so that of a token which two have used one use is noticed.
"""

import hmac
import time
from base64 import urlsafe_b64decode
from binascii import Error
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import jwt

from kontract.auth.keys import Key, Keyring, encode, get_keyring
from kontract.conf import get_settings
from kontract.exceptions import InvalidTokenError

_VERSION: Final = b"\x01"
_SIGNED: Final = 25  # bytes of a refresh token before its HMAC
_LONGEST: Final = 4096  # characters of an access token
_REQUIRED: Final = ["iss", "aud", "sub", "sid", "iat", "exp", "typ", "anon", "ep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What an access token says: whose it is, of which session and epoch, and until when (seconds since 1970)."""

    principal: str
    sid: str
    epoch: int
    expires: float


def make_access(principal: str, sid: str, *, epoch: int, is_anonymous: bool) -> str:
    """Return a new access token."""
    options, now = get_settings().AUTH, time.time()
    claims = {
        "iss": options.issuer,
        "aud": options.audience,
        "sub": principal,
        "sid": sid,
        "iat": int(now),
        "exp": int(now + options.access_seconds),
        "typ": "access",
        "anon": is_anonymous,
        "ep": epoch,
    }
    key = access_keyring().current
    signing: Any = key.secret if options.algorithm == "HS256" else key.private
    return jwt.encode(claims, signing, algorithm=options.algorithm, headers={"kid": key.kid})


def read_access(token: str) -> Access:
    """Return what an access token says that is authentic and has not expired.  Raises ``InvalidTokenError``."""
    options = get_settings().AUTH
    access = _verify(token, access_keyring(), options.algorithm, options.issuer, options.audience)
    if access.expires + options.leeway_seconds <= time.time():
        raise InvalidTokenError
    return access


def access_keyring() -> Keyring:
    """Return the keys of access tokens; each algorithm has its own."""
    return get_keyring(f"access/{get_settings().AUTH.algorithm}")


@lru_cache(maxsize=4096)
def _verify(token: str, keyring: Keyring, algorithm: str, issuer: str, audience: str) -> Access:
    """Return what an authentic token says; what time has to do with it is looked at each time."""
    if len(token) > _LONGEST:
        raise InvalidTokenError
    options = get_settings().AUTH
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") != algorithm or (key := keyring.find(header.get("kid"))) is None:
            raise InvalidTokenError
        verifying: Any = key.secret if algorithm == "HS256" else key.private.public_key()
        claims = jwt.decode(
            token,
            verifying,
            algorithms=[algorithm],
            issuer=issuer,
            audience=audience,
            leeway=options.leeway_seconds,
            options={"require": _REQUIRED},
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise InvalidTokenError from error
    if claims["typ"] != "access" or not isinstance(claims["sid"], str) or not isinstance(claims["ep"], int):
        raise InvalidTokenError
    return Access(principal=claims["sub"], sid=claims["sid"], epoch=claims["ep"], expires=claims["exp"])


def list_public_keys() -> list[dict[str, str]]:
    """Return the keys with which others can verify access tokens, as JWKs (RFC 8037); none for HS256."""
    if get_settings().AUTH.algorithm == "HS256":
        return []
    return [_as_jwk(key) for key in access_keyring().keys]


def _as_jwk(key: Key) -> dict[str, str]:
    public = encode(key.private.public_key().public_bytes_raw())
    return {"kty": "OKP", "crv": "Ed25519", "x": public, "kid": key.kid, "alg": "EdDSA", "use": "sig"}


def make_refresh(sid: str, counter: int) -> str:
    """Return the refresh token of a session at ``counter``."""
    signed = _VERSION + bytes.fromhex(sid) + counter.to_bytes(8)
    return encode(signed + _sign(get_keyring("refresh").current, signed))


def read_refresh(token: str) -> tuple[str, int]:
    """Return the session and the counter of an authentic refresh token.  Raises ``InvalidTokenError``."""
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4)) if len(token) == 76 else b""
    except (Error, ValueError) as error:
        raise InvalidTokenError from error
    signed, signature = raw[:_SIGNED], raw[_SIGNED:]
    known = [hmac.compare_digest(_sign(key, signed), signature) for key in get_keyring("refresh").keys]
    if not any(known) or not signed.startswith(_VERSION):
        raise InvalidTokenError
    return signed[1:17].hex(), int.from_bytes(signed[17:])


def _sign(key: Key, signed: bytes) -> bytes:
    return hmac.digest(key.secret, signed, "sha256")
