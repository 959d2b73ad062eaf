"""The published vectors of the protocol: ``python -m tests.unit.raystream.vectors > docs/vectors/raystream.json``.

Everything that is random on the wire is fixed here, so that another implementation can compare byte by byte.
"""

import json
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from kontract.raystream import frames, handshake
from kontract.raystream.answers import Sealer
from kontract.raystream.cipher import Cipher
from kontract.raystream.envelope import RequestHead, ResponseHead, encode_request, encode_response
from kontract.raystream.framing import Lengths, Lines
from kontract.raystream.keys import Pins, StaticKey
from kontract.raystream.limits import Limits
from kontract.raystream.replay import Window
from kontract.raystream.schedule import Secrets, prologue
from kontract.raystream.suites import SUITES, Suite

AUDIENCE = "vectors.example"
NUMBERS = (0, 1, 255, 2**20 - 1)
HEAD = RequestHead(
    method="POST",
    path="/rpc/rename_user?lang=de",
    headers=(("authorization", "Bearer token"), ("content-type", "application/json"), ("idempotency-key", "k-1")),
)
OK = ResponseHead(status=200, headers=(("content-type", "application/json"), ("kontract-txid", "4711")))
REPLAYS: tuple[tuple[int, ...], ...] = (
    (0, 0, 1, 3, 2, 2, 3, 1),
    (1023, 0, 0, 1024, 0, 1, 1, 2047, 1024, 1023, 1025),
    (1_048_575, 1_047_552, 1_047_551, 0, 1_048_575),
)


def fixed(name: str, length: int = 32) -> bytes:
    """Return bytes that stand for random ones: the name, again and again."""
    return (name.encode() * length)[:length]


def private(name: str) -> X25519PrivateKey:
    """Return a fixed secret key."""
    return X25519PrivateKey.from_private_bytes(fixed(name))


def generate() -> dict[str, Any]:
    """Return all vectors; bytes are hexadecimal."""
    return {
        "protocol": "kontract raystream/1",
        "audience": AUDIENCE,
        "reset": frames.RESET.hex(),
        "limits": {"values": list(Limits().values()), "bytes": Limits().encode().hex()},
        "suites": [make_suite(suite) for suite in SUITES.values()],
        "envelopes": make_envelopes(),
        "replay": [{"numbers": numbers, "accepted": decide(numbers)} for numbers in REPLAYS],
    }


def make_suite(suite: Suite) -> dict[str, Any]:
    """Return a session of this suite: its handshake, requests, responses, and its resumption."""
    key = StaticKey.from_bytes(fixed("static"), not_after=1)
    pins = Pins(audience=AUDIENCE, keys=(key.public,), suites=tuple(SUITES.values()))
    first, secrets = shake(pins, key, suite, "1", None)
    second, resumed = shake(pins, key, suite, "2", secrets)
    return {
        "suite": suite.id,
        "static_private": key.private_bytes().hex(),
        "static_public": key.public.hex(),
        "kid": key.kid.hex(),
        "offer": [offered.id for offered in pins.suites],
        "prologue": prologue(AUDIENCE.encode(), list(SUITES), suite, key.kid).hex(),
        "init": first,
        "requests": [make_request(secrets, number) for number in NUMBERS],
        "responses": [make_response(secrets, number) for number in NUMBERS[:2]],
        "resume": second,
        "request_after_resume": make_request(resumed, 0),
    }


def shake(pins: Pins, key: StaticKey, suite: Suite, name: str, old: Secrets | None) -> tuple[dict[str, Any], Secrets]:
    """Return a handshake and the secrets that come of it."""
    client = handshake.ClientHandshake(pins, suite, key.public, private(f"client {name}"), old)
    message = frames.parse(client.opening)
    assert isinstance(message, frames.Init | frames.Resume)
    answer, secrets = handshake.accept(
        message,
        AUDIENCE.encode(),
        key,
        Limits(),
        ephemeral=private(f"server {name}"),
        sid=fixed(f"sid {name}", 16),
        psk=old.resume if old else None,
    )
    assert client.finish(answer).secrets == secrets
    return {
        "client_ephemeral": fixed(f"client {name}").hex(),
        "server_ephemeral": fixed(f"server {name}").hex(),
        "sid": secrets.sid.hex(),
        "message": client.opening.hex(),
        "accept": answer.encode().hex(),
        "secrets": {
            "c2s": secrets.c2s.hex(),
            "s2c": secrets.s2c.hex(),
            "resume": secrets.resume.hex(),
            "exporter": secrets.exporter.hex(),
        },
    }, secrets


def make_request(secrets: Secrets, seq: int) -> dict[str, Any]:
    """Return a request as plaintext and as it lies on the wire."""
    envelope = encode_request(HEAD, b'{"args":[%d]}' % seq)
    header = frames.pack_header(frames.Request.TYPE, secrets.suite, secrets.sid, seq)
    frame = header + Cipher(secrets.suite, secrets.c2s).seal(seq, envelope, header)
    return {"seq": seq, "envelope": envelope.hex(), "frame": frame.hex()}


def make_response(secrets: Secrets, seq: int) -> dict[str, Any]:
    """Return a response of three chunks, in both framings, and one of a single chunk."""
    salt = fixed(f"salt {seq}")
    wires = {}
    for framing in (Lengths, Lines):
        sealer = Sealer(secrets, seq, salt, chunk=Limits().chunk, framing=framing)
        wires[framing.content_type] = sealer.start(OK) + sealer.send(b"first") + sealer.end(b"last")
    whole = Sealer(secrets, seq, salt, chunk=Limits().chunk, framing=Lengths).whole(OK, b'{"result":1}')
    return {
        "seq": seq,
        "salt": salt.hex(),
        "chunks": [encode_response(OK).hex(), b"first".hex(), b"last".hex()],
        "binary": wires[Lengths.content_type].hex(),
        "event_stream": wires[Lines.content_type].decode(),
        "whole": {"chunk": encode_response(OK, b'{"result":1}').hex(), "binary": whole.hex()},
    }


def make_envelopes() -> list[dict[str, Any]]:
    """Return a request's envelope without padding, and padded to blocks of several sizes."""
    return [
        {
            "method": HEAD.method,
            "path": HEAD.path,
            "headers": HEAD.headers,
            "body": b"body".hex(),
            "block": block,
            "envelope": encode_request(HEAD, b"body", block=block).hex(),
        }
        for block in (1, 16, 256)
    ]


def decide(numbers: Sequence[int]) -> list[bool]:
    """Return which of these numbers the window accepts, one after the other."""
    window, accepted = Window(), []
    for number in numbers:
        after = window.accept(number)
        accepted.append(after is not None)
        window = after or window
    return accepted


def render() -> str:
    """Return the file's text."""
    return json.dumps(generate(), indent=1) + "\n"


if __name__ == "__main__":
    print(render(), end="")
