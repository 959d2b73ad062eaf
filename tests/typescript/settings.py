"""The settings of the server that the TypeScript client calls."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, INSTALLED_APPS, KONTRACT

if "KONTRACT_TEST_DATABASE" in os.environ:
    DATABASES["default"]["NAME"] = os.environ["KONTRACT_TEST_DATABASE"]

INSTALLED_APPS = [*INSTALLED_APPS, "tests.typescript"]
KONTRACT = {**KONTRACT, "TABLES": {**KONTRACT["TABLES"], "lab_counts": {}}}
ROOT_URLCONF = "tests.typescript.urls"
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ALLOWED_HOSTS = ["127.0.0.1"]
