"""Noise NK and NKpsk0, against the vectors of another implementation."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from kontract.raystream.errors import NotAuthenticError
from kontract.raystream.noise import Initiator, Responder
from kontract.raystream.suites import SUITES, Suite

VECTORS = json.loads(Path(__file__).with_name("noise_cacophony.json").read_text())["vectors"]
NAMES = [
    f"Noise_{pattern}_25519_{cipher}_SHA256" for pattern in ("NK", "NKpsk0") for cipher in ("AESGCM", "ChaChaPoly")
]


def suite_of(vector: dict[str, Any]) -> Suite:
    return next(suite for suite in SUITES.values() if suite.name in vector["protocol_name"])


def private(text: str) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(bytes.fromhex(text))


def make_peers(vector: dict[str, Any], **changes: bytes | None) -> tuple[Initiator, Responder]:
    """Return both halves; ``changes`` are what the responder has otherwise."""
    suite, static = suite_of(vector), private(vector["resp_static"])
    prologue = bytes.fromhex(vector["init_prologue"])
    psk = bytes.fromhex(vector["init_psks"][0]) if "init_psks" in vector else None
    known = bytes.fromhex(vector["init_remote_static"])
    theirs: dict[str, Any] = {"prologue": prologue, "psk": psk} | changes
    return (
        Initiator(suite, prologue, known, private(vector["init_ephemeral"]), psk),
        Responder(
            suite,
            theirs["prologue"],
            static,
            static.public_key().public_bytes_raw(),
            private(vector["resp_ephemeral"]),
            theirs["psk"],
        ),
    )


def transport_nonce(suite: Suite, number: int) -> bytes:
    """Return how Noise encodes a nonce: little-endian for ChaChaPoly, big-endian for AESGCM."""
    return bytes(4) + number.to_bytes(8, "little" if suite.name == "ChaChaPoly" else "big")


def test_the_vectors_are_of_all_four_protocols() -> None:
    assert sorted(vector["protocol_name"] for vector in VECTORS) == sorted(NAMES)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["protocol_name"])
def test_every_byte_is_that_of_the_vectors(vector: dict[str, Any]) -> None:
    initiator, responder = make_peers(vector)
    payloads = [bytes.fromhex(message["payload"]) for message in vector["messages"]]
    sealed = [message["ciphertext"] for message in vector["messages"]]

    first = initiator.write(payloads[0])
    assert first.hex() == sealed[0]
    assert responder.read(first) == payloads[0]
    second = responder.write(payloads[1])
    assert second.hex() == sealed[1]
    assert initiator.read(second) == payloads[1]

    assert initiator.finish() == responder.finish()
    *keys, handshake_hash = initiator.finish()
    assert handshake_hash.hex() == vector["handshake_hash"]
    suite = suite_of(vector)
    for number, payload in enumerate(payloads[2:]):  # both sides in turn, each with its key and its count
        aead, nonce = suite.aead(keys[number % 2]), transport_nonce(suite, number // 2)
        assert aead.encrypt(nonce, payload, b"").hex() == sealed[2 + number]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["protocol_name"])
@pytest.mark.parametrize("changes", [{"prologue": b"another"}, {"psk": bytes(32)}])
def test_the_responder_refuses_what_began_otherwise(vector: dict[str, Any], changes: dict[str, bytes]) -> None:
    initiator, responder = make_peers(vector, **changes)
    with pytest.raises(NotAuthenticError):
        responder.read(initiator.write(b""))
