"""Python clients that sign in through the encrypted channel, whose wire somebody reads."""

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from pytest_django import DjangoDbBlocker

from kontract.client import AuthOptions, KontractProblem, MemoryStorage
from tests.generated import imported, write_client
from tests.integration.auth.people import PASSWORD
from tests.integration.auth.server import sealed, serve
from tests.integration.auth.test_python_client import Blocking, Threaded
from tests.integration.raystream.server import Proxy

WORDS = (b"auth_", b"who_am_i", b"bearer", b"token", b"cookie", b"password", b"@example.com", b"eyJ")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The generated module, with the server's pins."""
    with sealed():
        path = write_client(tmp_path_factory.mktemp("client"))
    with imported(path) as module:
        yield module


@pytest.fixture(scope="module")
def url(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Where the server is."""
    with django_db_blocker.unblock(), sealed(), serve() as found:
        yield found


class Noted(MemoryStorage):
    """Keeps all tokens that it ever had."""

    def __init__(self, noted: set[str]) -> None:
        super().__init__()
        self._noted = noted

    def save(self, token: str, /) -> None:
        """Keep a token, and note it."""
        self._noted.add(token)
        super().save(token)


@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_nothing_of_signing_in_is_seen_outside_of_the_channel(kind: str, api: Any, url: str) -> None:
    tokens: set[str] = set()
    port = urlsplit(url).port
    assert port is not None
    with Proxy(port) as proxy, asyncio.Runner() as runner:
        options = AuthOptions(storage=Noted(tokens))
        made = getattr(api, kind)(f"http://127.0.0.1:{proxy.port}/kontract/", auth=options)
        client: Any = Threaded(made) if kind == "Client" else Blocking(made, runner)

        def check(owner: str) -> None:
            assert client.who_am_i()["owner"] == owner
            tokens.add(client.auth.token() or owner)

        visitor = client.auth.anonymous()
        check(visitor.id)
        credentials = {"email": f"{visitor.id}@example.com", "password": PASSWORD}
        client.auth.link(credentials)
        check(visitor.id)
        assert client.auth.refresh().id == visitor.id
        check(visitor.id)
        assert client.auth.logout() == 1
        assert client.who_am_i()["owner"] == ""
        other = client.auth.register({**credentials, "email": f"other-{visitor.id}@example.com"})
        check(other.id)
        client.auth.logout()
        client.auth.login(credentials)
        check(visitor.id)
        client.close()
    assert sum(token.startswith("eyJ") for token in tokens) >= 4
    assert sum(len(token) == 76 for token in tokens) == 5
    assert proxy.seen.count(b"POST /kontract/_rs HTTP/1.1") > 10
    assert b"set-cookie" not in proxy.seen.lower()
    for text in (*WORDS, *(token.encode() for token in tokens), visitor.id.encode()):
        assert text.lower() not in proxy.seen.lower()


def test_nobody_signs_in_beside_the_channel(api: Any, url: str) -> None:
    with api.Client(f"{url}/kontract/", raystream=None) as client, pytest.raises(KontractProblem, match="raystream"):
        client.auth.anonymous()
    body = {"kwargs": {"refresh_token": "x"}}
    assert httpx.post(f"{url}/kontract/rpc/auth_refresh", json=body).json()["code"] == "raystream_required"
