"""The handshake under attack: who is in the middle can make it fail, on both sides, and nothing else."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from kontract.raystream import frames
from kontract.raystream.client import Client
from kontract.raystream.errors import NotAuthenticError, SessionResetError
from kontract.raystream.frames import Init
from kontract.raystream.keys import KeyRing, Pins, StaticKey
from kontract.raystream.noise import Initiator
from kontract.raystream.schedule import prologue
from kontract.raystream.server import Accepted, Server
from kontract.raystream.suites import AES_256_GCM, CHACHA20_POLY1305, Suite

from .peers import AUDIENCE, KEY, POST, SUITE_LIST, WRAPPING_KEY, Gateway, connect, exchange, make_pins, make_server

each_suite = pytest.mark.parametrize("suite", SUITE_LIST, ids=lambda suite: suite.name)
Change = Callable[[bytes], bytes]


def accept(server: Server, data: bytes) -> Accepted:
    message = server.parse(data)
    assert isinstance(message, Init)
    return server.accept(message, 0)


@each_suite
def test_both_sides_have_the_same_secrets(suite: Suite) -> None:
    gateway = Gateway()
    client = connect(gateway, suite=suite)
    exchange(client, gateway)
    assert gateway.admitted[0].exporter == client.exporter


@each_suite
def test_the_lengths_are_those_of_the_protocol(suite: Suite) -> None:
    client = Client(make_pins(), suite=suite)
    opening = client.start()
    assert len(opening) == 28 + 8 + 1 + 2 + 32 + 48
    assert len(accept(make_server(), opening).frame) == 28 + 32 + 16 + 20 + 16


def test_a_man_in_the_middle_with_a_key_of_his_own_fails_on_both_sides() -> None:
    client = Client(make_pins())
    opening = client.start()
    his = StaticKey.generate(not_after=1e12)
    mallory = make_server(his)
    with pytest.raises(NotAuthenticError):
        accept(mallory, opening)
    renamed = opening[:28] + his.kid + opening[36:]
    with pytest.raises(NotAuthenticError):
        accept(mallory, renamed)
    towards_him = Client(make_pins(his))
    answer = accept(mallory, towards_him.start()).frame  # authentic, but not the answer to what the client said
    with pytest.raises(NotAuthenticError):
        client.receive(answer, 0)
    with pytest.raises(NotAuthenticError):
        accept(make_server(), Client(make_pins(his)).start())


def test_an_answer_to_another_client_is_no_answer_to_this_one() -> None:
    server = make_server()
    one, two = Client(make_pins()), Client(make_pins())
    answers = [accept(server, client.start()).frame for client in (one, two)]
    with pytest.raises(NotAuthenticError):
        one.receive(answers[1], 0)


CHANGES: dict[str, Change] = {
    "the offer in another order": lambda data: data[:37] + b"\2\1" + data[39:],
    "the offer cut short": lambda data: data[:36] + b"\1\1" + data[39:],
    "the offer made longer": lambda data: data[:36] + b"\3\1\2\3" + data[39:],
    "another suite": lambda data: data[:2] + b"\2" + data[3:],
    "only the other suite": lambda data: data[:2] + b"\2" + data[3:36] + b"\1\2" + data[39:],
    "another kid": lambda data: data[:28] + bytes(8) + data[36:],
    "another ephemeral key": lambda data: data[:39] + KEY.public + data[71:],
    "an ephemeral key of small order": lambda data: data[:39] + bytes(32) + data[71:],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_whatever_was_negotiated_cannot_be_changed(change: Change) -> None:
    client = Client(make_pins())
    gateway = Gateway()
    answer = gateway.answer(change(client.start()), 0)
    assert answer == frames.RESET
    assert not gateway.rows
    with pytest.raises(SessionResetError):
        client.receive(answer, 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:2] + b"\2" + data[3:],
        lambda data: data[:4] + b"\x5a" * 16 + data[20:],
        lambda data: data[:28] + bytes(32) + data[60:],
        lambda data: data[:28] + KEY.public + data[60:],
    ],
    ids=["suite", "sid", "small order", "ephemeral"],
)
def test_the_answer_cannot_be_changed(change: Change) -> None:
    client = Client(make_pins())
    answer = accept(make_server(), client.start()).frame
    with pytest.raises(NotAuthenticError):
        client.receive(change(answer), 0)


def test_a_failure_never_leads_to_another_suite() -> None:
    client = Client(make_pins(), suite=CHACHA20_POLY1305)
    for _ in range(3):
        opening = client.start()
        assert opening[2] == CHACHA20_POLY1305.id
        with pytest.raises(SessionResetError):
            client.receive(frames.RESET, 0)


def test_another_audience_fails() -> None:
    client = Client(make_pins())
    with pytest.raises(NotAuthenticError):
        accept(make_server(audience="tests.examplf"), client.start())


def test_a_suite_that_the_server_does_not_allow_fails() -> None:
    server = Server(KeyRing(AUDIENCE, [KEY]), WRAPPING_KEY, suites=[AES_256_GCM])
    with pytest.raises(NotAuthenticError):
        accept(server, Client(make_pins(), suite=CHACHA20_POLY1305).start())
    assert accept(server, Client(make_pins(), suite=AES_256_GCM).start())


def test_the_first_message_carries_nothing_and_must() -> None:
    agreed = prologue(AUDIENCE.encode(), (1,), CHACHA20_POLY1305, KEY.kid)
    for payload, fine in ((bytes(32), True), (b"\1" * 32, False)):
        noise = Initiator(CHACHA20_POLY1305, agreed, KEY.public, X25519PrivateKey.generate()).write(payload)
        message = Init(suite=CHACHA20_POLY1305, kid=KEY.kid, offer=(1,), noise=noise)
        if fine:
            assert make_server().accept(message, 0)
        else:
            with pytest.raises(NotAuthenticError):
                make_server().accept(message, 0)


def test_a_resumption_needs_the_old_sessions_secret() -> None:
    gateway = Gateway()
    victim, mallory = connect(gateway), connect(gateway)
    exchange(victim, gateway)
    exchange(mallory, gateway)
    opening = mallory.resume()
    sid = victim.request(POST, b"", 1).frame[4:20]
    assert gateway.answer(opening[:4] + sid + opening[20:], 1) == frames.RESET
    assert exchange(victim, gateway)


def test_an_init_is_no_resume_and_a_resume_no_init() -> None:
    gateway = Gateway()
    client = connect(gateway)
    exchange(client, gateway)
    (sid,) = gateway.rows
    resume = client.resume()
    assert gateway.answer(resume[:1] + b"\1" + resume[2:4] + bytes(16) + resume[20:], 1) == frames.RESET
    init = Client(make_pins()).start()
    assert gateway.answer(init[:1] + b"\3" + init[2:4] + sid + init[20:], 1) == frames.RESET
    assert gateway.answer(resume, 1) != frames.RESET


def test_a_server_takes_each_of_its_keys_until_its_time_is_over() -> None:
    old, new = StaticKey.generate(not_after=100), StaticKey.generate(not_after=200)
    gateway = Gateway(Server(KeyRing(AUDIENCE, [old, new]), WRAPPING_KEY))
    for now, answered in ((100, [True, True]), (101, [False, True]), (201, [False, False])):
        openings = [Client(Pins(audience=AUDIENCE, keys=(key.public,))).start() for key in (old, new)]
        assert [gateway.answer(opening, now) != frames.RESET for opening in openings] == answered
