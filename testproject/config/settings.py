"""Settings for looking at kontract on your own machine; not for production."""

from config.home import ASSETS, HOME, read_secrets
from kontract import embedded

_secrets = read_secrets()

DEBUG = True
SECRET_KEY = _secrets["secret_key"]
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = ["django.contrib.staticfiles", "kontract", "kontract.auth", "atlas", "trips"]
MIDDLEWARE = [
    "kontract.middleware.RaystreamMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "config.headers.content_security_policy",
    "django.middleware.common.CommonMiddleware",
    "kontract.middleware.AuthMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
STATIC_URL = "static/"
STATICFILES_DIRS = [ASSETS]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"

# An embedded PostgreSQL, unless KONTRACT_DATABASE_URL or libpq's PG* variables name a server.
DATABASES = {"default": embedded.database_from_env(HOME, name="atlas")}

KONTRACT = {
    "TABLES": ["countries", "subdivisions", "languages", "currencies", "scripts"],
    "AUTH": {"rates": {"anonymous": "600/h", "register": "100/h"}},  # all visitors come from one machine
    "EVENTS": {"tables": {"countries": None}},  # that anybody may subscribe to
    "RAYSTREAM": {
        "audience": "atlas.example",
        "wrapping_key": _secrets["wrapping_key"],
        "keys": _secrets["keys"],
    },
}
