"""Whose a session is, how many there may be, what may not be called without one, and how they end."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.management import call_command
from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import include, path

from kontract.mvcc.connections import get_connection
from kontract.raystream.answers import Data, End, Event
from kontract.raystream.client import Call
from kontract.raystream.errors import TruncatedError
from kontract.raystream.frames import RESET
from kontract.raystream.framing import Lengths, Lines
from kontract.rpc.registry import registry
from kontract.tables.catalog import locate
from tests.calls import Post, call, refused

from .wire import OUTER, Peer, Wire, options

# --- Whose it is -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["echo", "echo_async"])
def test_a_session_is_bound_to_the_first_who_signs_in(peer: Peer, name: str) -> None:
    for token in ("-visitor", "ada", "ada", "-visitor"):
        assert peer.call(name, 1, authorization=f"Bearer {token}").status == 200
    assert peer.call(name, 1).status == 200
    for wire in (peer.wire, Wire()):
        answer = peer.send(peer.seal_call(name, 1, authorization="Bearer bob"), wire)
        assert (answer.status, answer.json["code"]) == (403, "raystream_bound")
    assert peer.call(name, 1, authorization="Bearer ada").status == 200


def test_a_session_that_was_resumed_is_still_the_same_persons(peer: Peer) -> None:
    assert peer.call("echo", 1, authorization="Bearer ada").status == 200
    accepted = peer.wire.post(peer.client.resume())
    peer.client.receive(accepted.content, time.time())
    assert peer.call("echo", 1, authorization="Bearer bob").status == 403
    assert peer.call("echo", 1, authorization="Bearer ada").status == 200


# --- Required --------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["procedure", "egroup", "project"])
def required(request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The channel is required, of ``echo`` and ``echo_async`` at least."""
    changes: dict[str, Any] = {"egroup": {"egroups": {"default": "required"}}, "project": {"policy": "required"}}
    settings.KONTRACT = {**settings.KONTRACT, "RAYSTREAM": options(**changes.get(request.param, {}))}
    if request.param == "procedure":
        set_policy(monkeypatch, "required")


def set_policy(monkeypatch: pytest.MonkeyPatch, policy: Any) -> None:
    for name in ("echo", "echo_async"):
        monkeypatch.setitem(registry._procedures, name, replace(registry.get(name), raystream=policy))


@pytest.mark.parametrize("name", ["echo", "echo_async"])
def test_what_requires_the_channel_is_refused_before_its_arguments_are_read(
    post: Post, required: None, name: str
) -> None:
    problem = refused(post(name, b"{" * 1000), 403, "raystream_required")
    assert name in problem["detail"]
    assert Peer(Wire()).connect().call(name, 1).json == {"result": 1}


def test_each_call_of_a_batch_is_refused_by_itself(required: None) -> None:
    calls = b'[{"procedure": "echo", "args": [1]}, {"procedure": "echo_async", "args": [1]}]'
    response = Client().post("/kontract/rpc", calls, content_type="application/json")
    assert [item["problem"]["code"] for item in response.json()] == ["raystream_required"] * 2
    peer = Peer(Wire()).connect()
    answer = peer.send(peer.seal("POST", "/kontract/rpc", calls, content_type="application/json"))
    assert [item["result"] for item in answer.json] == [1, 1]


def test_a_procedure_may_be_allowed_where_all_others_are_not(
    post: Post, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "RAYSTREAM": options(policy="required")}
    set_policy(monkeypatch, "allowed")
    assert call(post, "echo", 1) == 1
    settings.KONTRACT = {**settings.KONTRACT, "RAYSTREAM": options(policy="required", egroups={"default": "allowed"})}
    set_policy(monkeypatch, None)
    assert call(post, "echo", 1) == 1


def test_what_requires_a_channel_that_there_is_not_is_refused(
    post: Post, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KONTRACT, settings.MIDDLEWARE = {}, []
    set_policy(monkeypatch, "required")
    refused(post("echo", b'{"args": [1]}'), 403, "raystream_required")


# --- How many --------------------------------------------------------------------------------------------------------


def test_handshakes_from_one_address_are_counted_before_they_cost_anything(wire: Wire, settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "RAYSTREAM": options(handshakes="3/h")}
    wire = Wire(is_async=wire.is_async)
    peers = [Peer(wire).connect() for _ in range(3)]
    response = wire.post(Peer(wire).client.start())
    assert (response.status_code, response.content) == (429, RESET)
    assert 0 < int(response["Retry-After"]) <= 1201
    assert peers[0].call("echo", 1).status == 200  # requests are not counted
    assert wire.post(peers[0].client.resume()).status_code == 429  # resumptions are
    assert wire.post(b"nothing").status_code == 400


def test_sessions_that_nobody_uses_are_capped(wire: Wire, settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "RAYSTREAM": options(pending=4)}
    wire = Wire(is_async=wire.is_async)
    for _ in range(2):
        Peer(wire).connect()
    assert wire.post(Peer(wire).client.start()).status_code == 429


def count_rows() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM storage WHERE ns = %s AND ptr = 6", [locate()[1]])
        found: int = cursor.fetchone()[0]
        return found


def test_vacuum_removes_sessions_that_are_over(wire: Wire, namespace: str) -> None:
    peers = [Peer(wire).connect() for _ in range(3)]
    for peer in peers[:2]:
        peer.call("echo", 1)
    assert count_rows() == 3
    with get_connection("default").cursor() as cursor:
        cursor.execute(
            """UPDATE storage SET data = data || '{"expires_at": 1}' WHERE ns = %s AND ptr = 6 AND id = %s""",
            [locate()[1], peers[1].seal_call("echo", 1).frame[4:20].hex()],
        )
    output = StringIO()
    call_command("kontract_vacuum", namespace=namespace, stdout=output)
    assert "removed 1 sessions of raystream" in output.getvalue()
    assert count_rows() == 2
    assert peers[0].call("echo", 1).status == 200


def test_the_secrets_in_a_row_are_wrapped(peer: Peer) -> None:
    peer.call("echo", 1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT data::text FROM storage WHERE ns = %s AND ptr = 6", [locate()[1]])
        ((text,),) = cursor.fetchall()
    channel = peer.client._channel
    assert channel is not None
    secrets = channel.secrets.encode()
    for start in range(0, len(secrets), 32):
        piece = secrets[start : start + 12]
        assert piece.hex() not in text
        assert repr(piece) not in text


# --- Streams ---------------------------------------------------------------------------------------------------------

closed: list[str] = []


async def ticks(request: HttpRequest) -> StreamingHttpResponse:
    """Send one part, then nothing for long."""

    async def parts() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.sleep(30)
            yield b"never"
        finally:
            closed.append("async")

    return StreamingHttpResponse(parts(), content_type=request.GET["type"])


def sync_parts(request: HttpRequest) -> StreamingHttpResponse:
    """Send parts from a plain generator."""

    def parts() -> Iterator[bytes]:
        for number in range(4):
            time.sleep(0.02)
            yield b"%d" % number

    return StreamingHttpResponse(parts(), content_type="text/plain")


def broken(request: HttpRequest) -> HttpResponse:
    """Break off."""

    def parts() -> Iterator[bytes]:
        yield b"first"
        raise RuntimeError("the view fails")

    return StreamingHttpResponse(parts())  # type: ignore[return-value]


urlpatterns = [
    path("kontract/", include("kontract.urls")),
    path("ticks", ticks),
    path("sync", sync_parts),
    path("broken", broken),
]


@pytest.fixture
def views(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The views of this module, and a keep-alive that tests can wait for."""
    settings.ROOT_URLCONF = __name__
    monkeypatch.setattr("kontract.middleware.raystream_responses.KEEPALIVE_SECONDS", 0.02)
    closed.clear()


async def read(call: Call, pieces: int, then: Any = None) -> tuple[list[Event], Any, bool]:
    """Read so many pieces of an answer, do something, and read on to the end; tell whether the end came."""
    response: Any = await AsyncClient().post(OUTER, call.frame, content_type="application/raystream")
    framing = Lines if response["Content-Type"] == Lines.content_type else Lengths
    opener, events, content = call.open(framing), [], aiter(response)
    for number in range(1000):
        if number == pieces and then is not None:
            await then()
        try:
            events += opener.feed(await anext(content))
        except StopAsyncIteration:
            return events, opener, True
        if number + 1 == pieces and then is None:
            break
    await content.aclose()
    return events, opener, False


@pytest.mark.parametrize("kind", ["text/event-stream", "application/jsonl"])
def test_a_silent_stream_is_kept_alive_and_closed_when_nobody_reads(views: None, kind: str) -> None:
    peer = Peer(Wire(is_async=True)).connect()
    events, opener, ended = async_to_sync(read)(peer.seal("GET", f"/ticks?type={kind}"), 6)
    assert (events[1:], ended, closed) == ([Data(b"first")], False, ["async"])  # four empty chunks besides
    with pytest.raises(TruncatedError):
        opener.close()


@pytest.mark.parametrize("how", ["resumed", "gone", "over"])
def test_a_stream_ends_without_its_end_when_the_session_does(views: None, how: str, monkeypatch: Any) -> None:
    peer = Peer(Wire(is_async=True)).connect()
    real = time.time

    async def stop() -> None:
        if how == "resumed":
            response = await AsyncClient().post(OUTER, peer.client.resume(), content_type="application/raystream")
            assert response.status_code == 200
            monkeypatch.setattr("time.time", lambda: real() + 61)
        elif how == "over":
            monkeypatch.setattr("time.time", lambda: real() + 3601)
        else:
            await _delete()

    events, opener, ended = async_to_sync(read)(peer.seal("GET", "/ticks?type=text/event-stream"), 3, stop)
    assert (events[1:], ended, closed) == ([Data(b"first")], True, ["async"])
    with pytest.raises(TruncatedError):
        opener.close()


async def _delete() -> None:
    def delete() -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM storage WHERE ns = %s AND ptr = 6", [locate()[1]])

    await sync_to_async(delete)()


def test_streams_of_plain_generators_come_part_by_part_under_both_handlers(wire: Wire, views: None) -> None:
    answer = Peer(wire).connect()
    assert answer.send(answer.seal("GET", "/sync")).body == b"0123"


def test_a_plain_stream_ends_when_its_session_does(views: None, monkeypatch: Any) -> None:
    peer, real = Peer(Wire()).connect(), time.time
    call = peer.seal("GET", "/sync")
    response: Any = peer.wire._client.post(OUTER, call.frame, content_type="application/raystream")
    monkeypatch.setattr("time.time", lambda: real() + 3601)
    opener = call.open(Lengths)
    events = [event for part in response for event in opener.feed(part)]
    assert End() not in events
    with pytest.raises(TruncatedError):
        opener.close()


def test_a_view_that_breaks_off_leaves_no_end(views: None) -> None:
    peer = Peer(Wire()).connect()
    with pytest.raises(RuntimeError, match="the view fails"):
        peer.send(peer.seal("GET", "/broken"))
