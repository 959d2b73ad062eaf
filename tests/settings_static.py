"""The settings that need no server; the type checker reads only these."""

SECRET_KEY = "no secret at all: this key guards nothing but tests"
USE_TZ = True
INSTALLED_APPS = [
    *("django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.messages"),
    *("django.contrib.sessions", "django.contrib.staticfiles", "django_filters", "rest_framework"),
    *("kontract", "kontract.auth", "tests.app", "tests.library", "tests.shop"),
    *("tests.twins.plain", "tests.twins.versioned", "tests.guarded", "tests.zoo"),
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.urls"
KONTRACT = {"TABLES": {"users": {}, "orders": {}, "counters": {"versioned": False}, "zoo_cages": {}}}
STATIC_URL = "static/"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
