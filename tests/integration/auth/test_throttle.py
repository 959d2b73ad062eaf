"""What is known to be too often does not reach the database, nor a thread."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import AsyncClient, Client

from kontract.auth import throttle
from kontract.auth.hashing import get_gate
from kontract.exceptions import InvalidCredentialsError, RateLimitedError

urlpatterns: list[Any] = []  # a project without kontract's


@pytest.fixture(autouse=True)
def _rates(settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "AUTH": {"rates": {"login": "2/m", "failures": "2/m", "refresh": "2/s"}}}


def use_up(kind: str, key: str = "k") -> None:
    for _ in range(2):
        throttle.count(kind, key)
    with pytest.raises(RateLimitedError):
        throttle.count(kind, key)


def test_a_full_bucket_is_asked_for_once(statements: list[str]) -> None:
    use_up("login")
    before = len(statements)
    for _ in range(50):
        with pytest.raises(RateLimitedError, match=r"Try again in (30|29) seconds"):
            throttle.count("login", "k")
    assert len(statements) == before
    throttle.count("login", "another")
    assert len(statements) > before


def test_it_is_asked_for_again_when_there_may_be_room() -> None:
    use_up("refresh")
    time.sleep(0.55)
    throttle.count("refresh", "k")


def test_what_is_believed_is_not_believed_for_long(monkeypatch: pytest.MonkeyPatch, statements: list[str]) -> None:
    use_up("login")
    later = time.monotonic() + 5.1
    monkeypatch.setattr("kontract.auth.throttle.time.monotonic", lambda: later)
    before = len(statements)
    with pytest.raises(RateLimitedError):
        throttle.count("login", "k")
    assert len(statements) > before


def test_who_shows_who_they_are_frees_what_was_counted() -> None:
    with throttle.failures("ada", None):
        with pytest.raises(InvalidCredentialsError), throttle.failures("ada", None):
            raise InvalidCredentialsError
        with pytest.raises(RateLimitedError), throttle.failures("ada", None):
            pass
    with throttle.failures("ada", None):
        pass


def test_a_process_knows_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "_MOST", 3)
    full = throttle._Full()
    for number in range(5):
        full.note(("", str(number)), 60)
    assert [bool(full.find(("", str(number)))) for number in range(5)] == [False, False, True, True, True]


def test_namespaces_do_not_share_what_is_full(namespace: str) -> None:
    use_up("login")
    assert throttle.full.find((namespace, "auth:login:k"))
    assert not throttle.full.find(("", "auth:login:k"))


def post(name: str, body: bytes) -> int:
    return Client().post(f"/kontract/rpc/{name}", body, content_type="application/json").status_code


def post_async(name: str, body: bytes) -> int:
    async def run() -> int:
        response = await AsyncClient().post(f"/kontract/rpc/{name}", body, content_type="application/json")
        return response.status_code

    return asyncio.run(run())


LOGIN = json.dumps({"kwargs": {"credentials": {"email": "eve@example.com", "password": "guess"}}}).encode()
NO_JSON = b"{"  # 400, as soon as anybody reads it


@pytest.mark.parametrize("send", [post, post_async])
def test_an_attempt_that_is_known_to_be_refused_is_not_even_read(
    send: Callable[[str, bytes], int], statements: list[str]
) -> None:
    assert [send("auth_login", NO_JSON), send("who_am_i", NO_JSON)] == [400, 400]
    use_up("login", "127.0.0.1")
    before = len(statements)
    assert [send("auth_login", NO_JSON) for _ in range(3)] == [429] * 3
    assert [send("auth_login", LOGIN), send("auth_reset", LOGIN)] == [429] * 2
    assert [send("who_am_i", NO_JSON), send("auth_register", NO_JSON), send("auth_me", NO_JSON)] == [400] * 3
    assert len(statements) == before


@pytest.fixture
def busy() -> Iterator[None]:
    """As many wait for their hashes as may."""
    places, taken = get_gate()._places, 0
    while places.acquire(blocking=False):
        taken += 1
    yield
    places.release(taken)


@pytest.mark.parametrize("send", [post, post_async])
@pytest.mark.usefixtures("busy")
def test_an_attempt_that_cannot_wait_is_not_even_read(send: Callable[[str, bytes], int]) -> None:
    names = ["auth_login", "auth_register", "auth_link", "auth_reset"]
    assert [send(name, NO_JSON) for name in names] == [429] * 4
    assert [send(name, NO_JSON) for name in ("auth_anonymous", "auth_refresh", "auth_logout")] == [400] * 3
    throttle.count("login", "127.0.0.1")  # nothing of it was counted
    throttle.count("login", "127.0.0.1")


def test_views_of_the_projects_with_such_a_name_are_left_alone(settings: Any) -> None:
    use_up("login", "127.0.0.1")
    assert Client().post("/elsewhere/rpc/auth_login").status_code == 404
    settings.ROOT_URLCONF = __name__
    assert Client().post("/kontract/rpc/auth_login").status_code == 404
