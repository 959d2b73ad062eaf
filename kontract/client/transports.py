"""Transports of httpx that seal requests and open what they are answered, see ``kontract.client.channel``.

So whatever goes over httpx goes through the channel: calls, streams, downloads.  Another client of httpx carries what
is sealed.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from threading import Lock
from typing import NoReturn

import httpx

from kontract.client.channel import SHORT, Answer, Session
from kontract.client.errors import ChannelError
from kontract.raystream.client import Call
from kontract.raystream.frames import RESET


class Transport(httpx.BaseTransport):
    """For clients that wait; safe to share between threads."""

    def __init__(self, http: httpx.Client, session: Session) -> None:
        self._http = http
        self._session = session
        self._lock = Lock()  # of the session's handshakes

    def fetch(self, request: httpx.Request) -> httpx.Response:
        """Return the answer to a request, read to its end, which takes less than reading it part by part.

        Raises ``ChannelError``, and httpx's errors for the connection.
        """
        call = self._seal(request)
        try:
            outer = self._send(call.frame, request)
            try:
                if (answer := self._session.open_answer(call, outer)) is None:
                    self._refuse(call, outer)
                return answer.open_whole(outer.read())
            finally:
                outer.close()
        finally:
            self._session.end(call)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer to a request, to be read as it comes.  See fetch()."""
        call = self._seal(request)
        try:
            outer = self._send(call.frame, request)
            try:
                return self._open(call, outer)
            except BaseException:
                outer.close()
                raise
        except BaseException:
            self._session.end(call)
            raise

    def _seal(self, request: httpx.Request) -> Call:
        body = request.read()
        with self._lock:
            self._connect(request)
            return self._session.seal(request, body)

    def _connect(self, request: httpx.Request) -> None:
        attempt = 0
        while (opening := self._session.open_handshake(request)) is not None:
            outer = self._send(opening, request)
            try:
                accept = _take(outer.iter_bytes())
            finally:
                outer.close()
            self._session.finish_handshake(outer, accept, attempt)
            attempt += 1

    def _open(self, call: Call, outer: httpx.Response) -> httpx.Response:
        if (answer := self._session.open_answer(call, outer)) is None:
            self._refuse(call, outer)
        parts = outer.iter_bytes()
        while (head := answer.begin(next(parts, b""))) is None:
            pass
        return httpx.Response(
            head.status, headers=list(head.headers), stream=_Body(self._session, call, answer, outer, parts)
        )

    def _refuse(self, call: Call, outer: httpx.Response) -> NoReturn:
        is_reset = _take(outer.iter_bytes()) == RESET
        with self._lock:
            raise self._session.drop(call) if is_reset else ChannelError("A sealed request was refused on its way.")

    def _send(self, frame: bytes, request: httpx.Request) -> httpx.Response:
        outer = self._session.wrap(frame, request)
        return self._http.send(outer, stream=True, auth=None, follow_redirects=False)


class _Body(httpx.SyncByteStream):
    """The body of an inner response."""

    def __init__(
        self, session: Session, call: Call, answer: Answer, outer: httpx.Response, parts: Iterator[bytes]
    ) -> None:
        self._session, self._call, self._answer, self._outer, self._parts = session, call, answer, outer, parts

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.begun
        for part in self._parts:
            yield from self._answer.read(part)
        self._answer.finish()

    def close(self) -> None:
        """Read no further."""
        self._session.end(self._call)
        self._outer.close()


class AsyncTransport(httpx.AsyncBaseTransport):
    """See Transport; for clients whose calls are awaited."""

    def __init__(self, http: httpx.AsyncClient, session: Session) -> None:
        self._http = http
        self._session = session
        self._lock = asyncio.Lock()

    async def fetch(self, request: httpx.Request) -> httpx.Response:
        """See Transport.fetch(); a call that is cancelled leaves the session as it was."""
        call = await self._seal(request)
        try:
            outer = await self._send(call.frame, request)
            try:
                if (answer := self._session.open_answer(call, outer)) is None:
                    await self._refuse(call, outer)
                return answer.open_whole(await outer.aread())
            finally:
                await outer.aclose()
        finally:
            self._session.end(call)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See Transport.handle_request(); a call that is cancelled leaves the session as it was."""
        call = await self._seal(request)
        try:
            outer = await self._send(call.frame, request)
            try:
                return await self._open(call, outer)
            except BaseException:
                await outer.aclose()
                raise
        except BaseException:
            self._session.end(call)
            raise

    async def _seal(self, request: httpx.Request) -> Call:
        body = await request.aread()
        async with self._lock:
            await self._connect(request)
            return self._session.seal(request, body)

    async def _connect(self, request: httpx.Request) -> None:
        attempt = 0
        while (opening := self._session.open_handshake(request)) is not None:
            outer = await self._send(opening, request)
            try:
                accept = await _atake(outer.aiter_bytes())
            finally:
                await outer.aclose()
            self._session.finish_handshake(outer, accept, attempt)
            attempt += 1

    async def _open(self, call: Call, outer: httpx.Response) -> httpx.Response:
        if (answer := self._session.open_answer(call, outer)) is None:
            await self._refuse(call, outer)
        parts = outer.aiter_bytes()
        while (head := answer.begin(await anext(parts, b""))) is None:
            pass
        return httpx.Response(
            head.status, headers=list(head.headers), stream=_AsyncBody(self._session, call, answer, outer, parts)
        )

    async def _refuse(self, call: Call, outer: httpx.Response) -> NoReturn:
        is_reset = await _atake(outer.aiter_bytes()) == RESET
        raise self._session.drop(call) if is_reset else ChannelError("A sealed request was refused on its way.")

    async def _send(self, frame: bytes, request: httpx.Request) -> httpx.Response:
        outer = self._session.wrap(frame, request)
        return await self._http.send(outer, stream=True, auth=None, follow_redirects=False)


class _AsyncBody(httpx.AsyncByteStream):
    """The body of an inner response."""

    def __init__(
        self, session: Session, call: Call, answer: Answer, outer: httpx.Response, parts: AsyncIterator[bytes]
    ) -> None:
        self._session, self._call, self._answer, self._outer, self._parts = session, call, answer, outer, parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for data in self._answer.begun:
            yield data
        async for part in self._parts:
            for data in self._answer.read(part):
                yield data
        self._answer.finish()

    async def aclose(self) -> None:
        """Read no further."""
        self._session.end(self._call)
        await self._outer.aclose()


def _take(parts: Iterator[bytes]) -> bytes:
    """Return a short answer, or the beginning of what is none."""
    data = b""
    for part in parts:
        data += part
        if len(data) > SHORT:
            break
    return data


async def _atake(parts: AsyncIterator[bytes]) -> bytes:
    """See _take()."""
    data = b""
    async for part in parts:
        data += part
        if len(data) > SHORT:
            break
    return data
