"""The settings of the benchmark: Django as it is deployed, with kontract and its peers side by side."""

from pathlib import Path

from kontract import embedded

ROOT = Path(__file__).resolve().parent.parent
DATABASES = {"default": embedded.database_from_env(ROOT / ".pg" / "bench") | {"CONN_MAX_AGE": None}}

SECRET_KEY = "no secret at all: this key guards nothing but a benchmark"
DEBUG = False
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "pgtrigger",
    "pghistory",
    "reversion",
    "simple_history",
    "kontract",
    "benchmarks",
]
KONTRACT = {"TABLES": ["documents"]}
