"""Whatever is done to a message on its way: nobody takes it for authentic, and all refusals are alike."""

import random
from collections.abc import Callable
from typing import NamedTuple

import pytest

from kontract.raystream import frames
from kontract.raystream.answers import Opener
from kontract.raystream.client import Client
from kontract.raystream.envelope import RequestHead
from kontract.raystream.errors import (
    InvalidEnvelopeError,
    NotAuthenticError,
    RaystreamError,
    SessionResetError,
    TruncatedError,
)
from kontract.raystream.framing import Framing, Lengths, Lines
from kontract.raystream.state import SessionState
from kontract.raystream.suites import Suite

from .damage import flips, kinds, truncations
from .peers import OK, POST, SUITE_LIST, Gateway, connect, drain, exchange, make_pins, make_server, read
from .ranks import UNLIKELY, Act, compare, refused
from .test_frames import MUTATIONS, mutate

MESSAGES = ("INIT", "RESUME", "REQUEST")
FRAMINGS: list[type[Framing]] = [Lengths, Lines]
each_suite = pytest.mark.parametrize("suite", SUITE_LIST, ids=lambda suite: suite.name)
each_framing = pytest.mark.parametrize("framing", FRAMINGS, ids=lambda framing: framing.__name__)


class Sent(NamedTuple):
    """A message that is on its way to the gateway."""

    gateway: Gateway
    client: Client
    data: bytes


def send(kind: str, suite: int = 1) -> Sent:
    """Return a message of this kind, which the gateway would take."""
    gateway = Gateway()
    client = connect(gateway, suite=SUITE_LIST[suite - 1])
    exchange(client, gateway)
    if kind == "INIT":
        client.drop()
        return Sent(gateway, client, client.start())
    return Sent(gateway, client, client.resume() if kind == "RESUME" else client.request(POST, b"body", 1).frame)


@pytest.mark.parametrize("kind", MESSAGES)
@pytest.mark.parametrize("suite", [1, 2])
def test_the_gateway_gives_one_answer_to_every_kind_of_damage(kind: str, suite: int) -> None:
    sent = send(kind, suite)
    rows = dict(sent.gateway.rows)
    damaged = kinds(sent.data)
    assert len(damaged) >= 12
    answers = {name: sent.gateway.answer(data, 1) for name, data in damaged.items() if data != sent.data}
    assert set(answers.values()) == {frames.RESET}
    assert {(type(error), str(error), error.args) for error in sent.gateway.refusals} == {
        (NotAuthenticError, str(NotAuthenticError()), NotAuthenticError().args)
    }
    assert len(sent.gateway.refusals) == len(answers)
    assert sent.gateway.rows == rows
    assert sent.gateway.answer(sent.data, 1) != frames.RESET


@pytest.mark.parametrize("kind", MESSAGES)
def test_the_gateway_refuses_every_flip_and_every_prefix(kind: str) -> None:
    sent = send(kind)
    rows = dict(sent.gateway.rows)
    for data in (*flips(sent.data), *truncations(sent.data)):
        assert sent.gateway.answer(data, 1) == frames.RESET
    assert sent.gateway.rows == rows
    assert sent.gateway.answer(sent.data, 1) != frames.RESET


def test_a_replay_and_a_number_too_old_are_answered_as_a_forgery_is() -> None:
    sent = send("REQUEST")
    last = sent.client.request(POST, b"", 1)
    numbers = [sent.client.request(POST, b"", 1) for _ in range(1024)]
    for call in (last, numbers[-1]):
        assert sent.gateway.answer(call.frame, 1) != frames.RESET
    for data in (last.frame, sent.data, bytes(len(sent.data))):
        assert sent.gateway.answer(data, 1) == frames.RESET
    assert len({(type(error), str(error)) for error in sent.gateway.refusals}) == 1


@each_suite
def test_the_client_takes_no_damaged_accept(suite: Suite) -> None:
    gateway, client = Gateway(), Client(make_pins(), suite=suite)
    good = gateway.answer(client.start(), 1)
    for damage in (kinds_of, flips, truncations):
        for number in range(len(list(damage(good)))):
            client.drop()
            damaged = list(damage(gateway.answer(client.start(), 1)))[number]
            with pytest.raises((NotAuthenticError, SessionResetError)):
                client.receive(damaged, 1)


def kinds_of(data: bytes) -> list[bytes]:
    return [damaged for damaged in kinds(data).values() if damaged != data]


class Answer(NamedTuple):
    """A response on its way to the client, in its pieces on the wire, and what opens it."""

    pieces: list[bytes]
    reopen: Callable[[], Opener]


def respond(framing: type[Framing]) -> Answer:
    """Return a response of a head and four chunks, one of them empty."""
    gateway = Gateway()
    client = connect(gateway)
    call = client.request(POST, b"", 1)
    gateway.answer(call.frame, 1)
    sealer = gateway.admitted[-1].answer(framing)
    start = sealer.start(OK)
    prefix = len(framing.encode_prefix(bytes(60)))
    pieces = [
        start[:prefix],
        start[prefix:],
        sealer.send(b"one"),
        sealer.send(b""),
        sealer.send(b"two"),
        sealer.end(b"3"),
    ]
    return Answer(pieces, lambda: call.open(framing))


def accepted(answer: Answer, pieces: list[bytes]) -> bool:
    """Tell whether the client takes these pieces for a whole response."""
    opener = answer.reopen()
    try:
        opener.feed(b"".join(pieces))
        opener.close()
    except (NotAuthenticError, TruncatedError, SessionResetError):
        return False
    return True


@each_framing
def test_the_client_takes_every_chunk_once_and_in_its_order(framing: type[Framing]) -> None:
    answer = respond(framing)
    pieces = answer.pieces
    assert accepted(answer, pieces)
    for at in range(len(pieces)):
        assert not accepted(answer, pieces[:at] + pieces[at + 1 :]), f"without {at}"
        assert not accepted(answer, pieces[: at + 1] + pieces[at:]), f"{at} repeated"
        assert not accepted(answer, pieces[:at]), f"cut off before {at}"
        for other in range(at):
            swapped = [*pieces]
            swapped[at], swapped[other] = pieces[other], pieces[at]
            assert not accepted(answer, swapped), f"{at} and {other} swapped"


@each_framing
def test_the_client_takes_no_prefix_of_a_response(framing: type[Framing]) -> None:
    answer = respond(framing)
    wire = b"".join(answer.pieces)
    ignored = 2 if framing is Lines else 0  # the end of the last line is nothing but that
    for end in range(len(wire) - ignored):
        assert not accepted(answer, [wire[:end]])


def test_the_client_takes_no_flip_of_a_response() -> None:
    answer = respond(Lengths)
    for data in flips(b"".join(answer.pieces)):
        assert not accepted(answer, [data])


def test_a_flip_of_an_event_stream_is_refused_or_changes_nothing() -> None:
    answer = respond(Lines)
    wire = b"".join(answer.pieces)
    expected = answer.reopen().feed(wire)
    for data in flips(wire):
        opener = answer.reopen()
        try:
            events = opener.feed(data)
            opener.close()
        except (NotAuthenticError, TruncatedError):
            continue
        assert events == expected  # such as another line end between two lines


@each_framing
def test_a_chunk_of_one_response_fits_no_other(framing: type[Framing]) -> None:
    gateway = Gateway()
    client = connect(gateway)
    calls = [client.request(POST, b"", 1) for _ in range(2)]
    wires = [gateway.answer(call.frame, 1, framing, b"answer") for call in calls]
    assert [read(call, wire, framing) for call, wire in zip(calls, wires, strict=True)] == [b"answer"] * 2
    prefix = len(framing.encode_prefix(bytes(60)))
    for wire in (wires[0], wires[1][:prefix] + wires[0][prefix:], wires[0][:prefix] + wires[1][prefix:]):
        with pytest.raises(NotAuthenticError):
            read(calls[1], wire, framing)


def test_the_answer_of_one_session_fits_no_other() -> None:
    gateway = Gateway()
    one, two = connect(gateway), connect(gateway)
    calls = [client.request(POST, b"", 1) for client in (one, two)]
    wires = [gateway.answer(call.frame, 1) for call in calls]
    with pytest.raises(NotAuthenticError):
        read(calls[0], wires[1])
    forged = frames.pack_header(frames.RESPONSE_TYPE, SUITE_LIST[0], wires[0][4:20], 0) + wires[1][28:]
    with pytest.raises(NotAuthenticError):
        read(calls[0], forged)


def test_a_request_is_no_answer_and_an_answer_no_request() -> None:
    gateway = Gateway()
    client = connect(gateway)
    call = client.request(POST, b"", 1)
    wire = gateway.answer(call.frame, 1)
    with pytest.raises(NotAuthenticError):
        read(call, call.frame)
    assert gateway.answer(wire, 1) == frames.RESET
    assert gateway.answer(wire[:1] + b"\x10" + wire[2:], 1) == frames.RESET


@each_framing
def test_nothing_follows_the_final_chunk(framing: type[Framing]) -> None:
    answer = respond(framing)
    opener = answer.reopen()
    opener.feed(b"".join(answer.pieces))
    with pytest.raises(NotAuthenticError):
        opener.feed(answer.pieces[-1])


@each_framing
@pytest.mark.parametrize("size", [1, 7, 61, 10_000])
def test_a_response_may_come_in_parts_of_any_size(framing: type[Framing], size: int) -> None:
    answer = respond(framing)
    wire = b"".join(answer.pieces)
    assert drain(answer.reopen(), wire, size) == answer.reopen().feed(wire)


@pytest.mark.parametrize("kind", MESSAGES)
def test_random_mutations_raise_nothing_but_the_protocols_own_error(kind: str) -> None:
    source = random.Random(kind)
    sent = send(kind)
    rows = dict(sent.gateway.rows)
    for _ in range(MUTATIONS // 25):
        data = mutate(source, sent.data)
        assert data == sent.data or sent.gateway.answer(data, 1) == frames.RESET
    assert sent.gateway.rows == rows


@each_framing
def test_random_mutations_of_a_response_raise_nothing_but_the_protocols_own_errors(framing: type[Framing]) -> None:
    source = random.Random(5)
    answer = respond(framing)
    wire = b"".join(answer.pieces)
    expected = answer.reopen().feed(wire)
    for _ in range(MUTATIONS // 25):
        opener = answer.reopen()
        try:
            events = drain(opener, mutate(source, wire), 100)
            opener.close()
        except (NotAuthenticError, TruncatedError, SessionResetError):
            continue
        assert events == expected


def test_an_authentic_peer_with_a_bad_envelope_gets_another_error_and_its_number_is_used() -> None:
    gateway = Gateway()
    client = connect(gateway)
    channel = client._channel
    assert channel is not None
    frame = channel.seal(channel.draw(1), b"\0\0\0\2[]")
    with pytest.raises(InvalidEnvelopeError):
        gateway.answer(frame, 1)
    assert gateway.answer(frame, 1) == frames.RESET
    assert exchange(client, gateway)


def test_no_error_of_a_peer_is_one_of_misuse() -> None:
    assert not issubclass(NotAuthenticError, RaystreamError.__subclasses__()[0])
    assert {error.__name__ for error in RaystreamError.__subclasses__()} >= {"MisuseError", "NotAuthenticError"}


def test_time_does_not_tell_a_session_that_exists_from_one_that_does_not() -> None:
    server, sent = make_server(), send("REQUEST")
    session = sent.gateway.load(sent.data[4:20])
    head = RequestHead(method="POST", path="/rpc/x")
    short, long = (sent.client.request(head, bytes(size), 1).frame[:-1] + b"?" for size in (2_000, 20_000))

    def refuse(frame: bytes, state: SessionState | None) -> Act:
        message = server.parse(frame)
        assert isinstance(message, frames.Request)
        return refused(lambda: server.open(message, state))

    known, unknown, slower = refuse(short, session), refuse(short, None), refuse(long, session)
    assert any(compare(known, unknown, 300) > UNLIKELY for _ in range(5))
    assert compare(known, slower, 300) < UNLIKELY  # what does take longer is told, and by the same test
