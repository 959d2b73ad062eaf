"""Tables whose code changes while documents are there, and migration files that a test writes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.schema.releases import Files, forget


@pytest.fixture
def files(tmp_path: Path, settings: Any) -> Iterator[Files]:
    """Write migration files into an installed app, for the time of the test."""
    settings.KONTRACT = {**settings.KONTRACT, "CATALOG_TTL": 0.0}
    with Files(tmp_path).installed() as found:
        yield found
    forget()
