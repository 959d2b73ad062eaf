"""Who gets through: in calls, views, Django REST framework; by token, by cookie, by both."""

import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient, Client
from django.urls import include, path
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

from kontract import ctx
from kontract.auth.models import Principal
from kontract.auth.principals import set_groups
from kontract.middleware.drf import TokenAuthentication
from tests.integration.auth.people import PASSWORD, Person, code_of
from tests.integration.auth.test_sessions import in_threads

AUTH = "kontract.middleware.AuthMiddleware"
EMPTY = b'{"kwargs": {}}'
DJANGOS = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]


def who(request: HttpRequest) -> HttpResponse:
    """An ordinary view."""
    user = request.user
    return JsonResponse({"owner": ctx.owner, "user": str(user.pk), "is_authenticated": user.is_authenticated})


async def awho(request: HttpRequest) -> HttpResponse:
    """An asynchronous one."""
    user = await request.auser()
    return JsonResponse({"owner": ctx.owner, "user": str(user.pk)})


@api_view(["GET"])
@authentication_classes([TokenAuthentication])
@permission_classes([IsAuthenticated])
def rest(request: Any) -> Response:
    """A view of Django REST framework's."""
    return Response({"user": str(request.user.pk), "sid": request.auth.sid})


urlpatterns = [
    path("kontract/", include("kontract.urls")),
    path("who", who),
    path("awho", awho),
    path("rest", rest),
]


@pytest.fixture(autouse=True)
def _urls(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__


def bearer(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.access}"}


def test_a_view_knows_who_asks(ada: Person, visitor: Person) -> None:
    assert Client().get("/who", headers=bearer(ada)).json() == {
        "owner": ada.id,
        "user": ada.id,
        "is_authenticated": True,
    }
    assert Client().get("/who", headers=bearer(visitor)).json()["is_authenticated"] is False


async def _ask(headers: dict[str, str]) -> Any:
    return json.loads((await AsyncClient().get("/awho", headers=headers)).content)


def test_an_asynchronous_view_knows_who_asks(ada: Person) -> None:
    from asgiref.sync import async_to_sync

    assert async_to_sync(_ask)(bearer(ada)) == {"owner": ada.id, "user": ada.id}
    assert async_to_sync(_ask)({"Authorization": "Bearer nonsense"})["code"] == "invalid_token"


@pytest.mark.parametrize("header", ["Bearer x", "bearer x", "Bearer ", "Bearer"])
@pytest.mark.parametrize("url", ["/who", "/nowhere", "/kontract/rpc"])
def test_a_bad_token_is_never_taken_for_none(header: str, url: str) -> None:
    response = Client().get(url, headers={"Authorization": header})
    assert code_of(response) == (401, "invalid_token")
    assert response["WWW-Authenticate"] == "Bearer"


def test_other_schemes_are_others_business(settings: Any) -> None:
    response = Client().post(
        "/kontract/rpc/who_am_i", EMPTY, content_type="application/json", headers={"Authorization": "Basic eDp5"}
    )
    assert response.json()["result"]["owner"] == ""


@pytest.mark.parametrize("middleware", [[AUTH], []])
def test_rest_framework(middleware: list[str], settings: Any, ada: Person, visitor: Person) -> None:
    settings.MIDDLEWARE = middleware
    assert Client().get("/rest", headers=bearer(ada)).json()["user"] == ada.id
    assert Client().get("/rest", headers=bearer(visitor)).status_code in (401, 403)
    assert Client().get("/rest", headers={"Authorization": "Bearer x"}).status_code == 401
    assert Client().get("/rest").status_code == 401
    assert Client().get("/rest").get("WWW-Authenticate") == "Bearer"


@pytest.mark.parametrize(
    ("rule", "statuses"),
    [
        ({"fn": "kontract.middleware.require_auth"}, {"nobody": 401, "visitor": 401, "ada": 200, "bob": 200}),
        (
            {"fn": "kontract.middleware.require_auth", "options": {"anonymous": True}},
            {"nobody": 401, "visitor": 200, "ada": 200, "bob": 200},
        ),
        (
            {"fn": "kontract.middleware.require_group", "options": {"group": ["staff", "x"]}},
            {"nobody": 401, "visitor": 401, "ada": 403, "bob": 200},
        ),
    ],
)
def test_guards(rule: dict[str, Any], statuses: dict[str, int], settings: Any, ada: Person, visitor: Person) -> None:
    bob = Person().register("bob@example.com")
    set_groups(Principal.objects.get(pk=bob.id), ["staff"])
    settings.KONTRACT = {**settings.KONTRACT, "MIDDLEWARE": [rule | {"filter": {"endpoints": ["who_am_i"]}}]}
    people = {"nobody": Person(), "visitor": visitor, "ada": ada, "bob": bob}
    assert {name: person.post("who_am_i").status_code for name, person in people.items()} == statuses


# --- Django's users --------------------------------------------------------------------------------------------------


@pytest.fixture
def django_user(settings: Any) -> Any:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.MIDDLEWARE = [*DJANGOS, AUTH]
    auth = {**settings.KONTRACT["AUTH"], "providers": ["kontract.auth.providers.DjangoUserProvider"]}
    settings.KONTRACT = {**settings.KONTRACT, "AUTH": auth}
    user = get_user_model().objects.create_user("grace", "grace@example.com", PASSWORD)
    group, _ = Group.objects.get_or_create(name="navy")
    user.groups.add(group)
    yield user
    if user.pk:
        user.delete()


def sign_in(username: str = "grace", password: str = PASSWORD) -> Any:
    return Person().post("auth_login", provider="django", credentials={"username": username, "password": password})


def signed_in() -> Person:
    response = sign_in()
    assert response.status_code == 200, response.content
    return Person().keep(json.loads(response.content)["result"])


@pytest.mark.more_privilege
class TestDjangoUsers:
    """They sign in as they are, with their groups and what they own."""

    def test_they_sign_in_with_their_groups(self, django_user: Any) -> None:
        grace = signed_in()
        assert grace.id == str(django_user.pk)
        assert grace.call("auth_me")["ugroups"] == ["navy"]
        assert Client().get("/who", headers=bearer(grace)).json()["user"] == str(django_user.pk)
        assert code_of(sign_in(password="wrong")) == (401, "invalid_credentials")
        assert code_of(sign_in(username="nobody")) == (401, "invalid_credentials")
        assert signed_in().id == grace.id

    def test_a_cookie_and_a_token_are_the_same_owner(self, django_user: Any) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(django_user)
        grace = signed_in()
        assert client.get("/who").json()["owner"] == grace.id
        post: Any = {"path": "/kontract/rpc/who_am_i", "data": EMPTY, "content_type": "application/json"}
        assert code_of(client.post(**post)) == (403, "csrf_failed")
        assert client.post(**post, headers=bearer(grace)).status_code == 200  # a token needs no CSRF token

    def test_a_token_wins_over_a_cookie(self, django_user: Any, settings: Any) -> None:
        client = Client()
        client.force_login(django_user)
        eve = Person().begin() if _with_visitors(settings) else Person()
        assert client.get("/who", headers=bearer(eve)).json()["owner"] == eve.id != str(django_user.pk)
        assert client.get("/who", headers={"Authorization": "Bearer x"}).status_code == 401

    @pytest.mark.parametrize("what", ["password", "is_active", "gone"])
    def test_what_happens_to_a_user_ends_the_sessions(self, what: str, django_user: Any) -> None:
        from kontract.auth.sessions import known

        grace = signed_in()
        assert grace.post("who_am_i").status_code == 200
        if what == "gone":
            django_user.delete()
        else:
            django_user.set_password("difference engine")
            django_user.is_active = what != "is_active"
            django_user.save()
        known.forget()
        assert code_of(grace.post("who_am_i")) == (401, "invalid_token")
        assert Person().post("auth_refresh", refresh_token=grace.refresh_token).status_code == 401

    def test_rotating_the_secret_key_logs_no_user_out(self, django_user: Any, settings: Any) -> None:
        from kontract.auth.sessions import known

        grace = signed_in()
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the next one", [settings.SECRET_KEY]
        known.forget()
        assert grace.post("who_am_i").status_code == 200
        grace.refresh()
        settings.SECRET_KEY_FALLBACKS = []  # later on, with tokens of the new key
        known.forget()
        assert grace.refresh().post("who_am_i").status_code == 200
        django_user.set_password("difference engine")
        django_user.save()
        known.forget()
        assert code_of(grace.post("who_am_i")) == (401, "invalid_token")

    def test_a_user_changes_the_password_and_stays(self, django_user: Any) -> None:
        grace, other = signed_in(), signed_in()
        assert code_of(grace.post("auth_password", old_password="wrong", new_password="difference engine"))[0] == 401
        grace.keep(grace.call("auth_password", old_password=PASSWORD, new_password="difference engine"))
        assert grace.post("who_am_i").status_code == 200
        assert code_of(other.post("who_am_i")) == (401, "invalid_token")
        assert sign_in(password="difference engine").status_code == 200

    @pytest.mark.parametrize("more", [{"remote_user": "grace"}, {"request": "x"}, {"user": "grace"}, {"backend": "x"}])
    def test_clients_choose_no_other_credentials(self, more: dict[str, str], django_user: Any, settings: Any) -> None:
        settings.AUTHENTICATION_BACKENDS = [
            "django.contrib.auth.backends.RemoteUserBackend",
            "django.contrib.auth.backends.ModelBackend",
        ]
        for credentials in (more, {"username": "grace", "password": "x", **more}):
            response = Person().post("auth_login", provider="django", credentials=credentials)
            assert code_of(response) == (422, "validation_failed")

    def test_nobody_makes_users_unless_they_may(self, django_user: Any) -> None:
        credentials = {"username": "hopper", "password": PASSWORD}
        assert code_of(Person().post("auth_register", provider="django", credentials=credentials))[1] == "unsupported"

    def test_leaving_a_group_acts_at_once(self, django_user: Any) -> None:
        from kontract.auth.sessions import known

        grace = signed_in()
        django_user.groups.clear()
        known.forget()
        assert grace.call("auth_me")["ugroups"] == []

    def test_a_visitor_becomes_a_user(self, django_user: Any, settings: Any) -> None:
        _with_visitors(settings)
        visitor = Person().begin()
        before = visitor.id
        credentials = {"username": "hopper", "password": PASSWORD}
        taken = visitor.post("auth_link", provider="django", credentials={**credentials, "username": "grace"})
        assert code_of(taken) == (409, "account_exists")
        visitor.keep(visitor.call("auth_link", provider="django", credentials=credentials))
        user = get_user_model().objects.get(username="hopper")
        try:
            assert visitor.id == before
            again = sign_in("hopper")
            assert json.loads(again.content)["result"]["principal"]["id"] == before
            client = Client()
            client.force_login(user)
            assert client.get("/who").json()["owner"] == before
        finally:
            user.delete()

    @pytest.mark.usefixtures("declared")
    def test_a_visitor_becomes_one_user(self, django_user: Any, settings: Any) -> None:
        _with_visitors(settings)
        visitor, names = Person().begin(), [f"hopper{n}" for n in range(3)]
        credentials = [{"username": name, "password": PASSWORD} for name in names]
        responses = in_threads(
            3, lambda: visitor.post("auth_link", provider="django", credentials=credentials.pop()).status_code
        )
        users = get_user_model().objects.filter(username__in=names)
        try:
            assert responses.count(200) == 1
            assert users.count() == 1, "whoever was too late has made no user"
            assert Principal.objects.get(pk=visitor.id).subject == f"django:{users.get().pk}"
        finally:
            users.delete()


def _with_visitors(settings: Any) -> bool:
    users = {"provider": "kontract.auth.providers.DjangoUserProvider", "options": {"may_register": True}}
    providers = ["kontract.auth.providers.AnonymousProvider", users]
    settings.KONTRACT = {**settings.KONTRACT, "AUTH": {**settings.KONTRACT["AUTH"], "providers": providers}}
    return True


# --- Every way a call comes ------------------------------------------------------------------------------------------


def test_coroutine_functions_and_batches_know_who_calls(ada: Person) -> None:
    assert ada.call("who_am_i_async")["owner"] == ada.id
    calls = json.dumps([{"procedure": "who_am_i"}, {"procedure": "who_am_i_async"}, {"procedure": "auth_me"}])
    response = Client().post("/kontract/rpc", calls, content_type="application/json", headers=bearer(ada))
    first, second, third = response.json()
    assert first["result"]["owner"] == second["result"]["owner"] == third["result"]["id"] == ada.id


async def _call(name: str, person: Person) -> Any:
    body = json.dumps({"kwargs": {}})
    client = AsyncClient()
    response = await client.post(f"/kontract/rpc/{name}", body, content_type="application/json", headers=bearer(person))
    return json.loads(response.content)


@pytest.mark.parametrize("name", ["who_am_i", "who_am_i_async"])
def test_calls_through_asgi_know_who_calls(name: str, ada: Person) -> None:
    from asgiref.sync import async_to_sync

    assert async_to_sync(_call)(name, ada)["result"]["owner"] == ada.id
    ada.call("auth_logout")
    assert async_to_sync(_call)(name, ada)["code"] == "invalid_token"


def test_the_log_names_who_wrote(ada: Person) -> None:
    from kontract import env

    ada.call("set_user", user_id="u", name="Ada")
    (version,) = env.storage.users.history("u")
    assert (version.owner, version.changed_by, version.label) == (ada.id, ada.id, "set_user")


def test_user_groups_of_a_procedure_are_asked_for(ada: Person, visitor: Person) -> None:
    set_groups(Principal.objects.get(pk=visitor.id), ["keepers"])  # which is not enough without an account
    assert code_of(Person().post("zoo_restricted")) == (401, "authentication_required")
    assert code_of(visitor.post("zoo_restricted")) == (401, "authentication_required")
    assert code_of(ada.post("zoo_restricted")) == (403, "permission_denied")
    set_groups(Principal.objects.get(pk=ada.id), ["keepers"])
    assert ada.call("zoo_restricted") == "welcome"
    set_groups(Principal.objects.get(pk=ada.id), [])
    assert code_of(ada.post("zoo_restricted")) == (403, "permission_denied")
