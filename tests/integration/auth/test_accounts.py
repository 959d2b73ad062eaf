"""From visitor to account and back, over HTTP."""

from kontract import env
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
