"""The base of generated clients for asyncio."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from itertools import count
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, overload

import httpx

from kontract.client.base import Connection
from kontract.client.downloads import AsyncDownload
from kontract.client.errors import KontractProblem
from kontract.client.events import (
    SILENCE,
    AsyncInspector,
    Change,
    EventReader,
    Following,
    StreamEnded,
    TableTopic,
    make_live,
    make_named,
)
from kontract.client.options import Options
from kontract.client.procedure import Procedure, Request
from kontract.client.senders import AsyncSender
from kontract.client.streaming import Reader
from kontract.client.structure import UNSET
from kontract.client.transports import AsyncTransport
from kontract.raystream.keys import Pins

P = ParamSpec("P")
T = TypeVar("T")


class AsyncBaseClient(Connection):
    """A client whose calls are awaited.

    ``http`` is an ``httpx.AsyncClient`` of your own, for cookies, proxies and certificates; you close it.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | Callable[[], str] | None = None,
        options: Options | None = None,
        raystream: Pins | None = UNSET,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(base_url, token=token, options=options, raystream=raystream)
        self._is_owner = http is None
        self._carrier = http or httpx.AsyncClient()
        self._http: httpx.AsyncClient | AsyncSender = self._carrier
        if self._session is not None:
            self._http = AsyncSender(AsyncTransport(self._carrier, self._session))

    async def close(self) -> None:
        """Close the connections."""
        if self._is_owner:
            await self._carrier.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _call(self, procedure: Procedure[T], arguments: Mapping[str, Any]) -> T:
        response = await self._send(procedure.prepare(arguments, self._options))
        return procedure.read_result(response, self._options.answer)

    async def _stream(self, procedure: Procedure[T], arguments: Mapping[str, Any]) -> AsyncGenerator[T, None]:
        response = await self._send(procedure.prepare(arguments, self._options), stream=True)
        try:
            reader = Reader(procedure)
            async for data in response.aiter_bytes():
                for item in reader.feed(data):
                    yield item
            reader.close()
        finally:
            await response.aclose()

    async def _download(self, procedure: Procedure[None], arguments: Mapping[str, Any]) -> AsyncDownload:
        return AsyncDownload(await self._send(procedure.prepare(arguments, self._options), stream=True))

    def subscribe(
        self, table: str, *, where: Mapping[str, Any] | None = None, old: bool = False, after: str | int | None = None
    ) -> AsyncGenerator[Change, None]:
        """See BaseClient.subscribe()."""
        return self._follow(Following(TableTopic(table, where or {}, old=old), after))

    @overload
    def live(self, call: str, /, **arguments: Any) -> AsyncGenerator[Any, None]: ...
    @overload
    def live(
        self, call: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncGenerator[T, None]: ...
    async def live(self, call: Any, /, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """See BaseClient.live()."""
        if isinstance(call, str):
            following = make_named(call, kwargs)
        else:
            following = make_live(*await call.__func__(AsyncInspector(), *args, **kwargs))
        async with aclosing(self._follow(following)) as results:
            async for result in results:
                yield result

    async def _follow(self, following: Following[T]) -> AsyncGenerator[T, None]:
        client = self.options(timeout=SILENCE)
        while True:
            error: Exception | None = None
            try:
                async with aclosing(await client._send(following.prepare(client._options), stream=True)) as response:
                    reader = EventReader()
                    async for data in response.aiter_bytes():
                        for event in reader.feed(data):
                            for item in following.take(event):
                                yield item
            except (StreamEnded, KontractProblem, httpx.TransportError) as failure:
                error = failure
            await asyncio.sleep(following.wait_after(error))

    async def _send(self, request: Request, *, stream: bool = False) -> httpx.Response:
        """Return a successful response, after as many attempts as may be made."""
        for attempt in count():
            try:
                response = await self._http.send(self._build(self._http, request), stream=stream)
                if not response.is_success:
                    await response.aread()
            except httpx.TransportError as error:
                wait = request.wait_after(error, attempt)
            else:
                request.note(response)
                if response.is_success:
                    return response
                wait = request.wait_after(request.read_problem(response), attempt)
            await asyncio.sleep(wait)
        raise AssertionError("The attempts never end by themselves.")
