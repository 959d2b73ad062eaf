"""The refresh token's cookie, which scripts cannot read and which goes to the one procedure that takes it."""

from http.cookies import SimpleCookie
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from kontract.conf import get_settings, is_debug


def read_cookie(request: HttpRequest | None) -> str | None:
    """Return the refresh token in a request's cookie."""
    return None if request is None else request.COOKIES.get(get_settings().AUTH.cookie_name)


def set_cookie(token: str) -> dict[str, str]:
    """Return the header that makes a browser keep a refresh token."""
    return _header(token, int(get_settings().AUTH.refresh_absolute_seconds))


def drop_cookie() -> dict[str, str]:
    """Return the header that makes a browser forget the refresh token."""
    return _header("", 0)


def _header(value: str, seconds: int) -> dict[str, str]:
    options = get_settings().AUTH
    name = options.cookie_name
    cookie = SimpleCookie({name: value})
    attributes: dict[str, Any] = {
        "path": reverse("kontract:call", args=["auth_refresh"]),
        "max-age": seconds,
        "httponly": True,
        "samesite": "Strict",
        "secure": not is_debug() if options.cookie_secure is None else options.cookie_secure,
        "domain": options.cookie_domain or "",
    }
    cookie[name].update(attributes)
    return {"Set-Cookie": cookie[name].OutputString()}
