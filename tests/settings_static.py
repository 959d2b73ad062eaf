"""The settings that need no server; the type checker reads only these."""

SECRET_KEY = "no secret at all: this key guards nothing but tests"
USE_TZ = True
INSTALLED_APPS = [
    *("django.contrib.contenttypes", "django.contrib.auth"),
    *("kontract", "tests.app", "tests.twins.plain", "tests.twins.versioned"),
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.urls"
KONTRACT = {"TABLES": {"users": {}, "orders": {}, "counters": {"versioned": False}}}
