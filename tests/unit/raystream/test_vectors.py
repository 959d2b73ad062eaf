"""The published vectors: what the code gives is what they say, and what they say a client and a server understand."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kontract.raystream import frames
from kontract.raystream.answers import Opener
from kontract.raystream.envelope import RequestHead, decode_request, decode_response
from kontract.raystream.framing import Framing, Lengths, Lines
from kontract.raystream.schedule import Secrets
from kontract.raystream.suites import SUITES

from .peers import body_of
from .vectors import render

FILE = Path(__file__).parents[3] / "docs" / "vectors" / "raystream.json"
VECTORS = json.loads(FILE.read_text())
each_suite = pytest.mark.parametrize("vector", VECTORS["suites"], ids=lambda vector: SUITES[vector["suite"]].name)


def secrets_of(vector: dict[str, Any], part: str) -> Secrets:
    found = vector[part]
    return Secrets(
        suite=SUITES[vector["suite"]],
        sid=bytes.fromhex(found["sid"]),
        **{name: bytes.fromhex(value) for name, value in found["secrets"].items()},
    )


def test_the_published_file_is_what_the_code_gives() -> None:
    assert FILE.read_text() == render()


def test_there_is_a_vector_of_each_suite() -> None:
    assert [vector["suite"] for vector in VECTORS["suites"]] == list(SUITES)


@each_suite
def test_the_requests_open_with_nothing_but_an_aead(vector: dict[str, Any]) -> None:
    c2s = bytes.fromhex(vector["init"]["secrets"]["c2s"])
    for request in vector["requests"]:
        frame = bytes.fromhex(request["frame"])
        nonce = (int.from_bytes(c2s[32:], "big") ^ request["seq"]).to_bytes(12, "big")
        plaintext = SUITES[vector["suite"]].aead(c2s[:32]).decrypt(nonce, frame[28:], frame[:28])
        assert plaintext.hex() == request["envelope"]
        head, body = decode_request(plaintext)
        assert (head.path, body) == ("/rpc/rename_user?lang=de", b'{"args":[%d]}' % request["seq"])


@each_suite
def test_the_responses_open_with_nothing_but_hkdf_and_an_aead(vector: dict[str, Any]) -> None:
    """Follow the protocol's text with primitives alone, so that one mistake cannot hide on both sides."""
    init = vector["init"]
    for response in vector["responses"]:
        wire, at, number = bytes.fromhex(response["binary"]), 60, 0
        info = b"raystream/1 resp\0" + bytes.fromhex(init["sid"]) + response["seq"].to_bytes(8, "big")
        derived = HKDF(SHA256(), 44, wire[28:60], info).derive(bytes.fromhex(init["secrets"]["s2c"]))
        aead = SUITES[vector["suite"]].aead(derived[:32])
        for chunk in response["chunks"]:
            length = int.from_bytes(wire[at : at + 4], "big")
            final, sealed = wire[at + 4 : at + 5], wire[at + 5 : at + 4 + length]
            nonce = (int.from_bytes(derived[32:], "big") ^ number).to_bytes(12, "big")
            assert aead.decrypt(nonce, sealed, wire[:28] + final).hex() == chunk
            at, number = at + 4 + length, number + 1
        assert final == b"\1"
        assert at == len(wire)


@each_suite
@pytest.mark.parametrize(("framing", "name"), [(Lengths, "binary"), (Lines, "event_stream")])
def test_the_responses_open_as_a_client_would(vector: dict[str, Any], framing: type[Framing], name: str) -> None:
    for response in vector["responses"]:
        opener = Opener(secrets_of(vector, "init"), response["seq"], chunk=65_536, framing=framing)
        wire = response[name].encode() if framing is Lines else bytes.fromhex(response[name])
        assert body_of(opener.feed(wire)) == b"firstlast"
        opener.close()


@each_suite
def test_the_keys_are_what_the_public_keys_say(vector: dict[str, Any]) -> None:
    private = X25519PrivateKey.from_private_bytes(bytes.fromhex(vector["static_private"]))
    assert private.public_key().public_bytes_raw().hex() == vector["static_public"]
    for part in ("init", "resume"):
        message = frames.parse(bytes.fromhex(vector[part]["message"]))
        assert isinstance(message, frames.Init | frames.Resume)
        assert message.kid.hex() == vector["kid"]
        ephemeral = X25519PrivateKey.from_private_bytes(bytes.fromhex(vector[part]["client_ephemeral"]))
        assert message.noise[:32] == ephemeral.public_key().public_bytes_raw()


def test_the_envelopes_are_read_as_they_were_written() -> None:
    for vector in VECTORS["envelopes"]:
        envelope = bytes.fromhex(vector["envelope"])
        headers = tuple((name, value) for name, value in vector["headers"])
        head = RequestHead(method=vector["method"], path=vector["path"], headers=headers)
        assert decode_request(envelope) == (head, bytes.fromhex(vector["body"]))
        assert len(envelope) % vector["block"] == 0
    whole = VECTORS["suites"][0]["responses"][0]["whole"]["chunk"]
    assert decode_response(bytes.fromhex(whole))[1] == b'{"result":1}'
