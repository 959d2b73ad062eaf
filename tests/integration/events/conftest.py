"""Nobody listens between two tests."""

from collections.abc import Iterator

import pytest

from kontract.events import listener
from kontract.tables.catalog import create_declared, locate


@pytest.fixture(autouse=True)
def _quiet(_namespace: None) -> Iterator[None]:
    yield
    listener.stop()


@pytest.fixture
def made(_namespace: None) -> None:
    """Make the logical tables now, not at their first use, where two transactions would conflict."""
    create_declared(*locate())
