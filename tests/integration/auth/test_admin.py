"""The page of principals in Django's admin."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
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
