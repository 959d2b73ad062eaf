"""What nobody learns, and what nobody gets to try often."""

import json
import math
import threading
import time
from collections.abc import Callable
from http.cookies import SimpleCookie
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from kontract import env, perms
from kontract.auth import hashing
from kontract.auth.models import Principal
from kontract.exceptions import RateLimitedError
from kontract.tables.catalog import locate
from tests.integration.auth.people import PASSWORD, Person, code_of
from tests.integration.auth.test_sessions import change_session, in_threads, sid_of


def limit(settings: Any, **rates: str) -> None:
    auth = settings.KONTRACT["AUTH"]
    settings.KONTRACT = {**settings.KONTRACT, "AUTH": {**auth, "rates": {**auth["rates"], **rates}}}


def login(email: str, password: str, **options: Any) -> Any:
    return Person().post("auth_login", credentials={"email": email, "password": password}, **options)


def test_unknown_and_known_accounts_get_the_same_answer(ada: Person) -> None:
    known, unknown = login("ada@example.com", "wrong"), login("eve@example.com", "wrong")
    assert code_of(known) == (401, "invalid_credentials")
    assert known.content == unknown.content
    assert {k: v for k, v in known.items() if k != "Kontract-Txid"} == {
        k: v for k, v in unknown.items() if k != "Kontract-Txid"
    }


def rank_z(first: list[float], second: list[float]) -> float:
    """Return the z-score of the Mann-Whitney U test: how unlikely it is that both come from one distribution."""
    ordered = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    ranks = sum(rank for rank, (_, which) in enumerate(ordered, 1) if which == 0)
    n, m = len(first), len(second)
    u = ranks - n * (n + 1) / 2
    return (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)


def measure(known: Callable[[], Any], unknown: Callable[[], Any], rounds: int) -> float:
    times: tuple[list[float], list[float]] = ([], [])
    for round_ in range(rounds):
        for which in (0, 1) if round_ % 2 else (1, 0):
            begun = time.perf_counter()
            (known, unknown)[which]()
            times[which].append(time.perf_counter() - begun)
    return rank_z(*times)


class SlowHasher(MD5PasswordHasher):
    """About as long as all else that a login does, so that the difference of one hash would be seen."""

    algorithm = "slow"

    def encode(self, password: str, salt: str) -> str:
        encoded: str = super().encode(password, salt)
        for _ in range(500):
            super().encode(password, salt)
        return encoded


def test_unknown_and_known_accounts_take_the_same_time(settings: Any) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.SlowHasher"]
    Person().register("ada@example.com")
    for _ in range(5):
        login("ada@example.com", "wrong")
        login("eve@example.com", "wrong")
    known, unknown = (lambda who=who: login(f"{who}@example.com", "wrong") for who in ("ada", "eve"))
    assert any(abs(measure(known, unknown, 40)) < 3.3 for _ in range(2))  # not so by chance: once in a million
    assert abs(measure(lambda: login("ada@example.com", "wrong"), lambda: Person().post("auth_me"), 20)) > 3.3


@pytest.mark.parametrize(
    ("kind", "post", "times"),
    [
        ("anonymous", lambda: Person().post("auth_anonymous"), 2),
        ("login", lambda: login("ada@example.com", "x"), 2),
        ("failures", lambda: login("eve@example.com", "x"), 2),
        ("register", lambda: Person().post("auth_register", credentials={}), 2),
    ],
)
def test_attempts_are_counted(kind: str, post: Callable[[], Any], times: int, settings: Any) -> None:
    limit(settings, **{kind: "2/h"})
    assert [post().status_code == 429 for _ in range(times + 1)] == [False] * times + [True]
    assert int(post()["Retry-After"]) > 60


def test_only_failures_count_as_failures(ada: Person, settings: Any) -> None:
    limit(settings, failures="2/h")
    for _ in range(4):
        assert login("ada@example.com", PASSWORD).status_code == 200
    assert [login("ADA@example.com", "x").status_code for _ in range(3)] == [401, 401, 429]
    assert login("ada@example.com", PASSWORD).status_code == 429
    elsewhere = Client(REMOTE_ADDR="192.0.2.7").post(
        "/kontract/rpc/auth_login",
        json.dumps({"kwargs": {"credentials": {"email": "ada@example.com", "password": PASSWORD}}}),
        content_type="application/json",
    )
    assert elsewhere.status_code == 200  # nobody locks the owner out


def test_refreshing_is_counted_by_session(ada: Person, settings: Any) -> None:
    limit(settings, refresh="2/h")
    other = ada.login("ada@example.com")
    ada.refresh().refresh()
    assert Person().post("auth_refresh", refresh_token=ada.refresh_token).status_code == 429
    other.refresh()


def test_few_hash_at_once_few_wait_and_the_rest_is_refused() -> None:
    gate, running, most, lock = hashing.Gate(2, 1), 0, 0, threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.1)
        with lock:
            running -= 1

    def attempt() -> bool:
        try:
            gate.run(work)
        except RateLimitedError:
            return False
        return True

    assert sum(in_threads(8, attempt)) == 3
    assert most == 2


def test_answers_with_tokens_are_not_stored(visitor: Person) -> None:
    for header in ("Idempotency-Key", "Kontract-Dry-Run"):
        response = Client().post(
            "/kontract/rpc/auth_anonymous",
            b'{"kwargs": {}}',
            content_type="application/json",
            headers={header: "1" * 30},
        )
        assert response.status_code == 400


def test_no_token_or_password_is_in_the_tables(ada: Person) -> None:
    _, ns = locate()
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(data::text, ' ') FROM storage WHERE ns = %s", [ns])
        text = cursor.fetchone()[0]
    assert ada.access is not None
    assert ada.refresh_token is not None
    for secret in (PASSWORD, ada.access, ada.access.split(".")[2], ada.refresh_token):
        assert secret not in text


def test_calls_do_not_read_who_there_is(ada: Person) -> None:
    for read in (lambda: env.storage["__users"].get(ada.id), lambda: list(Principal.objects.all())):
        from kontract.context import CallContext, calling
        from kontract.exceptions import PermissionDeniedError

        with calling(CallContext(route="x", perm=perms.RWX, owner=ada.id)), pytest.raises(PermissionDeniedError):
            read()


def keep_cookie(person: Person, response: Any) -> Any:
    """Do what a browser does, and return the cookie."""
    person.client.cookies.load(response["Set-Cookie"])
    return SimpleCookie(response["Set-Cookie"])["kontract_refresh"]


def test_a_cookie_keeps_the_refresh_token_from_scripts() -> None:
    person = Person()
    response = person.post("auth_anonymous", cookie=True)
    assert json.loads(response.content)["result"]["refresh_token"] is None
    cookie = keep_cookie(person, response)
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/kontract/rpc/auth_refresh")
    assert cookie["secure"] is True
    response = person.post("auth_refresh")
    refreshed = json.loads(response.content)["result"]
    assert refreshed["refresh_token"] is None
    assert keep_cookie(person, response).value != cookie.value
    person.access = refreshed["access_token"]
    gone = keep_cookie(person, person.post("auth_logout"))
    assert (gone.value, gone["max-age"], gone["path"]) == ("", "0", cookie["path"])


def test_the_command_looks_after_accounts() -> None:
    def run(*args: str) -> str:
        out = StringIO()
        call_command("kontract_users", *args, stdout=out)
        return out.getvalue()

    from kontract.context import get_namespace

    place = ["--namespace", get_namespace()]
    run(*place, "create", "ada@example.com", "--password", PASSWORD, "--groups", "staff")
    ada = Person().login("ada@example.com")
    assert ada.call("auth_me")["ugroups"] == ["staff"]
    run(*place, "groups", "ADA@example.com", "a", "b")
    assert ada.call("auth_me")["ugroups"] == ["a", "b"]
    other, third = ada.login("ada@example.com"), ada.login("ada@example.com")
    listed = run(*place, "sessions", ada.id)
    assert [sid_of(person) in listed for person in (ada, other, third)] == [True] * 3
    assert run(*place, "revoke", "ada@example.com", sid_of(other)) == "ended 1 session\n"
    assert [person.post("who_am_i").status_code for person in (ada, other, third)] == [200, 401, 200]
    with pytest.raises(CommandError, match="has no session"):
        run(*place, "revoke", "ada@example.com", sid_of(other))
    assert "ended 2 sessions" in run(*place, "revoke", ada.id)
    assert [person.post("who_am_i").status_code for person in (ada, third)] == [401, 401]
    with pytest.raises(CommandError, match="There is no principal"):
        run(*place, "groups", "eve@example.com", "staff")
    with pytest.raises(CommandError, match="account"):
        run(*place, "create", "ada@example.com", "--password", PASSWORD)


def test_vacuum_collects_what_nobody_can_use_any_more(ada: Person) -> None:
    def age(person: Person, *, ended: bool) -> None:
        principal = Principal.objects.get(pk=person.id)
        principal.created_at -= 31 * 86_400
        principal.save()
        if ended:
            change_session(sid_of(person), idle_until=1)

    owner, idle, active, young = (Person().begin() for _ in range(4))
    owner.call("set_user", user_id="u", name="Eve")
    for person, ended in ((owner, True), (idle, True), (active, False), (ada, True)):
        age(person, ended=ended)
    from kontract.context import get_namespace

    call_command("kontract_vacuum", namespace=get_namespace(), stdout=StringIO())
    left = set(Principal.objects.values_list("pk", flat=True))
    assert left == {owner.id, active.id, young.id, ada.id}
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM storage WHERE ns = %s AND ptr = 5", [locate()[1]])
        assert cursor.fetchone()[0] == 2
