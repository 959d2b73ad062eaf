"""The answer to a sealed request, sealed: at once where it is there at once, or part by part as it comes."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from kontract.middleware.raystream_gate import Arrival
from kontract.mvcc import asynchronous
from kontract.raystream.answers import Sealer
from kontract.raystream.envelope import ResponseHead
from kontract.raystream.frames import RESET
from kontract.raystream.framing import Framing, Lengths, Lines

KEEPALIVE_SECONDS: Final = 20.0  # of silence, after which a stream gets an empty chunk

_OUTER: Final = {"Cache-Control": "no-cache, no-transform", "X-Content-Type-Options": "nosniff"}
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})
_WITHOUT_BODY: Final = frozenset({204, 304})
_END: Final = object()


def reset(status: int = 400, **headers: str) -> HttpResponse:
    """Return the one answer to whatever is not authentic."""
    return HttpResponse(RESET, status=status, content_type=Lengths.content_type, headers=_OUTER | headers)


def plain(frame: bytes) -> HttpResponse:
    """Return the answer to a handshake."""
    return HttpResponse(frame, content_type=Lengths.content_type, headers=_OUTER)


def seal(request: HttpRequest, response: HttpResponseBase, arrival: Arrival, *, is_async: bool) -> HttpResponseBase:
    """Return the outer response to the request inside; it closes that and its response."""
    framing = _choose_framing(response)
    sealer = arrival.admitted.answer(framing)
    head = ResponseHead(status=response.status_code, headers=_list_headers(response))
    if request.method == "HEAD" or response.status_code in _WITHOUT_BODY:
        outer: HttpResponseBase = HttpResponse(sealer.whole(head, b""))
    elif isinstance(response, StreamingHttpResponse):
        if isinstance(response, FileResponse):
            response.block_size = arrival.admitted.state.limits.chunk
        outer = StreamingHttpResponse(_choose_stream(response, sealer, head, arrival, is_async=is_async))
        outer.headers["X-Accel-Buffering"] = "no"
    else:
        outer = HttpResponse(sealer.whole(head, getattr(response, "content", b"")))
    for name, value in {**_OUTER, "Content-Type": framing.content_type}.items():
        outer.headers[name] = value
    closers: list[Any] = outer._resource_closers  # type: ignore[attr-defined]
    closers += [*response._resource_closers, request.close]  # type: ignore[attr-defined]
    return outer


def _choose_framing(response: HttpResponseBase) -> type[Framing]:
    is_events = response.headers.get("Content-Type", "").partition(";")[0].strip() == Lines.content_type
    return Lines if is_events and response.streaming else Lengths


def _list_headers(response: HttpResponseBase) -> tuple[tuple[str, str], ...]:
    """Return the headers, but cookies: a client inside the channel has none."""
    return tuple((name.lower(), value) for name, value in response.items() if name.lower() not in _HOP_BY_HOP)


def _choose_stream(
    response: StreamingHttpResponse, sealer: Sealer, head: ResponseHead, arrival: Arrival, *, is_async: bool
) -> Any:
    if is_async:
        return _astream(response, sealer, head, arrival)
    return _stream(iter(response), sealer, head, arrival)


def _stream(parts: Iterator[bytes], sealer: Sealer, head: ResponseHead, arrival: Arrival) -> Iterator[bytes]:
    """Yield the chunks; without the final one if the session ends before.

    A thread that waits for the next part can do nothing else, so there is no keep-alive.
    """
    yield sealer.start(head)
    looked = time.monotonic()
    for part in parts:
        if time.monotonic() - looked >= KEEPALIVE_SECONDS:
            if arrival.is_over():
                return
            looked = time.monotonic()
        yield sealer.send(part)
    yield sealer.end()


async def _astream(
    response: StreamingHttpResponse, sealer: Sealer, head: ResponseHead, arrival: Arrival
) -> AsyncIterator[bytes]:
    """See _stream(); an empty chunk every now and then says that the stream is alive."""
    parts = _iterate(response)
    yield sealer.start(head)
    looked = time.monotonic()
    following: asyncio.Task[Any] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(anext(parts, _END))
            await asyncio.wait({following}, timeout=KEEPALIVE_SECONDS)
            if time.monotonic() - looked >= KEEPALIVE_SECONDS:
                if await asynchronous.call(arrival.is_over):
                    return
                looked = time.monotonic()
            if not following.done():
                yield sealer.send(b"")
                continue
            part, following = following.result(), None
            if part is _END:
                break
            yield sealer.send(part)
        yield sealer.end()
    finally:
        if following is not None:
            following.cancel()
            await asyncio.wait({following})
        await parts.aclose()


async def _iterate(response: StreamingHttpResponse) -> AsyncGenerator[bytes, None]:
    """Yield the parts of a response of either kind; those of a synchronous one come from the request's thread."""
    content: Any = response.streaming_content
    if not response.is_async:
        while (part := await sync_to_async(_following, thread_sensitive=True)(content)) is not _END:
            yield part
        return
    inside: Any = response._iterator  # type: ignore[attr-defined]
    try:
        async for part in content:
            yield part
    finally:
        await content.aclose()
        if hasattr(inside, "aclose"):
            await inside.aclose()


def _following(content: Iterator[bytes]) -> Any:
    return next(content, _END)
