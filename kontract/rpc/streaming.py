"""The items of a stream as text: JSON Lines, or server-sent events.

Both say how they end, so that a client can tell a whole stream from one that broke off.  A failure in the middle, when
the status is long sent, is the last thing in the stream.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import Context
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async

from kontract.rpc.problems import describe

logger = logging.getLogger("kontract.rpc")

_END = object()


class Format(NamedTuple):
    """How a stream is written; each part takes the JSON text of what it carries."""

    content_type: str
    item: bytes
    problem: bytes
    done: bytes


JSON_LINES = Format("application/jsonl", b'{"item":%b}\n', b'{"problem":%b}\n', b'{"done":true}\n')
EVENTS = Format("text/event-stream", b"data: %b\n\n", b"event: problem\ndata: %b\n\n", b"event: done\ndata: {}\n\n")

Encode = Callable[[object], bytes]


def choose_format(accept: str) -> Format:
    """Return the format that the ``Accept`` header asks for."""
    return EVENTS if "text/event-stream" in accept else JSON_LINES


def write_stream(items: Iterator[Any], encode: Encode, form: Format, context: Context) -> Iterator[bytes]:
    """Yield the text of a stream; the generator runs in ``context``, which is the call's."""
    try:
        while (item := context.run(next, items, _END)) is not _END:
            yield form.item % encode(item)
        yield form.done
    except Exception as error:
        yield form.problem % _report(error)
    finally:
        context.run(_close, items)


async def awrite_stream(items: Any, encode: Encode, form: Format, context: Context) -> AsyncIterator[bytes]:
    """See write_stream(); of either kind of generator."""
    step = _astep(items) if hasattr(items, "__anext__") else _step(items)
    try:
        while (item := await _run_in(context, step)) is not _END:
            yield form.item % encode(item)
        yield form.done
    except Exception as error:
        yield form.problem % _report(error)
    finally:
        close = getattr(items, "aclose", None) or sync_to_async(items.close)
        await close()


def _astep(items: AsyncIterator[Any]) -> Callable[[], Any]:
    async def step() -> Any:
        return await anext(items, _END)

    return step


def _step(items: Iterator[Any]) -> Callable[[], Any]:
    return sync_to_async(lambda: next(items, _END), thread_sensitive=True)


async def _run_in(context: Context, step: Callable[[], Any]) -> Any:
    """Await ``step`` with the context variables of ``context``; a consumer that is cancelled cancels it."""
    return await asyncio.create_task(step(), context=context)


def _close(items: Any) -> None:
    if hasattr(items, "close"):
        items.close()


def _report(error: Exception) -> bytes:
    problem = describe(error)
    if problem.is_our_fault:
        logger.error("A stream failed.", exc_info=error)
    return problem.encode()
