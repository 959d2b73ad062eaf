"""Static keys, pins, limits, and secrets wrapped for storage."""

import hashlib

import pytest

from kontract.raystream.errors import MisuseError, NotAuthenticError
from kontract.raystream.keys import KeyRing, Pins, StaticKey
from kontract.raystream.limits import Limits
from kontract.raystream.schedule import SECRETS_BYTES, Secrets, prologue
from kontract.raystream.server import Server
from kontract.raystream.suites import AES_256_GCM, CHACHA20_POLY1305
from kontract.raystream.wrapping import unwrap, wrap

from .peers import AUDIENCE, KEY, WRAPPING_KEY

SECRETS = Secrets.decode(CHACHA20_POLY1305, bytes(range(16)), bytes(i % 251 for i in range(SECRETS_BYTES)))


def test_a_key_is_kept_as_32_bytes() -> None:
    again = StaticKey.from_bytes(KEY.private_bytes(), KEY.not_after)
    assert (again.public, again.kid, again.not_after) == (KEY.public, KEY.kid, KEY.not_after)
    assert KEY.kid == hashlib.sha256(KEY.public).digest()[:8]
    with pytest.raises(MisuseError, match="31"):
        StaticKey.from_bytes(bytes(31), 0)


def test_the_secret_key_is_not_shown() -> None:
    assert KEY.private_bytes().hex() not in repr(KEY)
    assert repr(KEY.private_bytes())[2:-1] not in repr(KEY)


def test_a_ring_finds_a_key_until_its_time_is_over_and_else_a_dummy() -> None:
    one, two = StaticKey.generate(not_after=10), StaticKey.generate(not_after=20)
    ring = KeyRing(AUDIENCE, [one, two])
    assert ring.find(one.kid, 10) is one
    assert ring.find(two.kid, 10) is two
    dummy = ring.find(bytes(8), 0)
    assert dummy not in (one, two)
    assert ring.find(one.kid, 10.001) is dummy
    assert ring.find(dummy.kid, 0) is dummy
    assert KeyRing(AUDIENCE, [one]).find(bytes(8), 0).kid != dummy.kid


@pytest.mark.parametrize("keys", [[], [KEY, KEY]])
def test_a_ring_has_keys_and_each_once(keys: list[StaticKey]) -> None:
    with pytest.raises(MisuseError):
        KeyRing(AUDIENCE, keys)


@pytest.mark.parametrize("audience", ["", "a" * 65_536])
def test_an_audience_fits_its_length(audience: str) -> None:
    for make in (
        lambda: KeyRing(audience, [KEY]),
        lambda: Pins(audience=audience, keys=(KEY.public,)),
    ):
        with pytest.raises(MisuseError, match="audience"):
            make()


@pytest.mark.parametrize(
    "wrong", [{"keys": ()}, {"keys": (b"short",)}, {"suites": ()}, {"suites": (AES_256_GCM, AES_256_GCM)}]
)
def test_pins_are_complete(wrong: dict[str, object]) -> None:
    with pytest.raises(MisuseError):
        Pins(**{"audience": AUDIENCE, "keys": (KEY.public,), **wrong})  # type: ignore[arg-type]


def test_the_bytes_of_the_prologue() -> None:
    assert prologue(b"aud", (2, 1), CHACHA20_POLY1305, b"k" * 8) == (
        b"kontract raystream/1\0" + b"\0\3aud" + b"\2\2\1" + b"\1" + b"k" * 8
    )


def test_secrets_come_out_as_they_went_in() -> None:
    wrapped = wrap(SECRETS, WRAPPING_KEY)
    assert unwrap(wrapped, sid=SECRETS.sid, suite=SECRETS.suite, key=WRAPPING_KEY) == SECRETS
    assert wrap(SECRETS, WRAPPING_KEY) != wrapped
    assert len(wrapped) == 32 + SECRETS_BYTES + 16


def test_wrapped_secrets_belong_to_their_session_and_key() -> None:
    wrapped = wrap(SECRETS, WRAPPING_KEY)
    assert unwrap(wrapped, sid=bytes(16), suite=SECRETS.suite, key=WRAPPING_KEY) is None
    assert unwrap(wrapped, sid=SECRETS.sid, suite=AES_256_GCM, key=WRAPPING_KEY) is None
    assert unwrap(wrapped, sid=SECRETS.sid, suite=SECRETS.suite, key=bytes(32)) is None
    for end in (0, 31, 32, 47, len(wrapped) - 1):
        assert unwrap(wrapped[:end], sid=SECRETS.sid, suite=SECRETS.suite, key=WRAPPING_KEY) is None
    for at in range(len(wrapped)):
        changed = wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :]
        assert unwrap(changed, sid=SECRETS.sid, suite=SECRETS.suite, key=WRAPPING_KEY) is None


def test_a_wrapping_key_has_32_bytes() -> None:
    with pytest.raises(MisuseError, match="16"):
        Server(KeyRing(AUDIENCE, [KEY]), bytes(16))


def test_the_bytes_of_the_limits() -> None:
    assert Limits().encode().hex() == "0000012c00000e10001000000100000000010000"
    assert Limits.decode(Limits(idle=1).encode()) == Limits(idle=1)


@pytest.mark.parametrize(
    "beyond", [{"idle": 301}, {"absolute": 3601}, {"requests": 0}, {"frame": 2**24 + 1}, {"chunk": 1023}]
)
def test_limits_are_not_beyond_the_protocols(beyond: dict[str, int]) -> None:
    with pytest.raises(MisuseError, match=next(iter(beyond))):
        Limits(**beyond)


@pytest.mark.parametrize("data", [bytes(20), b"\xff" * 20])
def test_a_client_takes_no_limits_beyond_the_protocols(data: bytes) -> None:
    with pytest.raises(NotAuthenticError):
        Limits.decode(data)
