"""A project with tables that can be subscribed to."""

from collections.abc import Iterator

import pytest
from django.test import override_settings

from tests.integration.streams.serving import EVENTS, MIDDLEWARE, TABLES


@pytest.fixture(autouse=True)
def project(namespace: str) -> Iterator[None]:
    """Say which tables there are, and which of them can be subscribed to."""
    with override_settings(KONTRACT={"TABLES": TABLES, "EVENTS": EVENTS}, MIDDLEWARE=MIDDLEWARE):
        yield
