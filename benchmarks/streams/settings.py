"""A project with one table that everybody may subscribe to, on an embedded server of its own."""

import os

from kontract import embedded, perms

DATABASES = {"default": embedded.database(os.environ["KONTRACT_STREAMS"])}
SECRET_KEY = "no secret at all: this key guards nothing but a benchmark"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "benchmarks.streams.urls"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["kontract", "benchmarks.streams"]
MANY = 100_000
KONTRACT = {
    "TABLES": {"items": {}, "rows": {"perm": perms.RWX}},
    "EVENTS": {
        "tables": {"items": None, "rows": None},
        "subscriptions": MANY,
        "streams_per_network": MANY,
        "streams_per_owner": MANY,
    },
}
