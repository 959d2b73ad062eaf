"""What an attacker sends: tokens made of what is public, addresses that are invented, many attempts at once."""

import asyncio
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings as django_settings
from django.contrib.auth.hashers import make_password
from django.test import AsyncClient, Client, override_settings

from kontract import tables
from kontract.auth.keys import encode, get_keyring
from kontract.auth.models import Principal
from kontract.auth.tokens import list_public_keys
from kontract.context import get_namespace, namespace
from tests.integration.auth.people import PASSWORD, Person, code_of
from tests.integration.auth.test_sessions import in_threads

DIGESTS = {"HS256": "sha256", "HS512": "sha512"}


def sign(person: Person, key: bytes, algorithm: str = "HS256", **header: Any) -> str:
    """Return what a person's access token says, signed otherwise; None as a header's field leaves it out."""
    kid = jwt.get_unverified_header(access_of(person))["kid"]
    fields = {"typ": "JWT", "kid": kid, "alg": algorithm, **header}
    text = json.dumps({name: value for name, value in fields.items() if value is not None})
    signed = f"{encode(text.encode())}.{access_of(person).split('.')[1]}"
    signature = hmac.digest(key, signed.encode(), DIGESTS[algorithm]) if algorithm in DIGESTS else b""
    return f"{signed}.{encode(signature)}"


def access_of(person: Person) -> str:
    assert person.access is not None
    return person.access


def ours() -> bytes:
    return get_keyring("access/HS256").current.secret


def elsewhere(person: Person, **options: Any) -> str:
    """Return an access token of the person from another project."""
    with override_settings(**options):
        made = Person().login("ada@example.com")
    return access_of(made)


def with_audience(person: Person) -> str:
    auth = {**django_settings.KONTRACT["AUTH"], "audience": "another"}
    return elsewhere(person, KONTRACT={**django_settings.KONTRACT, "AUTH": auth})


def raw() -> bytes:
    return django_settings.SECRET_KEY.encode()


FORGERIES: dict[str, Callable[[Person], str]] = {
    "the raw secret key": lambda p: sign(p, raw()),
    "the raw secret key, without a kid": lambda p: sign(p, raw(), kid=None),
    "no signature": lambda p: sign(p, b"", "none"),
    "no signature, otherwise written": lambda p: sign(p, b"", "nOnE"),
    "no signature, and no kid": lambda p: sign(p, b"", "none", kid=None),
    "an empty key, which a file may be": lambda p: sign(p, b"", kid="../../../dev/null"),
    "a kid that is a list": lambda p: sign(p, ours(), kid=[get_keyring("access/HS256").current.kid]),
    "a kid that is a query": lambda p: sign(p, b"x" * 32, kid="' UNION SELECT 'x"),
    "a key that the token brings": lambda p: sign(p, b"x" * 32, jwk={"kty": "oct", "k": encode(b"x" * 32)}),
    "another length": lambda p: sign(p, ours(), "HS512"),
    "a refresh token": lambda p: p.refresh_token or "",
    "a token of a project with another secret key": lambda p: elsewhere(p, SECRET_KEY="another" * 8),
    "a token of a project with the same secret key": with_audience,
}


def test_the_forger_can_forge(ada: Person) -> None:
    assert Person(sign(ada, ours())).post("who_am_i").status_code == 200


@pytest.mark.parametrize("how", FORGERIES)
def test_forged_access_tokens(how: str, ada: Person) -> None:
    forged = FORGERIES[how](ada)
    assert code_of(Person(forged).post("who_am_i")) == (401, "invalid_token")
    assert code_of(ada.post("auth_merge", source_token=forged)) == (401, "invalid_token")
    assert ada.post("who_am_i").status_code == 200


@pytest.mark.parametrize("encoding", ["raw", "PEM", "JWK"])
def test_a_public_key_is_no_secret(encoding: str, ada: Person, settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "AUTH": {**settings.KONTRACT["AUTH"], "algorithm": "EdDSA"}}
    ada.refresh()
    assert ada.call("auth_me")["id"] == ada.id
    (published,) = list_public_keys()
    public = jwt.PyJWK(published).key
    secret = {
        "raw": public.public_bytes_raw(),
        "PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "JWK": json.dumps(published).encode(),
    }[encoding]
    for algorithm in ("HS256", "EdDSA"):
        forged = sign(ada, secret, alg=algorithm)
        assert code_of(Person(forged).post("who_am_i")) == (401, "invalid_token")


def test_tokens_are_of_one_namespace(ada: Person) -> None:
    tables.create_namespace(other := f"{get_namespace()}-other")
    with namespace(other):
        stranger = Person().register("ada@example.com")
    for person, place in ((ada, other), (stranger, get_namespace())):
        with namespace(place):
            assert code_of(person.post("who_am_i")) == (401, "invalid_token")
            assert code_of(Person().post("auth_refresh", refresh_token=person.refresh_token)) == (401, "invalid_token")
    assert ada.post("who_am_i").status_code == 200
    with namespace(other):
        assert stranger.refresh().post("who_am_i").status_code == 200


# --- Addresses -------------------------------------------------------------------------------------------------------


def guess(**headers: str) -> int:
    """Try a password, and return the status."""
    credentials = {"email": "eve@example.com", "password": "guess"}
    body = json.dumps({"kwargs": {"credentials": credentials}})
    return Client().post("/kontract/rpc/auth_login", body, content_type="application/json", headers=headers).status_code


@pytest.mark.parametrize(
    ("proxies", "forwarded", "last"),
    [
        (0, "203.0.113.{n}", 429),  # no proxy: whoever sends it has made it up
        (0, "203.0.113.{n}, 198.51.100.7", 429),
        (1, "203.0.113.{n}, 198.51.100.7", 429),  # the proxy has added from whom it has it
        (1, "203.0.113.{n}", 401),  # so many clients
        (2, "203.0.113.{n}, 198.51.100.7, 10.0.0.2", 429),
        (2, "198.51.100.{n}", 429),  # not through both proxies: the peer counts
        (1, "203.0.113.{n}, nonsense", 429),
        (1, "203.0.113.{n}, ", 429),
        (1, "2001:db8::{n}", 429),  # who has one address of such a network has all
    ],
)
def test_a_client_does_not_choose_what_it_is_counted_by(proxies: int, forwarded: str, last: int, settings: Any) -> None:
    auth = {**settings.KONTRACT["AUTH"], "rates": {**settings.KONTRACT["AUTH"]["rates"], "login": "2/h"}}
    settings.KONTRACT = {**settings.KONTRACT, "AUTH": auth, "TRUSTED_PROXIES": proxies}
    statuses = [guess(**{"X-Forwarded-For": forwarded.format(n=n)}) for n in range(1, 4)]
    assert statuses == [401, 401, last]
    more = {"X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9", "CF-Connecting-IP": "203.0.113.9"}
    assert guess(**{"X-Forwarded-For": forwarded.format(n=9)}, **more) == last


def test_many_at_once_do_not_get_more_tries(settings: Any) -> None:
    auth = {**settings.KONTRACT["AUTH"], "rates": {**settings.KONTRACT["AUTH"]["rates"], "failures": "3/h"}}
    settings.KONTRACT = {**settings.KONTRACT, "AUTH": {**auth, "waiting_hashes": 100}}
    Person().register("eve@example.com")
    statuses = in_threads(8, guess)
    assert sorted(statuses) == [401] * 3 + [429] * 5


def test_a_batch_has_as_many_tries_as_its_calls(settings: Any) -> None:
    auth = {**settings.KONTRACT["AUTH"], "rates": {**settings.KONTRACT["AUTH"]["rates"], "login": "2/h"}}
    settings.KONTRACT = {**settings.KONTRACT, "AUTH": auth}
    attempt = {"procedure": "auth_login", "kwargs": {"credentials": {"email": "eve@example.com", "password": "guess"}}}
    response = Client().post("/kontract/rpc", json.dumps([attempt] * 4), content_type="application/json")
    assert [item["problem"]["status"] for item in response.json()] == [401, 401, 429, 429]


def test_linking_tells_of_as_many_addresses_as_registering_does(ada: Person, visitor: Person, settings: Any) -> None:
    auth = {**settings.KONTRACT["AUTH"], "rates": {**settings.KONTRACT["AUTH"]["rates"], "register": "2/h"}}
    settings.KONTRACT = {**settings.KONTRACT, "AUTH": auth}
    credentials = {"email": "ada@example.com", "password": PASSWORD}
    assert code_of(visitor.post("auth_link", credentials=credentials)) == (409, "account_exists")
    assert code_of(Person().post("auth_register", credentials=credentials)) == (409, "account_exists")
    assert code_of(visitor.post("auth_link", credentials=credentials)) == (429, "rate_limited")
    assert code_of(Person().post("auth_register", credentials=credentials)) == (429, "rate_limited")


# --- The event loop --------------------------------------------------------------------------------------------------


async def _is_loop_free() -> bool:
    """Try a password; return whether the event loop went on during most of it."""
    body = json.dumps({"kwargs": {"credentials": {"email": "eve@example.com", "password": "guess"}}})
    sent = AsyncClient().post("/kontract/rpc/auth_login", body, content_type="application/json")
    attempt, longest, begun = asyncio.ensure_future(sent), 0.0, time.perf_counter()
    while not attempt.done():
        before = time.perf_counter()
        await asyncio.sleep(0.005)
        longest = max(longest, time.perf_counter() - before)
    assert (await attempt).status_code == 401
    return longest < 0.4 * (time.perf_counter() - begun)


def test_hashing_does_not_hold_up_the_event_loop(settings: Any) -> None:
    Person().register("eve@example.com")
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    principal = Principal.objects.get(email="eve@example.com")
    principal.password = make_password(PASSWORD)
    principal.save()
    assert any(asyncio.run(_is_loop_free()) for _ in range(3)), "no other program can be blamed for all three"
