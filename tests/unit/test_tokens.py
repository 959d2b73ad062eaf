"""Tokens: what is authentic, and all that is not."""

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import jwt
import pytest
from django.conf import settings as django_settings
from pytest_django.fixtures import Settings

from kontract.auth.keys import get_keyring
from kontract.auth.tokens import list_public_keys, make_access, make_refresh, read_access, read_refresh
from kontract.exceptions import InvalidTokenError

SID = "0123456789abcdef" * 2
CLAIMS = {"iss": "kontract", "aud": "kontract", "sub": "p", "sid": SID, "typ": "access", "anon": False, "ep": 3}


def forge(key: Any, *, algorithm: str = "HS256", kid: str | None = None, **changes: Any) -> str:
    """Return a token as ours, but for ``changes``; None leaves a claim out."""
    now = int(time.time())
    claims = {**CLAIMS, "iat": now, "exp": now + 60, **changes}
    headers = {"kid": get_keyring("access/HS256").current.kid if kid is None else kid}
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers=headers)


def ours(**changes: Any) -> str:
    return forge(get_keyring("access/HS256").current.secret, **changes)


def refused(token: str) -> None:
    with pytest.raises(InvalidTokenError):
        read_access(token)


def test_an_access_token_says_whose_it_is() -> None:
    access = read_access(make_access("p", SID, epoch=3, is_anonymous=True))
    assert (access.principal, access.sid, access.epoch) == ("p", SID, 3)
    assert 595 < access.expires - time.time() <= 600
    assert read_access(ours()).principal == "p"


@pytest.mark.parametrize(
    "changes",
    [
        *({name: None} for name in (*CLAIMS, "iat", "exp")),
        {"iss": "else"},
        {"aud": "else"},
        {"aud": ["kontract-x"]},
        {"typ": "refresh"},
        {"typ": "id"},
        {"sid": 7},
        {"ep": "3"},
        {"sub": 7},
        {"iat": 32503680000},
        {"exp": 1},
        {"exp": "soon"},
        {"nbf": 32503680000},
        {"kid": "else"},
    ],
    ids=str,
)
def test_what_says_something_else_is_refused(changes: dict[str, Any]) -> None:
    refused(ours(**changes))


def test_raw_secret_keys_sign_nothing() -> None:
    """Other packages sign with them."""
    refused(forge(django_settings.SECRET_KEY))


def test_keys_for_another_purpose_sign_nothing() -> None:
    for purpose in ("refresh", "access/EdDSA", "access"):
        key = get_keyring(purpose).current
        refused(forge(key.secret))
        refused(forge(key.secret, kid=key.kid))


def test_no_other_algorithm_is_taken() -> None:
    secret = get_keyring("access/HS256").current.secret
    refused(forge(secret * 2, algorithm="HS512"))
    refused(forge(None, algorithm="none"))
    refused(forge(get_keyring("access/EdDSA").current.private, algorithm="EdDSA"))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "a.b", "." * 5, "x" * 5000, "é.é.é"])
def test_what_is_no_token_is_refused(token: str) -> None:
    refused(token)


def test_every_flipped_bit_is_noticed() -> None:
    token = ours()
    for part in range(3):
        parts = token.split(".")
        raw = bytearray(urlsafe_b64decode(parts[part] + "=="))
        raw[len(raw) // 2] ^= 1
        parts[part] = urlsafe_b64encode(raw).rstrip(b"=").decode()
        refused(".".join(parts))


def test_expiry_is_looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    token = make_access("p", SID, epoch=0, is_anonymous=False)
    read_access(token)
    now = time.time()
    monkeypatch.setattr("kontract.auth.tokens.time.time", lambda: now + 605)
    assert read_access(token).principal == "p"  # within the leeway
    monkeypatch.setattr("kontract.auth.tokens.time.time", lambda: now + 611)
    refused(token)


@pytest.mark.parametrize("algorithm", ["HS256", "EdDSA"])
def test_rotating_the_secret_key_logs_nobody_out(algorithm: str, settings: Settings) -> None:
    settings.KONTRACT = {"AUTH": {"algorithm": algorithm}}
    access, refresh = make_access("p", SID, epoch=0, is_anonymous=False), make_refresh(SID, 7)
    before = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the next one", [before]
    assert read_access(access).principal == "p"
    assert read_refresh(refresh) == (SID, 7)
    assert jwt.get_unverified_header(make_access("p", SID, epoch=0, is_anonymous=False)) != jwt.get_unverified_header(
        access
    )
    settings.SECRET_KEY_FALLBACKS = []
    refused(access)
    with pytest.raises(InvalidTokenError):
        read_refresh(refresh)


def test_others_can_verify_tokens_of_eddsa(settings: Settings) -> None:
    assert list_public_keys() == []
    settings.KONTRACT = {"AUTH": {"algorithm": "EdDSA"}}
    token = make_access("p", SID, epoch=0, is_anonymous=False)
    assert read_access(token).principal == "p"
    (jwk,) = list_public_keys()
    assert jwt.get_unverified_header(token)["kid"] == jwk["kid"]
    assert "d" not in jwk
    public = jwt.PyJWK(jwk)
    claims = jwt.decode(token, public, algorithms=["EdDSA"], audience="kontract", issuer="kontract")
    assert claims["sub"] == "p"
    refused(forge(urlsafe_b64decode(jwk["x"] + "="), kid=jwk["kid"]))  # the public key is no secret
    refused(ours())


def test_a_refresh_token_says_its_session_and_counter() -> None:
    assert read_refresh(make_refresh(SID, 0)) == (SID, 0)
    assert read_refresh(make_refresh(SID, 2**63)) == (SID, 2**63)


def test_every_flipped_byte_of_a_refresh_token_is_noticed() -> None:
    raw = urlsafe_b64decode(make_refresh(SID, 1) + "===")
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 0x80
        with pytest.raises(InvalidTokenError):
            read_refresh(urlsafe_b64encode(changed).rstrip(b"=").decode())


@pytest.mark.parametrize("token", ["", "x" * 76, "é" * 76, make_refresh(SID, 1)[:-1], make_refresh(SID, 1) + "A"])
def test_what_is_no_refresh_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidTokenError):
        read_refresh(token)


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(get_keyring("access/HS256"))
