"""A link by e-mail: for a new password, and to verify an address."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.db import transaction
from django.test import override_settings

from kontract.auth import emails
from kontract.auth.models import Principal
from tests.integration.auth.people import PASSWORD, Person, code_of
from tests.integration.auth.test_secrecy import measure

NEW = "difference engine"


@pytest.fixture(autouse=True)
def _links(settings: Any) -> None:
    links = {"reset": "https://app.example/reset?t={token}", "verify": "https://app.example/verify?t={token}"}
    settings.KONTRACT = {**settings.KONTRACT, "AUTH": {**settings.KONTRACT["AUTH"], "email_links": links}}
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}  # from Django 6.1 on
    mail.outbox = []


def ask(email: str) -> Any:
    """Ask for a new password, and wait until the thread that sends has done it."""
    response = Person().post("auth_request_reset", email=email)
    emails.get_sender()._pool.submit(int).result()
    return response


def sent() -> str:
    """Return the token in the one message that was sent."""
    (message,) = mail.outbox
    found = re.search(r"https://app\.example/\w+\?t=(\S+)", str(message.body))
    assert found is not None
    mail.outbox.clear()
    return found[1]


def test_a_password_is_chosen_anew_once(ada: Person) -> None:
    ask("ADA@example.com")
    assert mail.outbox[0].to == ["ada@example.com"]
    token = sent()
    assert code_of(Person().post("auth_reset", token=token, new_password="short"))[1] == "validation_failed"
    Person().call("auth_reset", token=token, new_password=NEW)
    assert code_of(ada.post("auth_me")) == (401, "invalid_token")
    assert Person().login("ada@example.com", NEW).call("auth_me")["is_verified"] is True
    assert code_of(Person().post("auth_reset", token=token, new_password=PASSWORD)) == (401, "invalid_token")


def test_nobody_learns_who_has_an_address(ada: Person) -> None:
    known, unknown = (ask(f"{who}@example.com") for who in ("ada", "eve"))
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert len(mail.outbox) == 1


def asking(who: str) -> Callable[[], Any]:
    return lambda: Person().post("auth_request_reset", email=f"{who}@example.com")


def test_nobody_learns_it_from_the_time(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kontract.auth.emails.send", lambda *_: time.sleep(0.005))  # what a server of e-mail takes
    assert any(abs(measure(asking("ada"), asking("eve"), 30)) < 3.3 for _ in range(2))
    emails.get_sender()._pool.submit(int).result()


def test_nobody_learns_it_from_what_fails(
    ada: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: Any) -> None:
        raise ConnectionRefusedError("no server of e-mail is there")

    monkeypatch.setattr("kontract.auth.emails.send_mail", fail)
    known, unknown = (ask(f"{who}@example.com") for who in ("ada", "eve"))
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (200, known.content)
    assert [record.message for record in caplog.records] == ["A link for a new password could not be sent."]


def test_in_a_test_case_it_is_sent_at_once() -> None:
    atomic = transaction.atomic()
    atomic._from_testcase = True  # type: ignore[attr-defined]  # as Django's TestCase, whose rows no other thread sees
    with atomic:
        Person().register("ada@example.com")
        Person().call("auth_request_reset", email="ada@example.com")
        assert len(mail.outbox) == 1


def test_an_address_is_verified(ada: Person) -> None:
    ada.call("auth_request_verification")
    token = sent()
    assert code_of(Person().post("auth_reset", token=token, new_password=NEW)) == (
        401,
        "invalid_token",
    )  # another purpose
    Person().call("auth_verify", token=token)
    assert ada.call("auth_me")["is_verified"] is True
    assert code_of(Person().post("auth_verify", token=token)) == (401, "invalid_token")
    ada.call("auth_request_verification")
    assert mail.outbox == []


def test_tokens_that_are_none(ada: Person, visitor: Person) -> None:
    ask("ada@example.com")
    token = sent()
    _, _, proof = token.partition(".")
    for bad in ("", "x", ".", f"{visitor.id}.{proof}", token[:-1], f"{ada.id}."):
        assert code_of(Person().post("auth_reset", token=bad, new_password=NEW)) == (401, "invalid_token")
    ada.call("auth_password", old_password=PASSWORD, new_password=NEW)
    assert code_of(Person().post("auth_reset", token=token, new_password=PASSWORD)) == (401, "invalid_token")
    with override_settings(PASSWORD_RESET_TIMEOUT=-1):
        ask("ada@example.com")
        assert code_of(Person().post("auth_reset", token=sent(), new_password=PASSWORD)) == (401, "invalid_token")


def test_without_a_link_nothing_is_sent(settings: Any, ada: Person) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "AUTH": {**settings.KONTRACT["AUTH"], "email_links": {}}}
    assert code_of(ada.post("auth_request_verification")) == (400, "unsupported")
    answers = {asking(who)().content for who in ("ada", "eve")}
    assert len(answers) == 1


def test_who_has_no_address_is_sent_nothing() -> None:
    Principal.objects.create(is_anonymous=False, email=None, username="bob", password="x")
    ask("bob")
    assert mail.outbox == []
