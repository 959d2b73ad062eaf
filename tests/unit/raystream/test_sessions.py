"""Sessions from handshake to end: a client and several server processes that share rows."""

import copy
import pickle
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from kontract.raystream import frames
from kontract.raystream.client import Client, Step
from kontract.raystream.envelope import RequestHead
from kontract.raystream.errors import MisuseError, NotAuthenticError, PrincipalError, SessionResetError
from kontract.raystream.framing import Lengths
from kontract.raystream.keys import KeyRing, Pins, StaticKey
from kontract.raystream.limits import Limits
from kontract.raystream.server import Server
from kontract.raystream.state import SessionState, Status
from kontract.raystream.suites import AES_256_GCM, CHACHA20_POLY1305, Suite

from .peers import (
    AUDIENCE,
    KEY,
    OK,
    POST,
    SUITE_LIST,
    WRAPPING_KEY,
    Gateway,
    connect,
    exchange,
    expire,
    make_pins,
    make_server,
    read,
)

each_suite = pytest.mark.parametrize("suite", SUITE_LIST, ids=lambda suite: suite.name)


def sid_of(call_or_frame: bytes) -> bytes:
    return frames.unpack_header(call_or_frame)[2]


def state_of(gateway: Gateway, client: Client) -> SessionState:
    """Return the stored state of the client's present session."""
    state = gateway.load(sid_of(client.request(POST, b"", 1).frame))
    assert state is not None
    return state


@each_suite
def test_processes_that_share_rows_serve_one_session(suite: Suite) -> None:
    gateway = Gateway(make_server(), make_server(), make_server())
    client = connect(gateway, suite=suite)
    assert [exchange(client, gateway, b"%d" % number) for number in range(7)] == [
        b"/rpc/add?x=1%d" % number for number in range(7)
    ]
    assert [admitted.seq for admitted in gateway.admitted] == list(range(7))
    assert gateway.admitted[-1].exporter == client.exporter


def test_a_request_is_admitted_once_whichever_process_it_comes_to() -> None:
    gateway = Gateway(make_server(), make_server())
    client = connect(gateway)
    frame = client.request(POST, b"", 1).frame
    assert gateway.answer(frame, 1) != frames.RESET
    assert [gateway.answer(frame, 1) for _ in range(3)] == [frames.RESET] * 3
    assert len(gateway.admitted) == 1


def test_of_two_processes_that_start_from_one_row_the_second_finds_it_changed() -> None:
    gateway = Gateway()
    client = connect(gateway)
    frame = client.request(POST, b"", 1).frame
    one, two = make_server(), make_server()
    row = gateway.load(sid_of(frame))
    opened = [server.open(_request(server, frame), row) for server in (one, two)]
    gateway.store(opened[0].admit(gateway.load(sid_of(frame)), 1).state)
    with pytest.raises(NotAuthenticError):
        opened[1].admit(gateway.load(sid_of(frame)), 1)


def _request(server: Server, frame: bytes) -> frames.Request:
    message = server.parse(frame)
    assert isinstance(message, frames.Request)
    return message


def test_requests_may_overtake_each_other() -> None:
    gateway = Gateway()
    client = connect(gateway)
    calls = [client.request(POST, b"%d" % number, 1) for number in range(20)]
    assert [read(call, gateway.answer(call.frame, 1)) for call in reversed(calls)] == [
        b"/rpc/add?x=1%d" % number for number in reversed(range(20))
    ]


def test_a_forgery_does_not_move_the_window() -> None:
    gateway = Gateway()
    client = connect(gateway)
    exchange(client, gateway)
    frame = client.request(POST, b"", 1).frame
    kind, suite, sid, _ = frames.unpack_header(frame)
    forged = frames.pack_header(kind, suite, sid, 2**20 - 1) + frame[frames.HEADER_BYTES :]
    before = gateway.rows[sid]
    assert gateway.answer(forged, 1) == frames.RESET
    assert gateway.rows[sid] == before
    assert gateway.answer(frame, 1) != frames.RESET


def test_a_session_is_pending_until_its_first_request() -> None:
    gateway = Gateway()
    client = connect(gateway, now=0)
    (sid,) = gateway.rows
    state = gateway.load(sid)
    assert state is not None
    assert (state.status, state.expires_at, state.ends_at) == (Status.PENDING, 30, 3600)
    exchange(client, gateway, now=29)
    state = gateway.load(sid)
    assert state is not None
    assert (state.status, state.expires_at) == (Status.OPEN, 29 + 300)


@pytest.mark.parametrize(
    ("times", "answered"),
    [
        ([30], [False]),  # it lived 30 s unconfirmed
        ([1, 300], [True, True]),
        ([1, 301], [True, False]),  # idle for 5 min
        ([*range(1, 3600, 299), 3599], [True] * 14),
        ([*range(1, 3600, 299), 3600], [True] * 13 + [False]),  # an hour, however busy
    ],
)
def test_a_session_ends_in_time(times: list[int], answered: list[bool]) -> None:
    gateway = Gateway()
    client = connect(gateway, now=0)
    assert [gateway.answer(client.request(POST, b"", t).frame, t) != frames.RESET for t in times] == answered


def test_a_session_has_as_many_requests_as_its_limit_says() -> None:
    gateway = Gateway(make_server(limits=Limits(requests=3)))
    client = connect(gateway)
    assert [exchange(client, gateway) for _ in range(3)]
    with pytest.raises(MisuseError, match="Resume"):
        client.request(POST, b"", 1)


def test_the_server_enforces_the_limit_on_requests_itself() -> None:
    gateway = Gateway(make_server(limits=Limits(requests=3)))
    client = connect(gateway)
    greedy = client._channel
    assert greedy is not None
    greedy.limits = Limits()
    frames_sent = [client.request(POST, b"", 1).frame for _ in range(4)]
    assert [gateway.answer(frame, 1) == frames.RESET for frame in frames_sent] == [False, False, False, True]


def test_a_client_refuses_a_request_beyond_the_servers_frame_limit_and_the_server_does_too() -> None:
    gateway = Gateway(make_server(limits=Limits(frame=2000)))
    client = connect(gateway)
    with pytest.raises(MisuseError, match="2000"):
        client.request(POST, bytes(2000), 1)
    generous = connect(Gateway(make_server()))
    with pytest.raises(NotAuthenticError):
        make_server(limits=Limits(frame=2000)).parse(generous.request(POST, bytes(2000), 1).frame)


@each_suite
def test_a_resumed_session_replaces_the_old_one(suite: Suite) -> None:
    gateway = Gateway(make_server(), make_server())
    client = connect(gateway, suite=suite)
    exchange(client, gateway)
    (old,) = gateway.rows
    exporter = client.exporter
    client.receive(gateway.answer(client.resume(), 5), 5)
    assert exchange(client, gateway, b"!", now=6) == b"/rpc/add?x=1!"
    assert client.exporter != exporter
    (new,) = set(gateway.rows) - {old}
    old_state, new_state = gateway.load(old), gateway.load(new)
    assert old_state is not None
    assert new_state is not None
    assert (old_state.status, old_state.ends_at, old_state.wrapped) == (Status.DRAINING, 65, b"")
    assert (new_state.status, new_state.ends_at) == (Status.OPEN, 3605)


def test_answers_that_are_open_go_on_after_a_resumption() -> None:
    gateway = Gateway()
    client = connect(gateway)
    call = client.request(POST, b"", 1)
    gateway.answer(call.frame, 1)
    sealer = gateway.admitted[-1].answer(Lengths)
    opener = call.open(Lengths)
    opener.feed(sealer.start(OK, b"one"))
    client.receive(gateway.answer(client.resume(), 5), 5)
    assert opener.feed(sealer.end(b"two"))
    opener.close()


def test_a_session_is_resumed_once() -> None:
    gateway = Gateway(make_server(), make_server())
    client = connect(gateway)
    exchange(client, gateway)
    opening = client.resume()
    assert gateway.answer(opening, 5) != frames.RESET
    rows = dict(gateway.rows)
    assert gateway.answer(opening, 5) == frames.RESET
    assert gateway.rows == rows


def test_of_two_resumptions_that_start_from_one_row_the_second_finds_it_changed() -> None:
    gateway, server = Gateway(), make_server()
    client = connect(gateway)
    exchange(client, gateway)
    message = server.parse(client.resume())
    assert isinstance(message, frames.Resume)
    row = gateway.load(message.sid)
    one, two = (server.open_resume(message, row, 5) for _ in range(2))
    gateway.store(one.admit(gateway.load(message.sid), 5).previous)
    with pytest.raises(NotAuthenticError):
        two.admit(gateway.load(message.sid), 5)


def test_the_old_session_takes_no_request_after_a_resumption() -> None:
    gateway = Gateway(make_server(), make_server())
    client = connect(gateway)
    exchange(client, gateway)
    late = client.request(POST, b"", 4).frame
    client.receive(gateway.answer(client.resume(), 5), 5)
    assert gateway.answer(late, 5) == frames.RESET


def test_a_session_that_nobody_confirmed_cannot_be_resumed() -> None:
    gateway = Gateway()
    client = connect(gateway)
    assert gateway.answer(client.resume(), 1) == frames.RESET


def test_a_resumption_keeps_the_suite() -> None:
    gateway = Gateway()
    client = connect(gateway, suite=CHACHA20_POLY1305)
    exchange(client, gateway)
    client._suite = AES_256_GCM
    assert gateway.answer(client.resume(), 2) == frames.RESET


def test_a_resumption_keeps_the_owner() -> None:
    gateway = Gateway()
    client = connect(gateway)
    exchange(client, gateway)
    (old,) = gateway.rows
    state = gateway.load(old)
    assert state is not None
    gateway.store(state.bind("alice"))
    client.receive(gateway.answer(client.resume(), 5), 5)
    assert state_of(gateway, client).owner == "alice"


def test_the_first_principal_binds_and_another_is_refused() -> None:
    gateway = Gateway()
    connect(gateway)
    (state,) = (gateway.load(sid) for sid in gateway.rows)
    assert state is not None
    bound = state.bind("alice")
    assert bound.bind("alice").owner == "alice"
    with pytest.raises(PrincipalError, match="somebody else"):
        bound.bind("bob")


def test_a_state_survives_being_stored() -> None:
    gateway = Gateway()
    client = connect(gateway)
    for number in range(40):
        frame = client.request(POST, b"", 1).frame
        if number % 3:
            gateway.answer(frame, 1)
    (sid,) = gateway.rows
    state = gateway.load(sid)
    assert state is not None
    assert SessionState.decode(state.encode()) == state
    assert state.window.bits.bit_count() == 26
    assert WRAPPING_KEY not in state.wrapped
    assert client._channel is not None
    for secret in (client._channel.secrets.c2s, client._channel.secrets.s2c, client.exporter):
        assert secret[:16] not in state.wrapped
        assert secret.hex() not in repr((state, gateway.admitted, client._channel.secrets))


def test_a_row_of_another_session_is_misuse() -> None:
    gateway, server = Gateway(), make_server()
    one, two = connect(gateway), connect(gateway)
    message = _request(server, one.request(POST, b"", 1).frame)
    with pytest.raises(MisuseError, match="is that of session"):
        server.open(message, gateway.load(sid_of(two.request(POST, b"", 1).frame)))


@pytest.mark.parametrize("change", ["another key", "other bytes", "another session's"])
def test_secrets_that_cannot_be_unwrapped_are_no_session(change: str) -> None:
    gateway = Gateway()
    client = connect(gateway)
    connect(gateway)
    frame = client.request(POST, b"", 1).frame
    state = gateway.load(sid_of(frame))
    other = next(other for sid in gateway.rows if sid != sid_of(frame) and (other := gateway.load(sid)))
    assert state is not None
    if change == "another key":
        gateway = Gateway(Server(KeyRing(AUDIENCE, [KEY]), bytes(32)))
    gateway.store(
        replace(state, wrapped={"other bytes": state.wrapped[:-1], "another session's": other.wrapped}[change])
        if change != "another key"
        else state
    )
    assert gateway.answer(frame, 1) == frames.RESET


def test_a_client_goes_through_its_stages_only() -> None:
    client = Client(make_pins())
    gateway = Gateway()
    for act in (client.resume, lambda: client.request(POST, b"", 0), lambda: client.receive(b"", 0)):
        with pytest.raises(MisuseError, match="without a session"):
            act()
    with pytest.raises(MisuseError, match="Start"):
        client.exporter  # noqa: B018
    opening = client.start()
    for act in (client.start, client.resume, lambda: client.request(POST, b"", 0)):
        with pytest.raises(MisuseError, match="in a handshake"):
            act()
    client.receive(gateway.answer(opening, 0), 0)
    with pytest.raises(MisuseError, match="in a session"):
        client.receive(b"", 0)
    exchange(client, gateway)
    client.resume()
    for act in (client.start, client.resume, lambda: client.request(POST, b"", 0)):
        with pytest.raises(MisuseError, match="resuming"):
            act()
    client.drop()
    client.receive(gateway.answer(client.start(), 0), 0)
    assert exchange(client, gateway)


def test_a_reset_in_a_handshake_leads_to_a_new_one_with_the_next_pinned_key() -> None:
    retired, current = StaticKey.generate(not_after=10), StaticKey.generate(not_after=1e12)
    gateway = Gateway(Server(KeyRing(AUDIENCE, [retired, current]), WRAPPING_KEY))
    client = Client(Pins(audience=AUDIENCE, keys=(retired.public, current.public)))
    client.receive(gateway.answer(client.start(), 10), 10)
    assert exchange(client, gateway, now=10)
    client.drop()
    with pytest.raises(SessionResetError):
        client.receive(gateway.answer(client.start(), 11), 11)
    client.receive(gateway.answer(client.start(), 11), 11)
    assert exchange(client, gateway, now=12)


def test_a_reset_of_a_resumption_leads_to_a_new_handshake() -> None:
    gateway = Gateway()
    client = connect(gateway)
    exchange(client, gateway)
    (sid,) = gateway.rows
    expire(gateway, sid, now=2)
    with pytest.raises(SessionResetError):
        client.receive(gateway.answer(client.resume(), 2), 2)
    assert client.next_step(2) is Step.START
    client.receive(gateway.answer(client.start(), 2), 2)
    assert exchange(client, gateway, now=3)


def test_a_reset_answer_to_a_call_says_so() -> None:
    gateway = Gateway()
    client = connect(gateway)
    call = client.request(POST, b"", 1)
    opener = call.open(Lengths)
    assert opener.feed(frames.RESET[:10]) == []
    with pytest.raises(SessionResetError):
        opener.feed(frames.RESET[10:])


def test_a_client_knows_when_to_resume_and_when_to_start() -> None:
    gateway = Gateway(make_server(limits=Limits(requests=8)))
    client = Client(make_pins())
    assert client.next_step(0) is Step.START
    client.receive(gateway.answer(client.start(), 0), 0)
    assert [client.next_step(t) for t in (0, 22, 23)] == [Step.REQUEST, Step.REQUEST, Step.START]
    exchange(client, gateway, now=1)
    assert [client.next_step(t) for t in (1, 225, 226, 300, 301)] == [
        Step.REQUEST,
        Step.REQUEST,
        Step.RESUME,
        Step.RESUME,
        Step.START,
    ]
    for _ in range(5):
        exchange(client, gateway, now=2)
    assert client.next_step(2) is Step.RESUME
    client.receive(gateway.answer(client.resume(), 3), 3)
    assert client.next_step(3) is Step.REQUEST


def test_a_busy_client_resumes_before_its_hour_is_over() -> None:
    client = connect(Gateway(), now=0)
    steps = {}
    for now in range(0, 3700, 100):
        steps[now] = client.next_step(now)
        client.request(POST, b"", now)
    del steps[0]
    assert {now for now, step in steps.items() if step is Step.RESUME} == set(range(2700, 3600, 100))
    assert {now for now, step in steps.items() if step is Step.START} == {3600}


def test_a_client_is_neither_copied_nor_stored() -> None:
    client = connect(Gateway())
    for act in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(MisuseError, match="twice"):
            act(client)


PROGRAM = """
import os
from kontract.raystream.errors import MisuseError
from tests.unit.raystream.peers import POST, Gateway, connect
client = connect(Gateway())
child = os.fork()
if child == 0:
    try:
        client.request(POST, b"", 1)
    except MisuseError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


def test_a_client_is_not_used_after_a_fork() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert run.stdout == "This session was made before the process forked. Make a client in each process.\n"


def test_threads_never_draw_one_number_twice() -> None:
    client = connect(Gateway())
    numbers: list[int] = []
    threads = [
        threading.Thread(target=lambda: numbers.extend(client.request(POST, b"", 1).seq for _ in range(200)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(800))


def test_no_two_handshakes_of_one_client_are_alike() -> None:
    gateway, client = Gateway(), Client(make_pins())
    seen = set()
    for _ in range(5):
        client.receive(gateway.answer(client.start(), 0), 0)
        seen.add(client.exporter)
    assert len(seen) == len(gateway.rows) == 5


def test_a_client_uses_only_pinned_suites() -> None:
    pins = Pins(audience=AUDIENCE, keys=(KEY.public,), suites=(CHACHA20_POLY1305,))
    with pytest.raises(MisuseError, match="AESGCM"):
        Client(pins, suite=AES_256_GCM)


def test_the_head_is_checked_before_a_number_is_drawn() -> None:
    client = connect(Gateway())
    with pytest.raises(MisuseError, match="path"):
        client.request(RequestHead(method="GET", path="rpc"), b"", 1)
    assert client.request(POST, b"", 1).seq == 0
