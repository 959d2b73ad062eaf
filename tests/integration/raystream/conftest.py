"""The channel is set up, and each test has a server process of each kind."""

from typing import Any

import pytest

from .wire import MIDDLEWARE, SIGN_IN, Peer, Wire, options


@pytest.fixture(autouse=True)
def channel(settings: Any, namespace: str) -> Any:
    """Django's settings, with the channel set up."""
    settings.KONTRACT = {**settings.KONTRACT, "RAYSTREAM": options()}
    settings.MIDDLEWARE = [MIDDLEWARE, SIGN_IN]
    return settings


@pytest.fixture(params=[False, True], ids=["wsgi", "asgi"])
def wire(request: pytest.FixtureRequest, channel: Any) -> Wire:
    """A server process under each of Django's two handlers."""
    return Wire(is_async=request.param)


@pytest.fixture
def peer(wire: Wire) -> Peer:
    """A client in a session."""
    return Peer(wire).connect()
