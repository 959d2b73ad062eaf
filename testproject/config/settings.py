"""Settings for looking at kontract on your own machine; not for production."""

import os
from pathlib import Path

from kontract import embedded

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = True
SECRET_KEY = "public, and good enough for a demo on localhost"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = ["kontract", "atlas"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
USE_TZ = True
TIME_ZONE = "UTC"

# An embedded PostgreSQL, unless KONTRACT_DATABASE_URL or libpq's PG* variables name a server.
DATABASES = {
    "default": embedded.database_from_env(os.environ.get("ATLAS_DIR") or BASE_DIR.parent / ".pg" / "demo", name="atlas")
}

KONTRACT = {"TABLES": ["countries", "subdivisions", "languages", "currencies", "scripts"]}
