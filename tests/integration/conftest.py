"""Every integration test has a namespace of its own."""

from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import call_command

from tests.consistency import check_consistency


@pytest.fixture(autouse=True)
def _namespace(request: pytest.FixtureRequest) -> None:
    if "embedded" not in request.node.path.name:
        request.getfixturevalue("namespace")


@pytest.fixture
def declared(namespace: str) -> None:
    """Make the logical tables now, not at their first use, where two transactions would conflict."""
    call_command("kontract_migrate", no_indexes=True, stdout=StringIO())


@pytest.fixture
def consistent(namespace: str) -> Iterator[None]:
    """Check at the end that the versions in the test's namespace and the log agree."""
    yield
    check_consistency()
