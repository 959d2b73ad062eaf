"""The encrypted channel under a client: what both kinds of ``kontract.client.transports`` share.

One session serves all calls, several at once.  It is resumed before it ends; while answers are still open, a new one
is begun beside it instead, so that they can come to their end.  Handshakes are made one at a time, and calls wait.
Another caller gets another session, because the server lets one belong to whoever signs in over it first.
"""

import time
from collections.abc import Mapping
from typing import Final, cast

import httpx

from kontract.client.errors import ChannelError
from kontract.raystream.answers import Data, Opener
from kontract.raystream.client import Call, Client, Step
from kontract.raystream.envelope import RequestHead, ResponseHead
from kontract.raystream.errors import InvalidEnvelopeError, NotAuthenticError, SessionResetError, TruncatedError
from kontract.raystream.frames import HEADER_BYTES
from kontract.raystream.framing import Framing, Lengths, Lines
from kontract.raystream.keys import Pins

PATH: Final = "_rs"
SHORT: Final = 1024  # bytes; whatever answers a handshake, or is RESET, is shorter

_FAULTS: Final = (NotAuthenticError, SessionResetError, TruncatedError, InvalidEnvelopeError)
_FRAMINGS: Final[Mapping[str, type[Framing]]] = {Lengths.content_type: Lengths, Lines.content_type: Lines}
_OF_TRANSPORT: Final = frozenset({"accept-encoding", "connection", "content-length", "host", "transfer-encoding"})


class Session:
    """The session of one client, and which of its answers are open."""

    def __init__(self, base: httpx.URL, pins: Pins) -> None:
        self._url = base.join(PATH)
        self._client = Client(pins)
        self._open: set[bytes] = set()
        self._attempts = len(pins.keys) + 1  # to make a handshake: one that resumes, and one with each key
        self._caller = ""

    def open_handshake(self, request: httpx.Request) -> bytes | None:
        """Return the message that has to come before a request; None where none has to."""
        caller = request.headers.get("Authorization", "")
        is_another = bool(caller and self._caller) and caller != self._caller
        step = Step.START if is_another else self._client.next_step(time.monotonic())
        if step is Step.REQUEST:
            self._caller = self._caller or caller
            return None
        if step is Step.RESUME and not self._open:
            return self._client.resume()
        self._client.drop()
        self._caller = ""
        return self._client.start()

    def finish_handshake(self, outer: httpx.Response, accept: bytes, attempt: int) -> None:
        """Take the answer to a handshake; where it is none, the next attempt is with the next key.

        Raises ``ChannelError`` when all have failed, or the server makes no handshakes now.
        """
        if outer.status_code not in (200, 400):
            raise ChannelError(f"{self._url} answered a handshake with status {outer.status_code}. Try again later.")
        try:
            self._client.receive(accept, time.monotonic())
        except _FAULTS as error:
            if attempt + 1 >= self._attempts:
                raise ChannelError(
                    f"{self._url} proves none of the keys that this client pins. Either it is another server, or the "
                    "client is too old: generate it anew with kontract_compile."
                ) from error

    def seal(self, request: httpx.Request, body: bytes) -> Call:
        """Return a sealed request, whose answer is open until ``end``.  Raises ``MisuseError``."""
        headers = tuple((name, value) for name, value in request.headers.multi_items() if name not in _OF_TRANSPORT)
        head = RequestHead(method=request.method, path=request.url.raw_path.decode("ascii"), headers=headers)
        call = self._client.request(head, body, time.monotonic())
        self._open.add(call.frame[:HEADER_BYTES])
        return call

    def wrap(self, frame: bytes, request: httpx.Request) -> httpx.Request:
        """Return the outer request, which has nothing of the inner one but how long to wait for it.

        Nor has it anything of the carrying client's own headers and cookies, which may say who calls.
        """
        headers = {"Content-Type": Lengths.content_type, "Accept-Encoding": "identity"}
        extensions = {key: value for key, value in request.extensions.items() if key == "timeout"}
        return httpx.Request("POST", self._url, content=frame, headers=headers, extensions=extensions)

    def end(self, call: Call) -> None:
        """Note that an answer is not open any more."""
        self._open.discard(call.frame[:HEADER_BYTES])

    def drop(self, call: Call) -> ChannelError:
        """Forget the session of a call that was answered RESET, if it is still in use; return what to raise."""
        self._client.drop(call)
        return ChannelError(str(SessionResetError()))

    def open_answer(self, call: Call, outer: httpx.Response) -> "Answer | None":
        """Return what opens an answer; None for one that may be RESET.  Raises ``ChannelError`` for all others."""
        kind = outer.headers.get("Content-Type", "").partition(";")[0].strip()
        if outer.status_code == 400 and kind == Lengths.content_type:
            return None
        if outer.status_code != 200 or kind not in _FRAMINGS:
            raise ChannelError(
                f"{self._url} answered {outer.status_code} {kind}, which is not of raystream: something on the way did."
            )
        return Answer(call.open(_FRAMINGS[kind]))


class Answer:
    """An answer as it comes: first its head, with perhaps some of its body, then the rest."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._head: ResponseHead | None = None
        self.begun: list[bytes] = []  # what came of the body with the head

    def open_whole(self, sealed: bytes) -> httpx.Response:
        """Return the inner response of an answer that has come to its end.  Raises ``ChannelError``."""
        body = b"".join(self.read(sealed))
        self.finish()
        head = cast(ResponseHead, self._head)  # which an answer that came to its end has
        return httpx.Response(head.status, headers=list(head.headers), content=body)

    def begin(self, part: bytes) -> ResponseHead | None:
        """Take a part, b"" at the end; return the head as soon as it has come.  Raises ``ChannelError``."""
        self.begun += self.read(part)
        if not part:
            self.finish()
        return self._head

    def read(self, part: bytes) -> list[bytes]:
        """Return what a part brings of the body.  Raises ``ChannelError``."""
        try:
            events = self._opener.feed(part)
        except _FAULTS as error:
            raise ChannelError(str(error)) from error
        if events and isinstance(events[0], ResponseHead):
            self._head = events[0]
        return [event.data for event in events if isinstance(event, Data)]

    def finish(self) -> None:
        """Raise ``ChannelError`` unless all of the answer has come."""
        try:
            self._opener.close()
        except TruncatedError as error:
            raise ChannelError(str(error)) from error
