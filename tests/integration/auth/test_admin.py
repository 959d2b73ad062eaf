"""The page of principals in Django's admin."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import include, path

from kontract.auth.models import Principal
from tests.integration.auth.people import Person, code_of

urlpatterns = [path("admin/", admin.site.urls), path("kontract/", include("kontract.urls"))]

PAGE = "/admin/kontract_auth/principal/"


@pytest.fixture
def staff(settings: Any) -> Any:
    settings.ROOT_URLCONF = __name__
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "kontract.middleware.AuthMiddleware",
    ]
    user = get_user_model().objects.create_superuser("root", password="difference")
    client = Client()
    client.force_login(user)
    yield client
    user.delete()


@pytest.mark.more_privilege
class TestAdmin:
    """An administrator sees who there is, sets groups, and ends sessions."""

    def test_it_shows_principals_and_their_sessions_but_no_password(self, staff: Any, ada: Person) -> None:
        assert "ada@example.com" in staff.get(PAGE, {"q": "ada"}).content.decode()
        page = staff.get(f"{PAGE}{ada.id}/change/").content.decode()
        assert "127.0.0.1" in page
        assert Principal.objects.get(pk=ada.id).password not in page
        assert staff.get(f"{PAGE}add/").status_code == 403

    def test_groups_act_at_once(self, staff: Any, ada: Person) -> None:
        form = {"is_active": "on", "ugroups": '["staff"]'}
        assert staff.post(f"{PAGE}{ada.id}/change/", form).status_code == 302
        assert ada.call("auth_me")["ugroups"] == ["staff"]
        assert staff.post(f"{PAGE}{ada.id}/change/", {"ugroups": "[]"}).status_code == 302
        assert code_of(ada.post("auth_me")) == (401, "invalid_token")

    def test_sessions_are_ended(self, staff: Any, ada: Person) -> None:
        chosen = {"action": "end_sessions", "_selected_action": [ada.id]}
        assert b"1 sessions ended" in staff.post(PAGE, chosen, follow=True).content
        assert code_of(ada.post("auth_me")) == (401, "invalid_token")

    def test_the_page_of_sessions_ends_one(self, staff: Any, ada: Person) -> None:
        other = ada.login("ada@example.com")
        assert f"{PAGE}sessions/" in staff.get(PAGE).content.decode()
        page = staff.get(f"{PAGE}sessions/").content.decode()
        sids = [session["id"] for session in ada.call("auth_sessions")]
        assert [page.count(sid) for sid in sids] == [1, 1]
        mine = next(session["id"] for session in other.call("auth_sessions") if session["is_current"])
        answer = staff.post(f"{PAGE}sessions/", {"principal": ada.id, "session": mine}, follow=True)
        assert b"The session has ended." in answer.content
        assert code_of(other.post("auth_me")) == (401, "invalid_token")
        assert ada.post("auth_me").status_code == 200
        answer = staff.post(f"{PAGE}sessions/", {"principal": ada.id, "session": mine}, follow=True)
        assert b"There is no such session" in answer.content
        assert mine not in staff.get(f"{PAGE}sessions/", {"principal": ada.id}).content.decode()
        assert b"Nobody is signed in" in staff.get(f"{PAGE}sessions/", {"principal": "x"}).content

    def test_sessions_are_for_those_who_may(self, staff: Any, ada: Person) -> None:
        clerk = get_user_model().objects.create_user("clerk", password="difference", is_staff=True)
        try:
            client = Client()
            assert client.get(f"{PAGE}sessions/").status_code == 302, "sign in first"
            client.force_login(clerk)
            assert client.get(f"{PAGE}sessions/").status_code == 403
            clerk.user_permissions.add(Permission.objects.get(codename="view_principal"))
            page = client.get(f"{PAGE}sessions/").content.decode()
            assert ada.id in page
            assert 'name="session"' not in page
            sid = ada.call("auth_sessions")[0]["id"]
            assert client.post(f"{PAGE}sessions/", {"principal": ada.id, "session": sid}).status_code == 403
            assert ada.post("auth_me").status_code == 200
        finally:
            clerk.delete()

    def test_what_a_browser_calls_itself_is_text(self, staff: Any) -> None:
        eve = Person()
        eve.client.defaults["HTTP_USER_AGENT"] = "<script>alert(1)</script>"
        eve.begin()
        page = staff.get(f"{PAGE}sessions/").content.decode()
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert(1)" not in page
