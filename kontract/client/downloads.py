"""Files that a procedure returns, read as they come."""

from collections.abc import AsyncIterator, Iterator
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx


class _File:
    """``content_type`` and ``filename`` are what the server says; ``size`` is in bytes, None where it does not say."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.content_type: str = response.headers.get("Content-Type", "application/octet-stream")
        self.filename = read_filename(response.headers.get("Content-Disposition"))
        length = response.headers.get("Content-Length")
        self.size = int(length) if length and "Content-Encoding" not in response.headers else None


class Download(_File):
    """A file that comes; read it in a ``with`` block, or to its end."""

    def read(self) -> bytes:
        """Return the whole file."""
        return self._response.read()

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_bytes()

    def save(self, path: Path) -> None:
        """Write the file to ``path``, part by part."""
        with path.open("wb") as file:
            file.writelines(self)

    def close(self) -> None:
        """Read no further."""
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncDownload(_File):
    """A file that comes; read it in an ``async with`` block, or to its end."""

    async def read(self) -> bytes:
        """Return the whole file."""
        return await self._response.aread()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._response.aiter_bytes()

    async def close(self) -> None:
        """Read no further."""
        await self._response.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def read_filename(disposition: str | None) -> str | None:
    """Return the file's name in a Content-Disposition (RFC 6266), without any directory; None where there is none."""
    if not disposition:
        return None
    message = EmailMessage()
    message["Content-Disposition"] = disposition
    name = Path((message.get_filename() or "").replace("\\", "/")).name
    return None if name in ("", "..") else name
