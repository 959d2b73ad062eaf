"""The response that a stream is sent by."""

from collections.abc import AsyncIterator

from django.http import StreamingHttpResponse

from kontract.events.stream import Stream


class EventsResponse(StreamingHttpResponse):
    """A streaming response that is read from without Django's generators around each part, which cost as much as ours.

    Where middleware has put something else around the stream, it is read from as any other.
    """

    def __aiter__(self) -> AsyncIterator[bytes]:
        iterator = self._iterator  # type: ignore[attr-defined]
        return iterator if isinstance(iterator, Stream) else super().__aiter__()
