"""The Python client through the channel, against real servers behind a proxy that writes everything down."""

import asyncio
import io
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import override_settings
from pytest_django import DjangoDbBlocker

import kontract
from kontract import tables
from kontract.client import Answer, ChannelError, File, KontractProblem, Pins
from kontract.codegen.manifest import build_manifest
from kontract.codegen.python import render
from kontract.exceptions import ConfigurationError
from kontract.raystream.errors import MisuseError
from kontract.raystream.keys import StaticKey
from tests.generated import imported, write_client, zoo_procedures

from .server import Proxy, serve
from .wire import AUDIENCE, KEYS, PINS, in_base64, options

KIND = "application/raystream"
SECRETS = (b"rpc/", b"zoo_", b"authorization", b"Bearer", b"token-4711", b"kwargs", b"payload", b"application/json")


@pytest.fixture(scope="module")
def servers(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[list[int]]:
    """The ports of two server processes on one database."""
    name = f"raystream-{time.time_ns()}"
    with (
        django_db_blocker.unblock(),
        override_settings(KONTRACT={**django_settings.KONTRACT, "RAYSTREAM": options()}),
    ):
        tables.create_namespace(name)
        with kontract.namespace(name), serve() as one, serve() as two:
            yield [one, two]


@pytest.fixture
def proxy(servers: list[int]) -> Iterator[Proxy]:
    """What is between client and servers; its connections take turns with them."""
    with Proxy(*servers) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The generated client, with the pins in it."""
    with override_settings(KONTRACT={**django_settings.KONTRACT, "RAYSTREAM": options()}):
        path = write_client(tmp_path_factory.mktemp("client"), zoo_procedures())
    with imported(path) as module:
        yield module


def url_of(proxy: Proxy) -> str:
    return f"http://127.0.0.1:{proxy.port}/kontract/"


@pytest.fixture
def client(zoo: Any, proxy: Proxy) -> Iterator[Any]:
    with zoo.Client(url_of(proxy), token="token-4711") as client:
        yield client


def session_of(client: Any) -> Any:
    """Return the client's half of the protocol."""
    return client._session._client


def test_the_generated_client_has_the_pins(zoo: Any) -> None:
    assert zoo.Client._pins == zoo.AsyncClient._pins == PINS
    assert Pins.parse(AUDIENCE, [in_base64(key.public) for key in KEYS]) == PINS
    with pytest.raises(MisuseError, match="no pins"):
        Pins.parse(AUDIENCE, ["x"])


def test_no_client_is_generated_without_a_good_key(settings: Any) -> None:
    keys = [{**key, "not_after": "2020-01-01"} for key in options()["keys"]]
    settings.KONTRACT = {"RAYSTREAM": options(keys=keys)}
    manifest = build_manifest([])
    with pytest.raises(ConfigurationError, match="not_after"):
        render(manifest)


def test_a_proxy_finds_nothing_of_a_call_in_all_that_it_sees(client: Any, zoo: Any, proxy: Proxy) -> None:
    assert client.zoo_pet(zoo.Cat(name="payload-1")) == zoo.Cat(name="payload-1", lives=9)
    assert client.zoo_upload(File(b"payload-2" * 1000, "payload-3.txt"), "payload-4")[0].size == 9000
    assert client.zoo_download(100_000, "payload-6.bin").read() == bytes(range(256)) * 390 + bytes(160)
    assert list(client.zoo_count(3)) == [0, 1, 2]
    with pytest.raises(KontractProblem):
        client.zoo_restricted()
    answer = Answer()
    client.options(answer=answer, idempotency_key="payload-key-0123456789ab").zoo_put(1, zoo.Cat(name="payload-5"))
    seen = proxy.seen
    assert len(proxy.up) > 9000
    for text in (*SECRETS, b"done", b"item", b"result", b"problem", b"Kontract-Txid", b"Idempotency"):
        assert text.lower() not in seen.lower()
    lines = {line.split(b":")[0].lower() for line in bytes(proxy.up).split(b"\r\n") if line[:5] in (b"POST ", b"Host:")}
    assert lines == {b"post /kontract/_rs http/1.1", b"host"}
    assert answer.txid is not None


def test_the_carrying_clients_own_headers_and_cookies_stay_behind(zoo: Any, proxy: Proxy) -> None:
    http = httpx.Client(
        headers={"Authorization": "Bearer token-4711", "X-Payload": "payload"},
        cookies={"payload": "1"},
        auth=("a", "b"),
    )
    with http, zoo.Client(url_of(proxy), http=http) as client:
        assert client.zoo_positional(1, third=3) == (1, 2, 3)
    for text in (*SECRETS, b"cookie", b"basic"):
        assert text.lower() not in proxy.seen.lower()


def test_calls_in_flight_share_one_session_over_two_processes(client: Any, proxy: Proxy) -> None:
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: list(client.zoo_count(n % 5)), range(40)))
    assert [len(result) for result in results] == [n % 5 for n in range(40)]
    assert session_of(client)._channel._count == 40
    assert not client._session._open


def test_asynchronous_calls(zoo: Any, proxy: Proxy) -> None:
    async def main() -> None:
        async with zoo.AsyncClient(url_of(proxy), token="token-4711") as client:
            cats = [zoo.Cat(name=f"payload-{n}", lives=9) for n in range(20)]
            assert await asyncio.gather(*map(client.zoo_pet, cats)) == cats
            assert [n async for n in client.zoo_count(3)] == [0, 1, 2]
            task = asyncio.ensure_future(client.zoo_pet(cats[0]))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            stream = client.zoo_count(1000)
            assert await anext(stream) == 0
            await stream.aclose()
            assert not client._session._open
            assert await client.zoo_pet(cats[1]) == cats[1]

    asyncio.run(main())
    assert b"payload" not in proxy.seen


def test_a_call_that_is_cancelled_in_the_handshake_leaves_the_client_usable(zoo: Any, proxy: Proxy) -> None:
    async def main() -> None:
        async with zoo.AsyncClient(url_of(proxy)) as client:
            for wait in (0, 0.001, 0.003):
                task = asyncio.ensure_future(client.zoo_count(1).__anext__())
                await asyncio.sleep(wait)
                task.cancel()
                await asyncio.wait({task})
            assert [n async for n in client.zoo_count(2)] == [0, 1]

    asyncio.run(main())


# --- Sessions that end -----------------------------------------------------------------------------------------------


@contextmanager
def clock(monkeypatch: pytest.MonkeyPatch, ahead: float) -> Iterator[None]:
    """Let the client's clock be ahead."""
    real = time.monotonic
    with monkeypatch.context() as patch:
        patch.setattr("kontract.client.channel.time.monotonic", lambda: real() + ahead)
        yield


def sid_of(client: Any) -> bytes:
    found: bytes = session_of(client)._channel.secrets.sid
    return found


def test_the_session_is_resumed_in_time(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    list(client.zoo_count(1))
    before = sid_of(client)
    with clock(monkeypatch, 250):
        assert list(client.zoo_count(1)) == [0]
    assert sid_of(client) != before
    with connection.cursor() as cursor:
        cursor.execute("SELECT data ->> 'status' FROM storage WHERE ptr = 6 AND id = %s", [before.hex()])
        assert cursor.fetchone() == ("draining",)


def test_a_new_session_begins_beside_answers_that_are_open(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = client.zoo_count(5)
    assert next(stream) == 0
    before = sid_of(client)
    with clock(monkeypatch, 250):
        assert list(client.zoo_count(1)) == [0]
    assert sid_of(client) != before
    assert list(stream) == [1, 2, 3, 4]


@pytest.mark.parametrize("ahead", [301, 4000])
def test_after_its_time_a_new_session_begins(client: Any, monkeypatch: pytest.MonkeyPatch, ahead: float) -> None:
    list(client.zoo_count(1))
    before = sid_of(client)
    with clock(monkeypatch, ahead):
        assert list(client.zoo_count(1)) == [0]
    assert sid_of(client) != before


def end_session(client: Any) -> None:
    """Let the server forget the session, as its restart does."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM storage WHERE ptr = 6 AND id = %s", [sid_of(client).hex()])


def test_after_a_reset_only_what_is_safe_is_sent_again(client: Any, zoo: Any, proxy: Proxy) -> None:
    list(client.zoo_count(1))
    end_session(client)
    assert client.zoo_look(2) is None  # a reading call is sent again, in a new session
    end_session(client)
    with pytest.raises(ChannelError, match="reset"):
        client.zoo_put(2, zoo.Cat(name="Tom"))
    assert session_of(client)._channel is None
    client.options(idempotent=True).zoo_put(3, zoo.Cat(name="Tom"))
    end_session(client)
    client.options(idempotent=True).zoo_put(4, zoo.Cat(name="Tom"))


def test_calls_that_are_reset_together_begin_one_new_session(client: Any, servers: list[int]) -> None:
    list(client.zoo_count(1))
    end_session(client)
    barrier = threading.Barrier(6)

    def look(n: int) -> Any:
        barrier.wait()
        return client.zoo_look(n)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(look, range(6)))
    assert session_of(client)._channel is not None
    assert not client._session._open


def test_a_connection_that_breaks_is_an_error_and_the_session_goes_on(client: Any, zoo: Any, proxy: Proxy) -> None:
    list(client.zoo_count(1))
    before = sid_of(client)
    stream = client.zoo_count(1000)
    assert next(stream) == 0
    proxy.cut()
    with pytest.raises(httpx.TransportError):
        list(stream)
    assert client.zoo_look(9) is None
    assert sid_of(client) == before
    assert not client._session._open


# --- Somebody on the way ---------------------------------------------------------------------------------------------


class Tampering(httpx.HTTPTransport):
    """Passes everything on, and does something to answers."""

    def __init__(self, change: Any) -> None:
        super().__init__()
        self.change = change

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        data = response.read()
        return httpx.Response(**{"status_code": response.status_code, **self.change(data, dict(response.headers))})


def keep(data: bytes, headers: dict[str, str]) -> dict[str, Any]:
    return {"content": data, "headers": headers}


@pytest.mark.parametrize(
    "change",
    [
        lambda data, headers: {"content": data[:-1] + bytes([data[-1] ^ 1]), "headers": headers},
        lambda data, headers: {"content": data[:-1], "headers": {**headers, "content-length": str(len(data) - 1)}},
        lambda data, headers: {"content": data[:40], "headers": {**headers, "content-length": "40"}},
        lambda data, headers: {"content": b"", "headers": {**headers, "content-length": "0"}},
        lambda data, headers: {"content": data * 2, "headers": {**headers, "content-length": str(2 * len(data))}},
        lambda data, headers: {"json": {"result": 1}, "headers": {}},
        lambda data, headers: {"json": {"code": "no"}, "status_code": 400},
        lambda data, headers: {"content": b"x" * 5000, "status_code": 400, "headers": {"content-type": KIND}},
        lambda data, headers: {"text": "Bad gateway", "status_code": 502},
        lambda data, headers: {"status_code": 302, "headers": {"location": "http://other.example/"}},
    ],
)
def test_an_answer_that_was_tampered_with_is_an_error(proxy: Proxy, zoo: Any, change: Any) -> None:
    wire = Tampering(keep)
    with httpx.Client(transport=wire) as http, zoo.Client(url_of(proxy), http=http) as client:
        client = client.options(retries=0)
        assert list(client.zoo_count(1)) == [0]
        wire.change = change
        with pytest.raises(ChannelError):
            client.zoo_look(1)
        assert not client._session._open
        wire.change = keep
        client.zoo_look(1)


def test_a_server_with_another_key_is_refused_and_there_is_no_plaintext(proxy: Proxy, zoo: Any) -> None:
    pins = Pins(audience=AUDIENCE, keys=(StaticKey.generate(0).public, StaticKey.generate(0).public))
    with zoo.Client(url_of(proxy), raystream=pins) as client, pytest.raises(ChannelError, match="none of the keys"):
        client.zoo_look(1)
    assert b"zoo_look" not in proxy.seen
    assert bytes(proxy.up).count(b"POST ") == 3 * 3  # each attempt of the call tries each key, and no more


def test_the_next_key_is_tried_where_the_current_one_is_gone(proxy: Proxy, zoo: Any) -> None:
    pins = Pins(audience=AUDIENCE, keys=(StaticKey.generate(0).public, KEYS[1].public))
    with zoo.Client(url_of(proxy), raystream=pins) as client:
        assert list(client.zoo_count(1)) == [0]


def test_none_is_for_calls_without_it(proxy: Proxy, zoo: Any) -> None:
    with zoo.Client(url_of(proxy), raystream=None) as client:
        assert list(client.zoo_count(1)) == [0]
    assert b"zoo_count" in proxy.seen


def test_a_request_is_as_large_as_a_frame_and_a_larger_one_is_refused_before_it_is_sent(client: Any) -> None:
    assert client.zoo_upload(File(bytes(15 * 1024 * 1024)), "")[0].size == 15 * 1024 * 1024
    for size in (17, 40):
        with pytest.raises(MisuseError, match=r"at most 16777216, files included\. Send a large file in several calls"):
            client.zoo_upload(File(io.BytesIO(bytes(size * 1024 * 1024))), "")
    assert not client._session._open
    assert session_of(client)._channel._count == 1
