"""The settings of the server that shows its cookbook."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, INSTALLED_APPS, KONTRACT

if "KONTRACT_TEST_DATABASE" in os.environ:
    DATABASES["default"]["NAME"] = os.environ["KONTRACT_TEST_DATABASE"]

INSTALLED_APPS = [*INSTALLED_APPS, "tests.cookbook"]
KONTRACT = KONTRACT | {
    "TABLES": {**KONTRACT["TABLES"], "kitchen_dishes": {}},
    "DOCS": "public",
    "AUTH": {"rates": {"anonymous": "1000/m", "login": "1000/m"}},
}  # type: ignore[assignment]
ROOT_URLCONF = "tests.cookbook.urls"
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "kontract.middleware.AuthMiddleware",
]
ALLOWED_HOSTS = ["127.0.0.1"]
