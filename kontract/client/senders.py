"""What stands before the channel's transports in place of a client of httpx.

The client of httpx that carries what is sealed has the cookies, the proxies and the pool.  A second one on top of it
would have nothing to do but take its time, which is most of what a call through the channel would cost.
"""

from typing import Any, Final

import httpx

from kontract.client.transports import AsyncTransport, Transport

_HEADERS: Final = {"Accept": "*/*", "User-Agent": f"python-httpx/{httpx.__version__}"}


class _Builder:
    """Builds requests; ``cookies`` are none, for inside the channel there are none."""

    def __init__(self) -> None:
        self.cookies = httpx.Cookies()

    def build_request(
        self, method: str, url: httpx.URL, *, headers: dict[str, str], timeout: float | None, **body: Any
    ) -> httpx.Request:
        """Return a request, as ``httpx.Client.build_request`` does; ``timeout`` is in seconds."""
        extensions = {"timeout": httpx.Timeout(timeout).as_dict()}
        return httpx.Request(method, url, headers={**_HEADERS, **headers}, extensions=extensions, **body)


class Sender(_Builder):
    """Sends requests over a transport."""

    def __init__(self, transport: Transport) -> None:
        super().__init__()
        self._transport = transport

    def send(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        """Return the response, which has been read unless it is to be a ``stream``.  Raises what httpx raises."""
        response = (self._transport.handle_request if stream else self._transport.fetch)(request)
        response.request = request
        return response


class AsyncSender(_Builder):
    """See Sender."""

    def __init__(self, transport: AsyncTransport) -> None:
        super().__init__()
        self._transport = transport

    async def send(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        """See Sender.send()."""
        response = await (self._transport.handle_async_request if stream else self._transport.fetch)(request)
        response.request = request
        return response
