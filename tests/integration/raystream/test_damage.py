"""Whatever is done to a message on its way, the answer over HTTP is one and the same."""

import time
from functools import partial
from typing import Any, cast

import pytest
from django.test import Client as DjangoClient

from kontract.conf import RaystreamOptions, get_settings
from kontract.middleware.raystream_gate import Gate
from kontract.raystream.frames import RESET
from tests.unit.raystream.damage import kinds
from tests.unit.raystream.ranks import UNLIKELY, compare, refused

from .wire import OUTER, Peer, Wire, options


def seen(response: Any) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
    """Return all that tells one outer response from another."""
    return response.status_code, response.content, tuple(sorted(response.items()))


def make(kind: str, peer: Peer) -> bytes:
    """Return a message that the server would take."""
    if kind == "INIT":
        return Peer(peer.wire).client.start()
    peer.call("echo", 0)
    return peer.client.resume() if kind == "RESUME" else peer.seal_call("echo", 1).frame


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("kind", ["INIT", "RESUME", "REQUEST"])
def test_every_kind_of_damage_gets_the_same_answer(kind: str, suite: int, wire: Wire) -> None:
    peer = Peer(wire, suite=suite).connect()
    good = make(kind, peer)
    damaged = {name: data for name, data in kinds(good).items() if data != good}
    assert len(damaged) >= 12
    answers = {name: seen(wire.post(data)) for name, data in damaged.items()}
    assert set(answers.values()) == {seen(wire.post(b""))}
    assert wire.post(b"").status_code == 400
    assert wire.post(b"").content == RESET
    assert wire.post(good).status_code == 200
    assert (seen(wire.post(good)) == answers["nothing"]) == (kind != "INIT")  # a replay looks like a forgery


def test_a_session_that_is_over_looks_like_a_forgery(
    peer: Peer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.call("echo", 0)
    call, before = peer.seal_call("echo", 1), time.time
    forged = seen(peer.wire.post(call.frame[:-1] + bytes([call.frame[-1] ^ 1])))
    with monkeypatch.context() as patch:
        patch.setattr("time.time", lambda: before() + 301)
        assert seen(peer.wire.post(call.frame)) == forged
    assert peer.send(call).status == 200  # and it was not taken


def test_another_wrapping_key_ends_all_sessions(peer: Peer, settings: Any) -> None:
    call = peer.seal_call("echo", 1)
    settings.KONTRACT = {**settings.KONTRACT, "RAYSTREAM": options(wrapping_key="A" * 43 + "=")}
    assert seen(Wire(is_async=peer.wire.is_async).post(call.frame)) == seen(peer.wire.post(b""))


def test_a_key_past_its_day_takes_no_handshake(settings: Any) -> None:
    keys = [{**key, "not_after": "2020-01-01"} for key in options()["keys"]]
    settings.KONTRACT = {**settings.KONTRACT, "RAYSTREAM": options(keys=keys)}
    wire = Wire()
    assert seen(wire.post(Peer(wire).client.start())) == seen(wire.post(b""))


@pytest.mark.parametrize("method", ["get", "put", "delete", "options"])
def test_other_methods_get_it_too(method: str, wire: Wire) -> None:
    assert seen(getattr(DjangoClient(), method)(OUTER)) == seen(wire.post(b""))


def test_a_message_beyond_the_limit_is_not_read(wire: Wire) -> None:
    response = wire.post(bytes(16 * 1024 * 1024 + 1))
    assert seen(response) == seen(wire.post(b""))


def test_a_content_length_that_is_none_gets_it_too(wire: Wire) -> None:
    assert seen(DjangoClient().post(OUTER, b"x", content_type="a/b", CONTENT_LENGTH="x")) == seen(wire.post(b""))


@pytest.mark.parametrize("kind", ["RESUME", "REQUEST"])
def test_time_does_not_tell_a_session_that_exists_from_one_that_does_not(kind: str, settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "RAYSTREAM": options(handshakes="100000/m")}
    peer = Peer(Wire()).connect()
    good = make(kind, peer)
    forged = good[:-1] + bytes([good[-1] ^ 1])
    gate = Gate(cast(RaystreamOptions, get_settings().RAYSTREAM))
    strange = forged[:4] + b"?" * 16 + forged[20:]
    known, unknown = (refused(partial(gate.receive, data, lambda: "n")) for data in (forged, strange))
    known()  # what this process has not heard of it asks for once
    assert any(compare(known, unknown, 150) > UNLIKELY for _ in range(5))
