"""Following tables and live queries: what is asked for, what events mean, and when to ask again.

Nothing here waits or sends; ``synchronous`` and ``asynchronous`` do.
"""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

import httpx

from kontract.client.errors import ClientError, KontractProblem, UnexpectedResponse
from kontract.client.options import Options
from kontract.client.patches import apply_patch
from kontract.client.procedure import Procedure, Request

T = TypeVar("T")

SILENCE: Final = 50.0  # seconds, in which the server would have sent two keep-alives
_FIRST_PAUSE: Final = 1.0  # seconds
_LONGEST_PAUSE: Final = 10.0  # at random up to that, so that a server that is back is not asked by all at once
_TRANSIENT: Final = frozenset({408, 425, 429})


class HistoryRemoved(ClientError):
    """What follows the cursor cannot be told any more: read everything anew, and subscribe ``after`` ``txid``."""

    def __init__(self, txid: int) -> None:
        super().__init__(f"What follows was removed. Read the table anew, and subscribe with after={txid}.")
        self.txid = txid


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of a document, as the subscriber may see it; what left its view is a delete.

    ``cursor`` is the position after it, to subscribe ``after`` later.  ``old`` is the document before an update, where
    it was asked for.
    """

    type: Literal["insert", "update", "delete"]
    table: str
    id: str
    data: dict[str, Any] | None
    old: dict[str, Any] | None
    owner: str | None
    txid: int
    ordinal: int
    at: datetime
    label: str | None
    cursor: str


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event, https://html.spec.whatwg.org/multipage/server-sent-events.html."""

    name: str
    id: str | None
    data: str


class EventReader:
    """Turns the bytes of a stream into events."""

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[str, list[str]] = {}

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that end in ``data``."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [event for line in lines if (event := self._read(line.removesuffix(b"\r").decode())) is not None]

    def _read(self, line: str) -> Event | None:
        if line:
            name, _, value = line.partition(":")
            self._fields.setdefault(name, []).append(value.removeprefix(" "))
            return None
        fields, self._fields = self._fields, {}
        if "event" not in fields:
            return None
        return Event(fields["event"][-1], fields.get("id", [None])[-1], "\n".join(fields.get("data", [])))


class StreamEnded(Exception):
    """The server ended a stream, and said why."""

    def __init__(self, problem: KontractProblem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class EventsRequest(Request):
    """The request for a stream."""

    body: Mapping[str, Any]

    def build(self, base: httpx.URL) -> dict[str, Any]:
        """See Request.build()."""
        accept = {"Accept": "text/event-stream, application/problem+json"}
        headers = {"Content-Type": "application/json", **accept, **self.headers}
        return {"method": "POST", "url": base.join("events/"), "content": json.dumps(self.body), "headers": headers}

    def read_problem(self, response: httpx.Response) -> KontractProblem:
        """See Request.read_problem(); what a proxy says while the server is away is a failure of the network."""
        try:
            return super().read_problem(response)
        except UnexpectedResponse as error:
            if response.status_code < 500:
                raise
            raise httpx.RemoteProtocolError(str(error)) from error


class Topic(Protocol[T]):
    """What is followed."""

    procedure: Procedure[Any]

    def ask(self) -> Mapping[str, Any]:
        """Return the subscription."""

    def take(self, event: Event) -> list[T]:
        """Return what an event gives."""


class Following(Generic[T]):
    """One subscription, over as many streams as it takes."""

    def __init__(self, topic: Topic[T], after: str | int | None) -> None:
        self._topic = topic
        self._cursor = None if after is None else str(after)
        self._options = Options()
        self._failures = 0
        self._is_lost = False
        self._is_over = False

    def prepare(self, options: Options) -> EventsRequest:
        """Return the request for the next stream."""
        self._options = options
        after = {} if self._cursor is None else {"after": self._cursor}
        return EventsRequest(
            procedure=self._topic.procedure,
            kwargs=b"",
            files={},
            headers=dict(options.headers),
            options=replace(options, retries=0, answer=None),
            body={"subscriptions": {"": self._topic.ask()}, **after},
        )

    def take(self, event: Event) -> list[T]:
        """Return what an event gives, which is never given again.

        Raises ``StreamEnded``, ``HistoryRemoved``, and what a live query fails with.
        """
        if event.id:
            self._cursor = event.id
        if event.name == "stream-open":
            self._is_lost = False
            if self._options.on_open is not None:
                self._options.on_open(event.id)
        if event.name == "stream-error":
            problem = json.loads(event.data)
            raise StreamEnded(KontractProblem.read(problem, problem["status"], None, {}))
        if event.name in ("change", "live"):
            self._failures = 0
        try:
            return self._topic.take(event)
        except Exception:
            self._is_over = True
            raise

    def wait_after(self, error: Exception | None) -> float:
        """Return the seconds to wait before the next stream, at random; raise the error where there will be none."""
        if error is not None and (self._is_over or _is_final(error)):
            raise error
        problem = error.problem if isinstance(error, StreamEnded) else error
        known = problem if isinstance(problem, KontractProblem) else None
        if known is not None and known.code == "token_expired" and self._failures == 0:
            self._failures = 1
            return 0.0  # the next token is had on the way
        self._lose(problem)
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(self._failures, 10))
        self._failures += 1
        asked = (known.retry_after if known is not None else None) or 0.0
        return asked + random.uniform(0.0, longest)  # noqa: S311 - jitter

    def _lose(self, error: Exception | None) -> None:
        if not self._is_lost and self._options.on_lost is not None:
            self._options.on_lost(error or httpx.RemoteProtocolError("The stream of events ended."))
        self._is_lost = True


def _is_final(error: Exception) -> bool:
    """Return whether asking again would not help."""
    if not isinstance(error, KontractProblem):
        return False
    return error.status == 501 or (400 <= error.status < 500 and error.status not in _TRANSIENT)


class TableTopic:
    """A table, as a subscriber follows it."""

    procedure: Procedure[Any] = Procedure(name="events", is_read_only=True)

    def __init__(self, table: str, where: Mapping[str, Any], *, old: bool) -> None:
        self._ask = {"table": table, "where": dict(where), "old": old}

    def ask(self) -> Mapping[str, Any]:
        """See Topic.ask()."""
        return self._ask

    def take(self, event: Event) -> list[Change]:
        """See Topic.take()."""
        if event.name == "stream-reset":
            raise HistoryRemoved(json.loads(event.data)["txid"])
        if event.name != "change":
            return []
        told = json.loads(event.data)
        change = {"data": None, "old": None, "owner": None, **told["to"][""]}
        at = datetime.fromisoformat(told["at"])
        place = {"txid": told["txid"], "ordinal": told["ordinal"], "label": told["label"], "cursor": event.id}
        return [Change(at=at, **change, **place)]


class LiveTopic(Generic[T]):
    """A live query, and its last result."""

    def __init__(self, procedure: Procedure[T], kwargs: bytes) -> None:
        self.procedure = procedure
        self._ask = {"live": procedure.name, "args": json.loads(kwargs)}
        self._raw: Any = None
        self._digest: str | None = None

    def ask(self) -> Mapping[str, Any]:
        """See Topic.ask()."""
        return self._ask if self._digest is None else {**self._ask, "known": self._digest}

    def take(self, event: Event) -> list[T]:
        """See Topic.take().  Raises what the procedure fails with."""
        if event.name != "live":
            return []
        told = json.loads(event.data)
        if (problem := told.get("problem")) is not None:
            raise KontractProblem.read(problem, problem["status"], problem.get("retry_after"), self.procedure.errors)
        if told["digest"] == self._digest:
            return []
        self._raw = apply_patch(self._raw, told["patch"]) if "patch" in told else told["result"]
        self._digest = told["digest"]
        return [self.procedure.read_item(json.dumps({"item": self._raw}).encode())]


class Inspector:
    """Stands in for a client whose method is called only to learn what it would call."""

    def _call(self, procedure: Procedure[T], arguments: Mapping[str, Any]) -> tuple[Procedure[T], Mapping[str, Any]]:
        return procedure, arguments


class AsyncInspector:
    """See Inspector."""

    async def _call(
        self, procedure: Procedure[T], arguments: Mapping[str, Any]
    ) -> tuple[Procedure[T], Mapping[str, Any]]:
        return procedure, arguments


def make_live(procedure: Procedure[T], arguments: Mapping[str, Any]) -> Following[T]:
    """Return what follows a procedure's result.  Raises pydantic's ``ValidationError`` for other arguments."""
    return Following(LiveTopic(procedure, procedure.prepare(arguments, Options()).kwargs), None)


def make_named(name: str, arguments: Mapping[str, Any]) -> Following[Any]:
    """Return what follows the result of a procedure that the client does not have."""
    return make_live(Procedure(name=name, arguments=dict.fromkeys(arguments, Any), is_read_only=True), arguments)
