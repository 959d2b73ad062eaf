"""Who calls, where Django finds its users: in a session, or wherever a project's own middleware looks."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.contrib.auth import get_user_model, login
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from tests.calls import Post, wsgi

pytestmark = pytest.mark.more_privilege

SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
USERS = "django.contrib.auth.middleware.AuthenticationMiddleware"
Next = Callable[[HttpRequest], HttpResponse]


def by_header(get_response: Next) -> Next:
    """Sign in whom a header names, as late as Django's own middleware does."""

    def handle(request: HttpRequest) -> HttpResponse:
        name = request.headers.get("X-User")

        async def auser() -> Any:
            return await get_user_model().objects.aget(username=name)

        request.auser = auser
        request.user = SimpleLazyObject(lambda: get_user_model().objects.get(username=name))  # type: ignore[assignment]
        return get_response(request)

    return handle


def on_the_way(get_response: Next) -> Next:
    """Sign in somebody in the middle of a request that came without a session."""

    def handle(request: HttpRequest) -> HttpResponse:
        user = get_user_model().objects.get(username="ada")
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
        return get_response(request)

    return handle


def ask(post: Post, name: str, **headers: str) -> tuple[dict[str, Any], HttpResponse]:
    response = post(name, b"{}", headers=headers)
    assert response.status_code == 200, response.content
    return json.loads(response.content)["result"], response


@pytest.mark.parametrize("name", ["who_am_i", "who_am_i_async"])
def test_who_has_no_session_is_nobody_and_the_answer_varies_by_no_cookie(
    signed_in: Any, post: Post, name: str, statements: list[str]
) -> None:
    statements.clear()
    found, response = ask(post, name)
    assert (found["owner"], found["is_anonymous"]) == ("", True)
    assert "Vary" not in response
    assert statements == []


@pytest.mark.parametrize("name", ["who_am_i", "who_am_i_async"])
@pytest.mark.parametrize("own", [by_header, on_the_way])
def test_a_user_whom_other_middleware_finds_is_known(
    signed_in: Any, post: Post, name: str, own: Callable[[Next], Next], settings: Any
) -> None:
    settings.MIDDLEWARE = [SESSIONS, USERS, f"{__name__}.{own.__name__}"]
    csrf = {"Cookie": f"csrftoken={'a' * 32}", "X-CSRFToken": "a" * 32}
    found, _ = ask(post, name, **{"X-User": "ada"}, **csrf)
    assert (found["owner"], found["is_anonymous"]) == (str(signed_in.pk), False)


def test_a_user_of_the_web_server_is_known(signed_in: Any, settings: Any) -> None:
    settings.MIDDLEWARE = [SESSIONS, USERS, "django.contrib.auth.middleware.RemoteUserMiddleware"]
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
    csrf = {"Cookie": f"csrftoken={'a' * 32}", "X-CSRFToken": "a" * 32}
    found, _ = ask(partial(wsgi, REMOTE_USER="ada"), "who_am_i", **csrf)
    assert found["owner"] == str(signed_in.pk)
