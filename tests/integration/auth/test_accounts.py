"""From visitor to account and back, over HTTP."""

from typing import Any

import pytest
from django.dispatch import Signal

from kontract import env
from kontract.auth import signals
from kontract.auth.models import Principal
from tests.integration.auth.people import PASSWORD, Person, code_of


def test_a_visitor_works_at_once(visitor: Person) -> None:
    assert visitor.call("who_am_i") == {"owner": visitor.id, "is_anonymous": True, "route": "who_am_i"}
    assert visitor.call("auth_me")["is_anonymous"] is True
    visitor.call("set_user", user_id="u", name="Eve")
    assert env.storage.users.get("u").owner == visitor.id


def test_nobody_is_nobody() -> None:
    assert Person().call("who_am_i")["owner"] == ""
    assert Person().call("auth_me") is None


def test_linking_keeps_the_id_and_every_row(visitor: Person) -> None:
    visitor.call("set_user", user_id="u", name="Eve")
    before, access = visitor.id, visitor.access
    visitor.link("Eve@Example.com ")
    assert visitor.id == before
    assert env.storage.users.get("u").owner == before
    me = visitor.call("auth_me")
    assert (me["is_anonymous"], me["email"]) == (False, "eve@example.com")
    assert code_of(Person(access).post("who_am_i")) == (401, "invalid_token")
    assert visitor.login("eve@example.com").id == before
    assert code_of(visitor.post("auth_link", credentials={"email": "x@example.com", "password": PASSWORD})) == (
        409,
        "already_signed_in",
    )


def test_an_account_is_found_again(ada: Person) -> None:
    again = ada.login("ADA@example.com")
    assert again.id == ada.id
    assert again.access != ada.access
    assert Principal.objects.get().password.startswith("md5$")


def test_an_address_has_one_account(ada: Person, visitor: Person) -> None:
    credentials = {"email": "ada@EXAMPLE.com", "password": PASSWORD}
    assert code_of(Person().post("auth_register", credentials=credentials)) == (409, "account_exists")
    assert code_of(visitor.post("auth_link", credentials=credentials)) == (409, "account_exists")
    assert visitor.call("auth_me")["is_anonymous"] is True


def test_refreshing_rotates(ada: Person) -> None:
    before = ada.refresh_token
    ada.refresh()
    assert ada.refresh_token != before
    assert ada.call("auth_me")["email"] == "ada@example.com"


def test_merging_moves_everything_and_can_be_undone(ada: Person, visitor: Person) -> None:
    visitor.call("set_user", user_id="u", name="Eve")
    preview = ada.call("auth_merge", source_token=visitor.access)
    assert preview == {"principal": visitor.id, "tables": {"users": 1}, "is_done": False}
    assert env.storage.users.get("u").owner == visitor.id
    done = ada.call("auth_merge", source_token=visitor.access, commit=True)
    assert done["is_done"] is True
    assert env.storage.users.get("u").owner == ada.id
    assert env.storage.users.get("u") == {"name": "Eve", "secret": "the combination is 12345"}
    assert code_of(visitor.post("who_am_i")) == (401, "invalid_token")
    visitor.keep(ada.call("auth_unmerge", principal=visitor.id))
    assert env.storage.users.get("u").owner == visitor.id
    assert visitor.call("who_am_i")["owner"] == visitor.id


@pytest.fixture
def sent() -> Any:
    """What signals are sent: their names, whose principals they are about, and what else they say."""
    found: list[tuple[str, str, set[str]]] = []
    named = {name: signal for name, signal in vars(signals).items() if isinstance(signal, Signal)}
    receivers = {}
    for name, signal in named.items():

        def receive(*, name: str = name, **given: Any) -> None:
            whose = given["principal_id"] if name == "token_reused" else given["principal"].id
            assert given.keys() >= {"sender", "signal", "request"}
            found.append((name, whose, given.keys() - {"sender", "signal", "request", "principal"}))

        signal.connect(receive)
        receivers[name] = receive  # signals refer to them weakly
    yield found
    for name, signal in named.items():
        signal.disconnect(receivers[name])


def test_whoever_wants_to_know_is_told(sent: Any) -> None:
    eve = Person().begin()
    stolen = eve.refresh_token
    eve.link("eve@example.com")
    eve.keep(eve.call("auth_password", old_password=PASSWORD, new_password="difference engine"))
    again = eve.login("eve@example.com", "difference engine")
    visitor = Person().begin()
    again.call("auth_merge", source_token=visitor.access)
    again.call("auth_merge", source_token=visitor.access, commit=True)
    again.call("auth_unmerge", principal=visitor.id)
    again.call("auth_logout")
    assert Person().post("auth_refresh", refresh_token=stolen).status_code == 401, "that session ended with the link"
    old = eve.refresh_token
    eve.refresh().refresh()
    assert Person().post("auth_refresh", refresh_token=old).status_code == 401
    assert sent == [
        ("created", eve.id, set()),
        ("linked", eve.id, set()),
        ("password_changed", eve.id, set()),
        ("logged_in", eve.id, {"sid"}),
        ("created", visitor.id, set()),
        ("merged", eve.id, {"source", "txid"}),
        ("unmerged", eve.id, {"source"}),
        ("logged_out", eve.id, {"sids"}),
        ("token_reused", eve.id, {"principal_id"}),
    ]
    assert {name for name, _, _ in sent} == {n for n, signal in vars(signals).items() if isinstance(signal, Signal)}
