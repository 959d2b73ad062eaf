"""The base of generated clients that wait."""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from itertools import count
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, overload

import httpx

from kontract.client.base import Connection
from kontract.client.downloads import Download
from kontract.client.errors import KontractProblem
from kontract.client.events import (
    SILENCE,
    Change,
    EventReader,
    Following,
    Inspector,
    StreamEnded,
    TableTopic,
    make_live,
    make_named,
)
from kontract.client.options import Options
from kontract.client.procedure import Procedure, Request
from kontract.client.senders import Sender
from kontract.client.streaming import Reader
from kontract.client.structure import UNSET
from kontract.client.transports import Transport
from kontract.raystream.keys import Pins

P = ParamSpec("P")
T = TypeVar("T")


class BaseClient(Connection):
    """A client that waits for its answers; safe to share between threads.

    ``http`` is an ``httpx.Client`` of your own, for cookies, proxies and certificates; you close it.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | Callable[[], str] | None = None,
        options: Options | None = None,
        raystream: Pins | None = UNSET,
        http: httpx.Client | None = None,
    ) -> None:
        super().__init__(base_url, token=token, options=options, raystream=raystream)
        self._is_owner = http is None
        self._carrier = http or httpx.Client()
        self._http: httpx.Client | Sender = self._carrier
        if self._session is not None:
            self._http = Sender(Transport(self._carrier, self._session))

    def close(self) -> None:
        """Close the connections."""
        if self._is_owner:
            self._carrier.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, procedure: Procedure[T], arguments: Mapping[str, Any]) -> T:
        response = self._send(procedure.prepare(arguments, self._options))
        return procedure.read_result(response, self._options.answer)

    def _stream(self, procedure: Procedure[T], arguments: Mapping[str, Any]) -> Generator[T, None, None]:
        response = self._send(procedure.prepare(arguments, self._options), stream=True)
        try:
            reader = Reader(procedure)
            for data in response.iter_bytes():
                yield from reader.feed(data)
            reader.close()
        finally:
            response.close()

    def _download(self, procedure: Procedure[None], arguments: Mapping[str, Any]) -> Download:
        return Download(self._send(procedure.prepare(arguments, self._options), stream=True))

    def subscribe(
        self, table: str, *, where: Mapping[str, Any] | None = None, old: bool = False, after: str | int | None = None
    ) -> Generator[Change, None, None]:
        """Yield the changes of a table from now on, or ``after`` a cursor or txid, over as many streams as it takes.

        ``where``: conditions that documents meet, as ``{"age__gte": 18}``.  ``old``: tell of updates the document
        before, too.  Raises ``HistoryRemoved``, and ``KontractProblem`` where the server refuses the subscription;
        failures of the network pass.
        """
        return self._follow(Following(TableTopic(table, where or {}, old=old), after))

    @overload
    def live(self, call: str, /, **arguments: Any) -> Generator[Any, None, None]: ...
    @overload
    def live(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]: ...
    def live(self, call: Any, /, *args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        """Yield what a method of this client, or a procedure by its name, returns: now, and whenever that changes.

        Raises what the procedure fails with, and pydantic's ``ValidationError`` for arguments of another type.
        """
        if isinstance(call, str):
            return self._follow(make_named(call, kwargs))
        return self._follow(make_live(*call.__func__(Inspector(), *args, **kwargs)))

    def _follow(self, following: Following[T]) -> Generator[T, None, None]:
        client = self.options(timeout=SILENCE)
        while True:
            error: Exception | None = None
            try:
                with closing(client._send(following.prepare(client._options), stream=True)) as response:
                    reader = EventReader()
                    for data in response.iter_bytes():
                        for event in reader.feed(data):
                            yield from following.take(event)
            except (StreamEnded, KontractProblem, httpx.TransportError) as failure:
                error = failure
            time.sleep(following.wait_after(error))

    def _send(self, request: Request, *, stream: bool = False) -> httpx.Response:
        """Return a successful response, after as many attempts as may be made."""
        for attempt in count():
            try:
                response = self._http.send(self._build(self._http, request), stream=stream)
                if not response.is_success:
                    response.read()
            except httpx.TransportError as error:
                wait = request.wait_after(error, attempt)
            else:
                request.note(response)
                if response.is_success:
                    return response
                wait = request.wait_after(request.read_problem(response), attempt)
            time.sleep(wait)
        raise AssertionError("The attempts never end by themselves.")
