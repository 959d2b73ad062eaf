"""Refresh tokens and sessions: which are taken, and what ends them."""

import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from django.db import connection, connections
from django.test import override_settings

from kontract.auth import sessions, signals
from kontract.auth.keys import get_keyring
from kontract.auth.models import Principal
from kontract.auth.tokens import _sign, make_access, make_refresh, read_access, read_refresh
from kontract.context import get_namespace
from kontract.tables.catalog import locate
from tests.integration.auth.people import PASSWORD, Person, code_of


def change_session(sid: str, **changes: Any) -> None:
    """Change what is kept of a session."""
    _, ns = locate()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE storage SET data = data || %s::jsonb WHERE ns = %s AND ptr = 5 AND id = %s",
            [json.dumps(changes), ns, sid],
        )
        assert cursor.rowcount == 1
    sessions.known.forget()


def sid_of(person: Person) -> str:
    assert person.access is not None
    return read_access(person.access).sid


# --- The reuse matrix ------------------------------------------------------------------------------------------------


def current(person: Person) -> str:
    return make_refresh(sid_of(person), 5)


def one_behind(person: Person) -> str:
    return make_refresh(sid_of(person), 4)


def one_behind_late(person: Person) -> str:
    change_session(sid_of(person), rotated_at=time.time() - 61)
    return make_refresh(sid_of(person), 4)


def two_behind(person: Person) -> str:
    return make_refresh(sid_of(person), 3)


def ahead(person: Person) -> str:
    return make_refresh(sid_of(person), 6)


def forged(person: Person) -> str:
    raw = bytearray(urlsafe_b64decode(current(person) + "=" * 4))
    raw[-1] ^= 1
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def of_another_session(person: Person) -> str:
    return make_refresh("ab" * 16, 5)


def signed_for_another_purpose(person: Person) -> str:
    signed = urlsafe_b64decode(current(person) + "=" * 4)[:25]
    return urlsafe_b64encode(signed + _sign(get_keyring("access/HS256").current, signed)).rstrip(b"=").decode()


def signed_with_another_secret(person: Person) -> str:
    sid = sid_of(person)
    with override_settings(SECRET_KEY="another"):
        return make_refresh(sid, 5)


def an_access_token(person: Person) -> str:
    assert person.access is not None
    return person.access


def idle(person: Person) -> str:
    change_session(sid_of(person), idle_until=time.time() - 1)
    return current(person)


def too_old(person: Person) -> str:
    change_session(sid_of(person), expires_at=time.time() - 1)
    return current(person)


def revoked(person: Person) -> str:
    person.call("auth_logout")
    return current(person)


FRESH, AGAIN, REFUSED, ENDED = "fresh", "again", "refused", "ended"


@pytest.mark.parametrize(
    ("make", "outcome"),
    [
        (current, FRESH),
        (one_behind, AGAIN),
        (one_behind_late, ENDED),
        (two_behind, ENDED),
        (ahead, REFUSED),
        (forged, REFUSED),
        (of_another_session, REFUSED),
        (signed_for_another_purpose, REFUSED),
        (signed_with_another_secret, REFUSED),
        (an_access_token, REFUSED),
        (idle, REFUSED),
        (too_old, REFUSED),
        (revoked, REFUSED),
    ],
)
def test_the_reuse_matrix(make: Callable[[Person], str], outcome: str, ada: Person) -> None:
    reused: list[str] = []
    signals.token_reused.connect(receiver := lambda **kwargs: reused.append(kwargs["principal_id"]))
    access, sid = ada.access, sid_of(ada)
    change_session(sid, counter=5)
    token = make(ada)
    response = Person().post("auth_refresh", refresh_token=token)
    signals.token_reused.disconnect(receiver)
    if outcome in (FRESH, AGAIN):
        assert response.status_code == 200
        counter = read_refresh(json.loads(response.content)["result"]["refresh_token"])[1]
        assert counter == (6 if outcome == FRESH else 5)
    else:
        assert code_of(response) == (401, "invalid_token")
        assert response["WWW-Authenticate"] == "Bearer"
    assert reused == ([ada.id] if outcome == ENDED else [])
    is_alive = Person(access).post("who_am_i").status_code == 200
    assert is_alive == (outcome != ENDED and make not in (idle, too_old, revoked))


def in_threads(count: int, function: Callable[[], Any]) -> list[Any]:
    def run() -> Any:
        try:
            return function()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(copy_context().run, run) for _ in range(count)]
        return [future.result() for future in futures]


def test_parallel_tabs_refresh_once(ada: Person) -> None:
    token = ada.refresh_token
    responses = in_threads(8, lambda: Person().post("auth_refresh", refresh_token=token))
    assert [response.status_code for response in responses] == [200] * 8
    tokens = {json.loads(response.content)["result"]["refresh_token"] for response in responses}
    assert {read_refresh(token)[1] for token in tokens} == {1}


# --- What ends sessions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("which", "alive"), [("this", [1, 2]), ("others", [0]), ("all", [])])
def test_logging_out(which: str, alive: list[int], ada: Person) -> None:
    people = [ada, ada.login("ada@example.com"), ada.login("ada@example.com")]
    assert len(ada.call("auth_sessions")) == 3
    ada.call("auth_logout", which=which)
    assert [n for n, person in enumerate(people) if person.post("who_am_i").status_code == 200] == alive
    refreshed = [Person().post("auth_refresh", refresh_token=person.refresh_token) for person in people]
    assert [n for n, response in enumerate(refreshed) if response.status_code == 200] == alive


def test_one_of_ones_own_sessions_can_be_ended_and_no_other(ada: Person, visitor: Person) -> None:
    other = ada.login("ada@example.com")
    listed = ada.call("auth_sessions")
    assert [session["is_current"] for session in listed] == [False, True]
    assert visitor.call("auth_revoke", session=sid_of(other)) is False
    assert other.post("who_am_i").status_code == 200
    assert ada.call("auth_revoke", session=sid_of(other)) is True
    assert code_of(other.post("who_am_i")) == (401, "invalid_token")
    assert ada.post("who_am_i").status_code == 200


def test_a_change_of_password_ends_the_other_sessions(ada: Person) -> None:
    other, access = ada.login("ada@example.com"), ada.access
    assert (
        code_of(ada.post("auth_password", old_password="wrong", new_password="difference engine"))[1]
        == "invalid_credentials"
    )
    ada.keep(ada.call("auth_password", old_password=PASSWORD, new_password="difference engine"))
    assert ada.post("who_am_i").status_code == 200
    assert code_of(Person(access).post("who_am_i")) == (401, "invalid_token")  # made before
    assert code_of(other.post("who_am_i")) == (401, "invalid_token")
    assert Person().post("auth_refresh", refresh_token=other.refresh_token).status_code == 401
    ada.refresh()
    assert ada.login("ada@example.com", "difference engine").id == ada.id
    old = Person().post("auth_login", credentials={"email": "ada@example.com", "password": PASSWORD})
    assert code_of(old) == (401, "invalid_credentials")


def test_signing_in_encodes_a_password_as_hashers_do_today(ada: Person, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher", *settings.PASSWORD_HASHERS]
    old = Person().post("auth_login", credentials={"email": "ada@example.com", "password": "wrong"})
    assert code_of(old) == (401, "invalid_credentials")
    assert Principal.objects.get(pk=ada.id).password.startswith("md5$")
    for _ in range(2):
        ada.login("ada@example.com")
        assert Principal.objects.get(pk=ada.id).password.startswith("scrypt$")
    assert ada.post("who_am_i").status_code == 200, "it is the same password, so no session ends"


def test_rotating_the_secret_key_logs_nobody_out(ada: Person, settings: Any) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the next one", [settings.SECRET_KEY]
    sessions.known.forget()
    assert ada.post("who_am_i").status_code == 200
    before = ada.access
    ada.refresh()
    settings.SECRET_KEY_FALLBACKS = []
    assert ada.refresh().post("who_am_i").status_code == 200
    assert code_of(Person(before).post("who_am_i")) == (401, "invalid_token")


def test_an_account_that_is_switched_off_signs_nobody_in(ada: Person) -> None:
    principal = Principal.objects.get(pk=ada.id)
    principal.is_active = False
    principal.save()
    sessions.known.forget()
    assert code_of(ada.post("who_am_i")) == (401, "invalid_token")
    assert Person().post("auth_refresh", refresh_token=ada.refresh_token).status_code == 401
    login = Person().post("auth_login", credentials={"email": "ada@example.com", "password": PASSWORD})
    assert code_of(login) == (401, "invalid_credentials")


def test_a_token_of_a_newer_epoch_than_what_a_process_knows_is_taken(ada: Person) -> None:
    ada.call("who_am_i")
    place = (get_namespace(), sid_of(ada))
    known = sessions.known.find(place)
    assert known is not None
    ada.keep(ada.call("auth_password", old_password=PASSWORD, new_password="difference engine"))
    sessions.known.keep(place, known, time.monotonic())  # another process has not noticed yet
    assert ada.post("who_am_i").status_code == 200


def test_tokens_of_another_namespace_sign_nobody_in(ada: Person) -> None:
    import kontract

    kontract.tables.create_namespace("elsewhere-of-auth")
    with kontract.namespace("elsewhere-of-auth"):
        assert code_of(ada.post("who_am_i")) == (401, "invalid_token")


def test_a_token_for_somebody_elses_session_is_refused(ada: Person, visitor: Person) -> None:
    mixed = make_access(ada.id, sid_of(visitor), epoch=0, is_anonymous=False)
    assert code_of(Person(mixed).post("who_am_i")) == (401, "invalid_token")
