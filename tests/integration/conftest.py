"""Every integration test has a namespace of its own."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command

from tests.calls import Post, asgi, wsgi
from tests.consistency import check_consistency
from tests.statements import offences, watched


@pytest.fixture(autouse=True)
def _namespace(request: pytest.FixtureRequest) -> None:
    if "embedded" not in request.node.path.name:
        request.getfixturevalue("namespace")


@pytest.fixture(autouse=True)
def statements(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collect the test's statements, and check that none is about another table than the two and ordinary ones."""
    with watched(monkeypatch) as seen:
        yield seen
    if not request.node.get_closest_marker("own_tables"):
        assert offences(seen) == []


@pytest.fixture
def declared(namespace: str) -> None:
    """Make the logical tables now, not at their first use, where two transactions would conflict."""
    call_command("kontract_migrate", no_indexes=True, stdout=StringIO())


@pytest.fixture
def consistent(namespace: str) -> Iterator[None]:
    """Check at the end that the versions in the test's namespace and the log agree."""
    yield
    check_consistency()


@pytest.fixture(params=[wsgi, asgi], ids=["wsgi", "asgi"])
def post(request: pytest.FixtureRequest) -> Post:
    """POST a body to a procedure, through each of Django's two handlers."""
    chosen: Post = request.param
    return chosen


@pytest.fixture
def signed_in(settings: Any) -> Iterator[Any]:
    """Install Django's sessions and authentication, and yield a user."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # no test is about these
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    user = get_user_model().objects.create_user("ada", password="difference")
    yield user
    user.delete()
