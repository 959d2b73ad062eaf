"""What ``manage.py check`` says of ``KONTRACT["AUTH"]``."""

from collections.abc import Iterator

from django.apps import apps
from django.contrib.auth.password_validation import get_password_validators
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from kontract.conf import get_installed_middleware, get_settings, is_auth_configured
from kontract.exceptions import ConfigurationError
from kontract.rpc.limits import Rate

_OURS = "kontract.middleware.AuthMiddleware"
_DJANGOS = "django.contrib.auth.middleware.AuthenticationMiddleware"


def check_auth() -> Iterator[CheckMessage]:
    """Check that the options of signing in fit together, and that the middleware is where it works."""
    middleware = get_installed_middleware()
    if not apps.is_installed("kontract.auth"):
        if is_auth_configured() or _OURS in middleware:
            yield Error(
                'KONTRACT["AUTH"] or AuthMiddleware is there, but the app is not.',
                hint='Add "kontract.auth" to INSTALLED_APPS.',
                id="kontract.E040",
            )
        return
    from kontract.auth.providers import list_providers  # which has models

    options = get_settings().AUTH
    try:
        list_providers()
        for rate in options.rates.values():
            Rate.parse(rate)
        get_password_validators([dict(validator) for validator in options.validators])
    except (ConfigurationError, ImproperlyConfigured, KeyError, TypeError, ValueError) as error:
        yield Error(str(error), hint="See authentication in kontract's documentation.", id="kontract.E041")
    if _OURS in middleware and _DJANGOS in middleware[middleware.index(_OURS) :]:
        yield Error(
            f"{_OURS} comes before {_DJANGOS}, which then replaces whom a token has signed in.",
            hint="List kontract's after Django's.",
            id="kontract.E042",
        )
