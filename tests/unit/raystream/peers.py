"""Two real peers on a fake wire: a client, and server processes that share the rows of a fake database."""

import itertools
from dataclasses import replace

from kontract.raystream.answers import Data, End, Event, Opener
from kontract.raystream.client import Call, Client
from kontract.raystream.envelope import RequestHead, ResponseHead
from kontract.raystream.errors import NotAuthenticError
from kontract.raystream.frames import RESET, Init, Resume
from kontract.raystream.framing import Framing, Lengths
from kontract.raystream.keys import KeyRing, Pins, StaticKey
from kontract.raystream.limits import Limits
from kontract.raystream.server import Admitted, Server
from kontract.raystream.state import SessionState
from kontract.raystream.suites import SUITES, Suite

AUDIENCE = "tests.example"
WRAPPING_KEY = bytes(range(32))
KEY = StaticKey.generate(not_after=1e12)
POST = RequestHead(method="POST", path="/rpc/add?x=1", headers=(("authorization", "Bearer t"),))
OK = ResponseHead(status=200, headers=(("content-type", "application/json"),))
SUITE_LIST = tuple(SUITES.values())


def make_server(key: StaticKey = KEY, *, audience: str = AUDIENCE, limits: Limits | None = None) -> Server:
    """Return what one process of the server has."""
    return Server(KeyRing(audience, [key]), WRAPPING_KEY, limits=limits)


def make_pins(key: StaticKey = KEY) -> Pins:
    """Return what a client is built with."""
    return Pins(audience=AUDIENCE, keys=(key.public,))


class Gateway:
    """Server processes, taken in turns, with one store of rows, as JSON would keep them; what it admits it keeps."""

    def __init__(self, *servers: Server) -> None:
        self.rows: dict[bytes, dict[str, object]] = {}
        self.admitted: list[Admitted] = []
        self.refusals: list[NotAuthenticError] = []
        self._servers = itertools.cycle(servers or (make_server(),))

    def load(self, sid: bytes) -> SessionState | None:
        """Return a session's state, decoded anew."""
        return SessionState.decode(self.rows[sid]) if sid in self.rows else None

    def store(self, state: SessionState) -> None:
        """Keep a session's state."""
        self.rows[state.sid] = state.encode()

    def answer(self, data: bytes, now: float, framing: type[Framing] = Lengths, body: bytes = b"") -> bytes:
        """Return the answer to whatever comes: ACCEPT, a whole response that echoes, or RESET."""
        try:
            return self._answer(next(self._servers), data, now, framing, body)
        except NotAuthenticError as error:
            self.refusals.append(error)
            return RESET

    def _answer(self, server: Server, data: bytes, now: float, framing: type[Framing], body: bytes) -> bytes:
        message = server.parse(data)
        if isinstance(message, Init):
            accepted = server.accept(message, now)
            self.store(accepted.state)
            return accepted.frame
        if isinstance(message, Resume):
            resumed = server.open_resume(message, self.load(message.sid), now).admit(self.load(message.sid), now)
            self.store(resumed.previous)
            self.store(resumed.state)
            return resumed.frame
        admitted = server.open(message, self.load(message.sid)).admit(self.load(message.sid), now)
        self.store(admitted.state)
        self.admitted.append(admitted)
        head, sent = admitted.request()
        return admitted.answer(framing).whole(OK, body or head.path.encode() + sent)


def connect(gateway: Gateway, now: float = 0, *, suite: Suite = SUITE_LIST[0], pins: Pins | None = None) -> Client:
    """Return a client in a session."""
    client = Client(pins or make_pins(), suite=suite)
    client.receive(gateway.answer(client.start(), now), now)
    return client


def expire(gateway: Gateway, sid: bytes, now: float) -> None:
    """Let a session's time be over."""
    state = gateway.load(sid)
    assert state is not None
    gateway.store(replace(state, expires_at=now))


def exchange(client: Client, gateway: Gateway, body: bytes = b"", now: float = 1) -> bytes:
    """Make a call and return the body of its answer."""
    call = client.request(POST, body, now)
    return read(call, gateway.answer(call.frame, now))


def read(call: Call, wire: bytes, framing: type[Framing] = Lengths) -> bytes:
    """Return the body of a whole response."""
    opener = call.open(framing)
    events = opener.feed(wire)
    opener.close()
    return body_of(events)


def body_of(events: list[Event]) -> bytes:
    """Return the body of the events of a whole response, which they must be."""
    assert isinstance(events[0], ResponseHead)
    assert events[-1] == End()
    return b"".join(event.data for event in events if isinstance(event, Data))


def drain(opener: Opener, wire: bytes, size: int) -> list[Event]:
    """Feed a response in parts of ``size`` bytes and return all events."""
    return [event for at in range(0, len(wire), size) for event in opener.feed(wire[at : at + size])]
