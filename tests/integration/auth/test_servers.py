"""What happens in one process acts in the server of another, within a second."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from pytest_django import DjangoDbBlocker

import kontract
from kontract import tables
from kontract.auth import sessions
from kontract.auth.models import Principal
from kontract.auth.principals import set_groups
from tests.integration.auth.people import PASSWORD, Person
from tests.integration.auth.server import FAST, run
from tests.processes import Worker

PROVIDERS = [f"kontract.auth.providers.{kind}Provider" for kind in ("Anonymous", "Password", "DjangoUser")]
WITHIN = 1.0  # second


@pytest.fixture(scope="module")
def place(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[tuple[str, str]]:
    """The namespace of a server, and where that is."""
    name = f"auth-{uuid.uuid4().hex}"
    with django_db_blocker.unblock():
        tables.create_namespace(name)
        with kontract.namespace(name), Worker(run, Path(), {"providers": PROVIDERS}) as worker:
            yield name, f"http://127.0.0.1:{worker.report()}/kontract/rpc/"


@pytest.fixture
def server(place: tuple[str, str]) -> Iterator[str]:
    """Where the server is, in whose namespace the test runs."""
    name, url = place
    with kontract.namespace(name):
        yield url


@pytest.fixture
def ada(server: str) -> Person:
    """Somebody with an account."""
    return Person().register(f"{uuid.uuid4().hex}@example.com")


@pytest.fixture(autouse=True)
def _providers(settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "AUTH": {**settings.KONTRACT["AUTH"], "providers": PROVIDERS}}
    settings.PASSWORD_HASHERS = FAST


@pytest.fixture
def grace() -> Iterator[Any]:
    """A user of Django's, in a group."""
    group = Group.objects.create(name="editors")
    user = get_user_model().objects.create_user("grace", password=PASSWORD)
    user.groups.add(group)
    yield user
    user.delete()
    Group.objects.filter(pk=group.pk)._raw_delete("default")  # other tests' models refer to groups, without tables here


def ask(server: str, person: Person) -> list[str] | int:
    """Return the caller's groups there, or the status of a refusal."""
    answer = httpx.post(f"{server}auth_me", json={"kwargs": {}}, headers={"Authorization": f"Bearer {person.access}"})
    groups: list[str] = answer.json()["result"]["ugroups"] if answer.status_code == 200 else []
    return groups if answer.status_code == 200 else answer.status_code


def expect(server: str, person: Person, expected: list[str] | int, since: float) -> None:
    """Fail unless the server says so within a second of ``since``, by the monotonic clock."""
    seen = ask(server, person)
    while seen != expected:
        assert time.monotonic() - since < WITHIN, f"the server still says {seen}"
        time.sleep(0.02)
        seen = ask(server, person)


def test_signing_out(server: str, ada: Person) -> None:
    assert ask(server, ada) == []
    ada.call("auth_logout")
    expect(server, ada, 401, time.monotonic())


def test_leaving_a_group(server: str, ada: Person) -> None:
    set_groups(Principal.objects.get(pk=ada.id), ["staff"])
    expect(server, ada, ["staff"], time.monotonic())
    set_groups(Principal.objects.get(pk=ada.id), [])
    expect(server, ada, [], time.monotonic())


def test_a_change_of_password_elsewhere(server: str, ada: Person) -> None:
    other = ada.login(ada.call("auth_me")["email"])
    assert (ask(server, ada), ask(server, other)) == ([], [])
    ada.keep(ada.call("auth_password", old_password=PASSWORD, new_password="difference engine"))
    since = time.monotonic()
    expect(server, other, 401, since)
    expect(server, ada, [], since)


def test_an_administrator_ends_a_session(server: str, ada: Person) -> None:
    assert ask(server, ada) == []
    sessions.end(ada.id)
    expect(server, ada, 401, time.monotonic())


@pytest.mark.more_privilege
class TestDjangosUsers:
    """What is done to a user of Django's acts on its principal's sessions."""

    @pytest.fixture
    def person(self, server: str, grace: Any) -> Person:
        person = Person()
        credentials = {"username": "grace", "password": PASSWORD}
        return person.keep(person.call("auth_login", provider="django", credentials=credentials))

    def test_leaving_a_group(self, server: str, grace: Any, person: Person) -> None:
        assert ask(server, person) == ["editors"]
        grace.groups.clear()
        expect(server, person, [], time.monotonic())

    def test_a_new_password(self, server: str, grace: Any, person: Person) -> None:
        assert ask(server, person) == ["editors"]
        grace.set_password("difference engine")
        grace.save()
        expect(server, person, 401, time.monotonic())

    def test_the_user_is_switched_off(self, server: str, grace: Any, person: Person) -> None:
        assert ask(server, person) == ["editors"]
        grace.is_active = False
        grace.save()
        expect(server, person, 401, time.monotonic())
