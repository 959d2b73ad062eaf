"""Envelopes: what a request and a response say, and what they must not."""

import json
import random
from typing import Any

import pytest

from kontract.raystream.envelope import (
    MAX_HEAD_BYTES,
    REQUEST_HEADERS,
    RequestHead,
    ResponseHead,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from kontract.raystream.errors import InvalidEnvelopeError, MisuseError

from .test_frames import MUTATIONS, mutate

HEAD = RequestHead(method="PUT", path="/a%20b?c=[d]&e", headers=(("accept", "*/*"), ("authorization", "Bearer \xe9")))


def envelope(head: object, body: bytes = b"") -> bytes:
    """Return an envelope with whatever head."""
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return len(text).to_bytes(4, "big") + text + body


def members(**changes: Any) -> dict[str, Any]:
    return {"method": "GET", "path": "/", "headers": []} | changes


def test_the_bytes_of_a_request() -> None:
    head = RequestHead(method="POST", path="/rpc/x?y", headers=(("accept", "a/b"),))
    text = b'{"method":"POST","path":"/rpc/x?y","headers":[["accept","a/b"]]}'
    assert encode_request(head, b"body") == len(text).to_bytes(4, "big") + text + b"body"


def test_the_bytes_of_a_response() -> None:
    text = '{"status":404,"headers":[["x-note","\xe9"]]}'.encode()
    assert encode_response(ResponseHead(status=404, headers=(("x-note", "\xe9"),)), b"\0") == (
        len(text).to_bytes(4, "big") + text + b"\0"
    )


@pytest.mark.parametrize("body", [b"", b"body", bytes(70_000), b"\0\0"])
@pytest.mark.parametrize("block", [1, 2, 10, 16, 256, 1000, 4096])
def test_an_envelope_is_read_as_it_was_written_and_padded_to_its_block(body: bytes, block: int) -> None:
    request = encode_request(HEAD, body, block=block)
    assert decode_request(request) == (HEAD, body)
    head = ResponseHead(status=200, headers=(("link", "a"), ("link", "b")))
    response = encode_response(head, body, block=block)
    assert decode_response(response) == (head, body)
    assert len(request) % block == len(response) % block == 0


def test_padding_hides_how_long_a_body_is() -> None:
    assert len({len(encode_request(HEAD, bytes(size), block=1024)) for size in range(0, 800, 7)}) == 1


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\0\0\0",
        b"\0\0\0\2{",
        b"\xff\xff\xff\xff{}",
        envelope(b""),
        envelope(b"{}"),
        envelope(b"[]"),
        envelope(b"null"),
        envelope(b"\xff"),
        envelope(b"[" * 30_000),
        envelope(b'{"method":"GET","method":"GET","path":"/","headers":[]}'),
        envelope(b'{"method":"GET","path":"/","headers":[],"pad":NaN}'),
        envelope(b'{"method":"GET","path":"/","headers":[],"pad":' + b"1" * 5000 + b"}"),
        envelope(members(pad=1e400)),
        envelope(members(pad=1)),
        envelope(members(pad=1), b"x"),
        envelope(members(pad=3), b"\0\0"),
        envelope(members(pad=2), b"\1\0"),
        envelope(members(pad=-1)),
        envelope(members(pad=0.0)),
        envelope(members(pad=True), b"\0"),
        envelope(members(more=1)),
        envelope({"method": "GET", "path": "/"}),
        envelope(members(method=["GET"])),
        envelope(members(method="get")),
        envelope(members(method="CONNECT")),
        envelope(members(path=1)),
        envelope(members(path="")),
        envelope(members(path="rpc")),
        envelope(members(path="http://elsewhere/")),
        envelope(members(path="/a b")),
        envelope(members(path="/a#b")),
        envelope(members(path="/\r\n")),
        envelope(members(path="/\n")),
        envelope(members(path="/\u00e9")),
        envelope(members(path="/\ud800")),
        envelope(members(headers={})),
        envelope(members(headers=[["accept"]])),
        envelope(members(headers=[["accept", 1]])),
        envelope(members(headers=["ab"])),
        envelope(members(headers=[["Accept", "a"]])),
        envelope(members(headers=[["accept", "a\r\nb"]])),
        envelope(members(headers=[["accept", "a\0"]])),
        envelope(members(headers=[["accept", "\u20ac"]])),
        envelope(members(headers=[["accept", "a"], ["accept", "b"]])),
        envelope(members(headers=[["accept ", "a"]])),
        envelope(members(headers=[["accept", "a"]] * 101)),
        *(envelope(members(headers=[[name, "a"]])) for name in ("host", "cookie", "x-forwarded-for", "forwarded")),
        envelope(members(path="/" + "a" * MAX_HEAD_BYTES)),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused(bad: bytes) -> None:
    with pytest.raises(InvalidEnvelopeError):
        decode_request(bad)


@pytest.mark.parametrize("status", [199, 600, "200", 200.0, None, True, -1])
def test_a_response_has_a_status(status: object) -> None:
    with pytest.raises(InvalidEnvelopeError):
        decode_response(envelope({"status": status, "headers": []}))


@pytest.mark.parametrize(
    "head",
    [
        RequestHead(method="TRACE", path="/"),
        RequestHead(method="GET", path="x"),
        RequestHead(method="GET", path="/", headers=(("host", "a"),)),
        RequestHead(method="GET", path="/", headers=(("accept", "a\nb"),)),
        RequestHead(method="GET", path="/" + "a" * MAX_HEAD_BYTES),
    ],
)
def test_what_a_server_would_refuse_is_misuse_before_it_is_sent(head: RequestHead) -> None:
    with pytest.raises(MisuseError):
        encode_request(head, b"")


def test_an_application_may_allow_headers_of_its_own() -> None:
    allowed = REQUEST_HEADERS | {"x-tenant"}
    head = RequestHead(method="GET", path="/", headers=(("x-tenant", "a"),))
    assert decode_request(encode_request(head, b"", allowed=allowed), allowed=allowed) == (head, b"")
    with pytest.raises(InvalidEnvelopeError, match="x-tenant"):
        decode_request(encode_request(head, b"", allowed=allowed))


def test_random_mutations_raise_nothing_but_the_protocols_own_error() -> None:
    source = random.Random(3)
    seeds = [encode_request(HEAD, b"body", block=block) for block in (1, 64)]
    refused = 0
    for _ in range(MUTATIONS // 5):
        try:
            decode_request(mutate(source, source.choice(seeds)))
        except InvalidEnvelopeError:
            refused += 1
    assert refused > MUTATIONS / 20
