"""Responses, sealed and opened in chunks."""

from collections.abc import Callable

import pytest

from kontract.raystream.answers import Data, End, Opener, Sealer, Stage
from kontract.raystream.envelope import ResponseHead
from kontract.raystream.errors import MisuseError, NotAuthenticError, TruncatedError
from kontract.raystream.framing import PREFIX_BYTES, Framing, Lengths, Lines
from kontract.raystream.schedule import SECRETS_BYTES, Secrets
from kontract.raystream.suites import CHACHA20_POLY1305

from .peers import OK, body_of

SECRETS = Secrets.decode(CHACHA20_POLY1305, bytes(range(16)), bytes(range(SECRETS_BYTES)))
CHUNK = 1024
FRAMINGS: list[type[Framing]] = [Lengths, Lines]
each_framing = pytest.mark.parametrize("framing", FRAMINGS, ids=lambda framing: framing.__name__)


def make(framing: type[Framing] = Lengths, *, chunk: int = CHUNK, salt: bytes = bytes(32)) -> tuple[Sealer, Opener]:
    sealer = Sealer(SECRETS, 7, salt, chunk=chunk, framing=framing)
    return sealer, Opener(SECRETS, 7, chunk=chunk, framing=framing)


@each_framing
@pytest.mark.parametrize("size", [0, 1, 900, 960, 961, 962, 963, 964, 965, 1024, 2048, 5000, 100_000])
def test_a_whole_response_of_any_size(framing: type[Framing], size: int) -> None:
    sealer, opener = make(framing)
    body = bytes(i % 251 for i in range(size))
    assert body_of(opener.feed(sealer.whole(OK, body))) == body
    opener.close()


def test_a_small_response_is_one_chunk_and_may_be_padded() -> None:
    lengths = {len(make()[0].whole(OK, bytes(size), block=512)) for size in range(0, 300, 10)}
    assert lengths == {PREFIX_BYTES + 4 + 1 + 512 + 16}


@each_framing
def test_a_stream(framing: type[Framing]) -> None:
    sealer, opener = make(framing)
    assert opener.feed(sealer.start(OK)) == [OK]
    assert opener.feed(sealer.send(b"one")) == [Data(b"one")]
    assert opener.feed(sealer.send(bytes(2500))) == [Data(bytes(1024)), Data(bytes(1024)), Data(bytes(452))]
    assert opener.feed(sealer.send(b"")) == []
    with pytest.raises(TruncatedError):
        opener.close()
    assert opener.feed(sealer.end()) == [End()]
    opener.close()


def test_what_each_framing_looks_like() -> None:
    binary, lines = (make(framing)[0].whole(OK, b"x") for framing in FRAMINGS)
    assert binary.startswith(bytes.fromhex("01110100") + bytes(range(16)) + bytes(7) + b"\7" + bytes(32))
    assert int.from_bytes(binary[60:64], "big") == len(binary) - 64
    assert binary[64] == 1
    first, empty, second, *rest = lines.split(b"\n")
    assert (empty, rest) == (b"", [b"", b""])
    assert first.startswith(b"data: AREB")
    assert second.startswith(b"data: A")


def test_lines_pass_over_what_proxies_put_between() -> None:
    sealer, opener = make(Lines)
    wire = sealer.whole(OK, b"x").replace(b"\n\n", b"\r\n\r\n: keep-alive\r\n\r\nretry: 5\r\n")
    assert body_of(opener.feed(wire)) == b"x"


def test_a_line_that_never_ends_is_refused() -> None:
    _, opener = make(Lines)
    assert opener.feed(b"data: " + b"A" * CHUNK) == []
    with pytest.raises(NotAuthenticError):
        opener.feed(b"A" * CHUNK)


@pytest.mark.parametrize("line", [b"data: !\n", b"data: A\n", b"data: " + b"A" * 10_000 + b"\n", b"data: \n"])
def test_a_line_that_is_no_base64_or_too_long_is_refused(line: bytes) -> None:
    with pytest.raises(NotAuthenticError):
        make(Lines)[1].feed(line)


@pytest.mark.parametrize("length", [0, 16, CHUNK + 18, 2**32 - 1])
def test_a_chunk_too_short_or_too_long_is_refused_before_it_is_there(length: int) -> None:
    sealer, opener = make()
    opener.feed(sealer.start(OK))
    with pytest.raises(NotAuthenticError):
        opener.feed(length.to_bytes(4, "big"))


@pytest.mark.parametrize("flag", [2, 255])
def test_the_final_flag_is_0_or_1(flag: int) -> None:
    sealer, opener = make()
    wire = bytearray(sealer.whole(OK, b""))
    wire[64] = flag
    with pytest.raises(NotAuthenticError):
        opener.feed(bytes(wire))


ACTS: dict[str, Callable[[Sealer], bytes]] = {
    "start": lambda sealer: sealer.start(OK),
    "whole": lambda sealer: sealer.whole(OK, b""),
    "send": lambda sealer: sealer.send(b""),
    "end": lambda sealer: sealer.end(),
}


@pytest.mark.parametrize(
    ("done", "where", "refused"),
    [
        ([], "before its head", ["send", "end"]),
        (["start"], "in its body", ["start", "whole"]),
        (["start", "send"], "in its body", ["start", "whole"]),
        (["start", "end"], "at its end", ["start", "whole", "send", "end"]),
        (["whole"], "at its end", ["start", "whole", "send", "end"]),
    ],
)
def test_a_response_is_sealed_in_its_order(done: list[str], where: str, refused: list[str]) -> None:
    sealer, _ = make()
    for name in done:
        ACTS[name](sealer)
    for name in refused:
        with pytest.raises(MisuseError, match=where):
            ACTS[name](sealer)


def test_a_head_that_fits_no_chunk_is_misuse() -> None:
    head = ResponseHead(status=200, headers=(("x-long", "a" * CHUNK),))
    with pytest.raises(MisuseError, match="1024"):
        make()[0].start(head)
    with pytest.raises(MisuseError, match="1024"):
        make()[0].whole(head, b"body")


def test_another_salt_is_another_key() -> None:
    assert make()[0].whole(OK, b"")[PREFIX_BYTES:] != make(salt=b"\1" * 32)[0].whole(OK, b"")[PREFIX_BYTES:]


@each_framing
def test_a_chunk_larger_than_agreed_is_refused(framing: type[Framing]) -> None:
    sealer, _ = make(framing, chunk=2048)
    opener = Opener(SECRETS, 7, chunk=CHUNK, framing=framing)
    with pytest.raises(NotAuthenticError):
        opener.feed(sealer.whole(OK, bytes(1500)))


def test_nothing_follows_the_final_chunk_even_if_it_is_authentic() -> None:
    sealer, opener = make()
    opener.feed(sealer.whole(OK, b""))
    sealer._stage = Stage.BODY
    with pytest.raises(NotAuthenticError):
        opener.feed(sealer.end(b"more"))
