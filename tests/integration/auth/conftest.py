"""The project that signs in: everything on, and hashes that take no time."""

from collections.abc import Iterator
from typing import Any

import pytest

from kontract.auth.sessions import known
from tests.integration.auth.people import Person


@pytest.fixture(autouse=True)
def _project(settings: Any) -> Iterator[None]:
    settings.MIDDLEWARE = ["kontract.middleware.AuthMiddleware"]
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.KONTRACT = {
        **settings.KONTRACT,
        "AUTH": {"rates": dict.fromkeys(["anonymous", "login", "failures", "register", "refresh", "email"], "10000/s")},
    }
    known.forget()
    yield
    known.forget()


@pytest.fixture
def visitor() -> Person:
    return Person().begin()


@pytest.fixture
def ada() -> Person:
    """Somebody with an account."""
    return Person().register("ada@example.com")
