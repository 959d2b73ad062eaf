"""Every integration test has a namespace of its own."""

import pytest


@pytest.fixture(autouse=True)
def _namespace(request: pytest.FixtureRequest) -> None:
    if "embedded" not in request.node.path.name:
        request.getfixturevalue("namespace")
