"""How the readers of the cookbook can sign in, to try calls."""

from typing import Any

from django.apps import apps
from django.http import HttpRequest

from kontract.conf import get_installed_middleware, get_settings
from kontract.rpc.registry import registry


def describe_ways() -> dict[str, Any] | None:
    """Return how tokens are got, for the form; None where nobody looks at tokens.

    ``anonymous``: whether visitors get a principal; ``providers``: the credentials that each one takes.
    """
    takes_tokens = any(path.endswith(".AuthMiddleware") for path in get_installed_middleware())
    if not apps.is_installed("kontract.auth") or not takes_tokens:
        return None
    from kontract.auth.providers import list_providers  # whose models are there now

    return {
        "anonymous": get_settings().AUTH.allow_anonymous and "auth_anonymous" in registry,
        "providers": [
            {"name": name, "fields": _list_credentials(provider)}
            for name, provider in list_providers().items()
            if name != "anonymous" and "auth_login" in registry
        ],
    }


def _list_credentials(provider: Any) -> list[str]:
    """Return the names of a provider's credentials: those it says, or else what it looks accounts up by."""
    fields = getattr(provider, "fields", None)
    return list(fields) if fields is not None else [getattr(provider, "lookup", "username"), "password"]


def describe_session(request: HttpRequest) -> str | None:
    """Return the name of the user whom Django's session signs in; None where nobody is."""
    user = getattr(request, "user", None)
    return str(user) if user is not None and user.is_authenticated else None


def is_staff(request: HttpRequest) -> bool:
    """Return whether a member of the staff is signed in."""
    user = getattr(request, "user", None)
    return bool(user is not None and user.is_authenticated and user.is_active and getattr(user, "is_staff", False))
