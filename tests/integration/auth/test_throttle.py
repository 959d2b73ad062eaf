"""What is known to be too often does not reach the database."""

import time
from typing import Any

import pytest

from kontract.auth import throttle
from kontract.exceptions import InvalidCredentialsError, RateLimitedError


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
