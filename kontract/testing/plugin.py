"""pytest's fixtures.  pytest loads this file in every run, so it imports nothing of Django or kontract by itself."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kontract.testing import AsyncCallClient, CallClient


@pytest.fixture
def call_client() -> "CallClient":
    """A ``CallClient`` of nobody in particular."""
    from kontract.testing import CallClient

    return CallClient()


@pytest.fixture
def async_call_client() -> "AsyncCallClient":
    """An ``AsyncCallClient`` of nobody in particular."""
    from kontract.testing import AsyncCallClient

    return AsyncCallClient()


@pytest.fixture
def kontract_namespace(db: None) -> Iterator[str]:
    """The name of a new namespace, in which the test runs; with pytest-django's access to the database."""
    from kontract.testing import isolated_namespace

    with isolated_namespace() as name:
        yield name
