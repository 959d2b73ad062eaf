"""Messages as bytes: the exact form of each, and that nothing else is taken for one."""

import os
import random

import pytest

from kontract.raystream import frames
from kontract.raystream.errors import NotAuthenticError
from kontract.raystream.suites import AES_256_GCM, CHACHA20_POLY1305

from .damage import flips, truncations

SID = bytes(range(1, 17))
NOISE_1 = bytes(80)
MESSAGES: list[frames.Message] = [
    frames.Init(suite=CHACHA20_POLY1305, kid=b"k" * 8, offer=(1, 2), noise=NOISE_1),
    frames.Init(suite=AES_256_GCM, kid=b"k" * 8, offer=(3, 9, 2), noise=NOISE_1),
    frames.Resume(suite=AES_256_GCM, sid=SID, kid=b"k" * 8, offer=(2,), noise=NOISE_1),
    frames.Accept(suite=CHACHA20_POLY1305, sid=SID, noise=bytes(84)),
    frames.Request(suite=CHACHA20_POLY1305, sid=SID, seq=2**64 - 1, sealed=bytes(16)),
    frames.Request(suite=CHACHA20_POLY1305, sid=SID, seq=0, sealed=bytes(1000)),
]
MILLION = 1_000_000  # mutations of the parser's input
VARIANTS = 200  # of each that is cut, lengthened or shortened, in one byte after the other
MUTATIONS = int(os.environ.get("RAYSTREAM_MUTATIONS", "50000"))  # more where time allows


def test_the_bytes_of_each_message() -> None:
    init, other, resume, accept, request, _ = (message.encode() for message in MESSAGES)
    assert init == bytes.fromhex("01010100") + bytes(24) + b"k" * 8 + b"\2\1\2" + NOISE_1
    assert other == bytes.fromhex("01010200") + bytes(24) + b"k" * 8 + b"\3\3\x09\2" + NOISE_1
    assert resume == bytes.fromhex("01030200") + SID + bytes(8) + b"k" * 8 + b"\1\2" + NOISE_1
    assert accept == bytes.fromhex("01020100") + SID + bytes(8) + bytes(84)
    assert request == bytes.fromhex("01100100") + SID + b"\xff" * 8 + bytes(16)


def test_reset_is_constant_and_28_bytes() -> None:
    assert bytes.fromhex("017f0000") + bytes(24) == frames.RESET
    assert len(frames.RESET) == 28


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_survives_the_wire(message: frames.Message) -> None:
    assert frames.parse(message.encode()) == message


@pytest.mark.parametrize("message", MESSAGES[:4], ids=lambda message: type(message).__name__)
def test_a_handshake_message_has_one_length(message: frames.Message) -> None:
    data = message.encode()
    for other in (*truncations(data), data + b"\0"):
        with pytest.raises(NotAuthenticError):
            frames.parse(other)


def test_a_request_has_at_least_a_tag() -> None:
    for short in truncations(MESSAGES[4].encode()):
        with pytest.raises(NotAuthenticError):
            frames.parse(short)


@pytest.mark.parametrize(
    ("index", "value"),
    [(0, 0), (0, 2), (1, 0), (1, 4), (1, 0x11), (1, 0x7F), (2, 0), (2, 3), (2, 255), (3, 1), (3, 128)],
)
@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_an_unknown_version_type_suite_or_flag_is_refused(message: frames.Message, index: int, value: int) -> None:
    data = bytearray(message.encode())
    data[index] = value
    with pytest.raises(NotAuthenticError):
        frames.parse(bytes(data))


@pytest.mark.parametrize("message", MESSAGES[:4], ids=lambda message: type(message).__name__)
def test_a_handshake_message_has_no_number(message: frames.Message) -> None:
    data = bytearray(message.encode())
    data[27] = 1
    with pytest.raises(NotAuthenticError):
        frames.parse(bytes(data))


@pytest.mark.parametrize(
    ("offer", "chosen"), [((), 1), ((2,), 1), ((1, 1), 1), ((1, 2, 2), 1), ((3,), 1), (tuple(range(2, 200)), 1)]
)
def test_the_chosen_suite_is_offered_and_each_once(offer: tuple[int, ...], chosen: int) -> None:
    data = frames.Init(suite=CHACHA20_POLY1305, kid=b"k" * 8, offer=offer, noise=NOISE_1).encode()
    assert data[2] == chosen
    with pytest.raises(NotAuthenticError):
        frames.parse(data)


def test_only_init_has_no_session() -> None:
    for message in MESSAGES[2:]:
        data = bytearray(message.encode())
        data[4:20] = bytes(16)
        with pytest.raises(NotAuthenticError):
            frames.parse(bytes(data))
    data = bytearray(MESSAGES[0].encode())
    data[4] = 1
    with pytest.raises(NotAuthenticError):
        frames.parse(bytes(data))


def test_what_is_parsed_encodes_to_the_same_bytes_whatever_it_was() -> None:
    source = random.Random(11)
    seeds = [message.encode() for message in MESSAGES]
    parsed = 0
    for _ in range(MILLION // VARIANTS):
        data = bytearray(mutate(source, source.choice(seeds))) or bytearray(1)
        choices = source.randbytes(2 * VARIANTS)
        for at, value in zip(choices[:VARIANTS], choices[VARIANTS:], strict=True):
            data[at % len(data)] ^= value  # so each is a mutation of the last
            try:
                message = frames.parse(bytes(data))
            except NotAuthenticError:
                data[at % len(data)] ^= value
                continue
            parsed += 1
            assert message.encode() == data
    assert parsed > MILLION / 100


def mutate(source: random.Random, data: bytes) -> bytes:
    """Return ``data`` with a few random changes of random kinds."""
    changed = bytearray(data)
    for _ in range(source.randrange(1, 4)):
        at = source.randrange(len(changed) + 1)
        kind = source.randrange(5)
        if kind == 0 and at < len(changed):
            changed[at] = source.randrange(256)
        elif kind == 1:
            del changed[at:]
        elif kind == 2:
            changed[at:at] = source.randbytes(source.randrange(40))
        elif kind == 3 and at < len(changed):
            changed[at] ^= 1 << source.randrange(8)
        else:
            del changed[at : at + source.randrange(1, 9)]
    return bytes(changed)


def test_every_flip_of_a_header_is_another_message_or_none() -> None:
    for message in MESSAGES:
        for data in flips(message.encode()[: frames.HEADER_BYTES]):
            try:
                assert frames.parse(data + message.encode()[frames.HEADER_BYTES :]) != message
            except NotAuthenticError:
                continue
