"""Providers: one of the project's own, names other than addresses, and settings that cannot be."""

import json
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from django.test import Client, override_settings

from kontract.auth.checks import check_auth
from kontract.auth.sessions import known
from kontract.checks import check_settings
from tests.integration.auth import sso
from tests.integration.auth.people import PASSWORD, Person, code_of

HERE = "tests.integration.auth.sso.CompanyProvider"
PROVIDERS = "kontract.auth.providers."


def use(settings: Any, *providers: Any, **options: Any) -> None:
    auth = {**settings.KONTRACT["AUTH"], "providers": list(providers), **options}
    settings.KONTRACT = {**settings.KONTRACT, "AUTH": auth}


@pytest.fixture
def company(settings: Any) -> Iterator[None]:
    use(settings, f"{PROVIDERS}AnonymousProvider", {"provider": HERE, "options": {"audience": "us"}})
    yield
    sso.staff.clear()
    sso.gone.clear()


@pytest.mark.usefixtures("company")
class TestCompany:
    """A single sign-on signs in whom it knows."""

    def sign_in(self, number: str, audience: str = "us") -> Any:
        return Person().post("auth_login", provider="company", credentials=sso.ticket(number, audience))

    def test_who_comes_first_is_made_a_principal_and_found_again(self) -> None:
        first = json.loads(self.sign_in("e7").content)["result"]["principal"]
        assert first["email"] == "e7@company.example"
        assert json.loads(self.sign_in("e7").content)["result"]["principal"]["id"] == first["id"]
        assert json.loads(self.sign_in("e8").content)["result"]["principal"]["id"] != first["id"]
        assert code_of(self.sign_in("e7", "them")) == (401, "invalid_credentials")

    def test_who_takes_an_address_first_keeps_nobody_out(self, settings: Any) -> None:
        use(settings, *settings.KONTRACT["AUTH"]["providers"], f"{PROVIDERS}PasswordProvider")
        squatter = Person().register("e7@company.example")
        employee = Person().keep(json.loads(self.sign_in("e7").content)["result"])
        assert employee.id != squatter.id
        me = employee.call("auth_me")
        assert (me["email"], me["is_verified"], me["is_anonymous"]) == (None, False, False)
        assert json.loads(self.sign_in("e7").content)["result"]["principal"]["id"] == employee.id
        linked = Person().begin().post("auth_link", provider="company", credentials=sso.ticket("e9"))
        assert json.loads(linked.content)["result"]["principal"]["is_verified"] is True

    def test_groups_and_leaving_act_at_once(self) -> None:
        employee = Person().keep(json.loads(self.sign_in("e7").content)["result"])
        assert employee.call("auth_me")["ugroups"] == []
        sso.staff.add("e7")
        assert employee.call("auth_me")["ugroups"] == ["staff"]
        sso.gone.add("e7")
        known.forget()
        assert code_of(employee.post("who_am_i")) == (401, "invalid_token")
        assert code_of(self.sign_in("e7")) == (401, "invalid_credentials")

    def test_a_visitor_is_linked_once(self) -> None:
        visitor, other = Person().begin(), Person().begin()
        before = visitor.id
        visitor.keep(visitor.call("auth_link", provider="company", credentials=sso.ticket("e7")))
        assert visitor.id == before
        assert json.loads(self.sign_in("e7").content)["result"]["principal"]["id"] == before
        again = other.post("auth_link", provider="company", credentials=sso.ticket("e7"))
        assert code_of(again) == (409, "account_exists")
        bad = other.post("auth_link", provider="company", credentials={"ticket": "x"})
        assert code_of(bad) == (401, "invalid_credentials")

    def test_what_it_cannot_do_is_said(self) -> None:
        refusal = Person().post("auth_register", provider="company", credentials=sso.ticket("e7"))
        assert code_of(refusal) == (400, "unsupported")
        assert code_of(Person().post("auth_login", provider="else", credentials={})) == (400, "unsupported")
        employee = Person().keep(json.loads(self.sign_in("e7").content)["result"])
        assert code_of(employee.post("auth_password", old_password="a", new_password="b")) == (400, "unsupported")


def test_accounts_can_have_usernames(settings: Any) -> None:
    use(settings, {"provider": f"{PROVIDERS}PasswordProvider", "options": {"lookup": "username"}})
    ada = Person()
    ada.keep(ada.call("auth_register", credentials={"username": "Ada", "password": PASSWORD}))
    again = Person().post(
        "auth_login", credentials={"username": "\uff41\uff44\uff41", "password": PASSWORD}
    )  # full width
    assert json.loads(again.content)["result"]["principal"]["id"] == ada.id
    taken = Person().post("auth_register", credentials={"username": "ADA", "password": PASSWORD})
    assert code_of(taken) == (409, "account_exists")


@pytest.mark.parametrize(
    ("credentials", "field"),
    [
        ({"email": "ada@example.com", "password": "short"}, "password"),
        ({"email": "ada@example.com", "password": "password123"}, "password"),  # a common one
        ({"email": "adalovelace@example.com", "password": "adalovelace@example"}, "password"),
        ({"email": "ada@example.com", "password": "x" * 1025}, "password"),
        ({"email": "no address", "password": PASSWORD}, "email"),
        ({"email": "a" * 250 + "@example.com", "password": PASSWORD}, "email"),
        ({"email": "ada@example.com"}, "password"),
        ({"password": PASSWORD}, "email"),
        ({}, "email"),
    ],
)
def test_bad_accounts_are_refused(credentials: dict[str, str], field: str) -> None:
    response = Person().post("auth_register", credentials=credentials)
    assert code_of(response) == (422, "validation_failed")
    assert field in [error["path"][0] for error in json.loads(response.content)["errors"]]


def test_visitors_can_be_kept_out(settings: Any) -> None:
    use(settings, f"{PROVIDERS}AnonymousProvider", allow_anonymous=False)
    assert code_of(Person().post("auth_anonymous")) == (403, "permission_denied")


def test_a_principal_is_not_thrown_away_by_mistake(visitor: Person) -> None:
    credentials = {"email": "ada@example.com", "password": PASSWORD}
    assert code_of(visitor.post("auth_register", credentials=credentials)) == (409, "already_signed_in")
    assert code_of(visitor.post("auth_anonymous")) == (409, "already_signed_in")


@pytest.mark.parametrize(
    ("auth", "message"),
    [
        ({"providers": ["no.such.Provider"]}, "cannot be made"),
        ({"providers": [f"{PROVIDERS}PasswordProvider"] * 2}, "second provider"),
        ({"providers": [{"provider": f"{PROVIDERS}PasswordProvider", "options": {"lookup": "pk"}}]}, "lookup"),
        ({"providers": ["builtins.dict"]}, "must be a kontract.auth.providers.Provider"),
        ({"providers": [3]}, "must be a dotted path"),
        ({"rates": {"login": "often"}}, "is no rate"),
        ({"validators": [{"NAME": "no.such.Validator"}]}, "could not be imported"),
    ],
)
def test_settings_that_cannot_be_are_checks(auth: dict[str, Any], message: str) -> None:
    with override_settings(KONTRACT={"AUTH": auth}):
        (error,) = check_auth()
    assert error.id == "kontract.E041"
    assert message in error.msg


@pytest.mark.parametrize(
    ("auth", "message"),
    [
        ([], "must be a dict"),
        ({"provider": []}, "unknown option 'provider'. Did you mean 'providers'"),
        ({"providers": "kontract.auth.providers.PasswordProvider"}, "must be a list"),
        ({"allow_anonymous": "no"}, "must be True or False"),
        ({"issuer": None}, "must be a string"),
        ({"algorithm": "none"}, 'must be "HS256" or "EdDSA"'),
        ({"algorithm": "RS256"}, 'must be "HS256" or "EdDSA"'),
        ({"access_seconds": "600"}, "must be a number that is not negative"),
        ({"reuse_seconds": -1}, "must be a number that is not negative"),
        ({"leeway_seconds": 31}, "at most 30"),
        ({"session_cache_seconds": 1.5}, "at most 1"),
        ({"concurrent_hashes": 0}, "at least 1"),
        ({"rates": {"logins": "30/m"}}, "has 'logins'; it may have"),
        ({"rates": "30/m"}, "must be a dict of rates"),
        ({"email_links": {"reset": "https://app.example/reset"}}, "that contain {token}"),
        ({"email_links": {"welcome": "https://app.example/?t={token}"}}, "that contain {token}"),
        ({"cookie_secure": 1}, "must be True, False or None"),
    ],
)
def test_options_are_checked_by_type_and_bounds(auth: Any, message: str) -> None:
    with override_settings(KONTRACT={"AUTH": auth}):
        assert [(error.id, message in error.msg) for error in check_settings()] == [("kontract.E001", True)]


def test_the_middleware_has_to_come_after_djangos(settings: Any) -> None:
    assert list(check_auth()) == []
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.AuthenticationMiddleware"]
    assert [error.id for error in check_auth()] == ["kontract.E042"]


def test_others_find_the_public_keys(settings: Any, ada: Person) -> None:
    assert Client().get("/kontract/jwks.json").json() == {"keys": []}
    settings.KONTRACT = {**settings.KONTRACT, "AUTH": {**settings.KONTRACT["AUTH"], "algorithm": "EdDSA"}}
    response = Client().get("/kontract/jwks.json")
    (key,) = response.json()["keys"]
    assert response["Content-Type"] == "application/jwk-set+json"
    ada.refresh()
    assert ada.access is not None
    claims = jwt.decode(ada.access, jwt.PyJWK(key), algorithms=["EdDSA"], audience="kontract", issuer="kontract")
    assert claims["sub"] == ada.id
    assert ada.call("auth_me")["id"] == ada.id
