"""Calls through the channel, as a client makes them."""

from .wire import Peer


def test_a_call_through_the_channel_answers_as_it_does_without(peer: Peer) -> None:
    answer = peer.call("echo", "hello")
    assert (answer.status, answer.json) == (200, {"result": "hello"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.outer["Content-Type"] == "application/raystream"
    assert answer.outer["Cache-Control"] == "no-cache, no-transform"
    assert b"hello" not in answer.outer.content
