"""From a call's outcome to Django's response."""

import logging
from collections.abc import AsyncIterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from kontract.exceptions import MethodNotAllowedError
from kontract.rpc.problems import CONTENT_TYPE, describe
from kontract.rpc.reply import Reply
from kontract.rpc.results import Download

logger = logging.getLogger("kontract.rpc")

# A file that someone else uploaded shall not run as a page of ours, should the browser show it.
_HARMLESS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}


def respond(request: HttpRequest, reply: Reply) -> HttpResponseBase:
    """Return the response of a call that succeeded."""
    if isinstance(reply.body, Download):
        return _finish(_send_file(request, reply.body, reply.status), reply.txid, reply.headers)
    response = HttpResponse(reply.body, status=reply.status, content_type="application/json")
    return _finish(response, reply.txid, reply.headers)


def refuse(request: HttpRequest, error: Exception, txid: int | None) -> HttpResponseBase:
    """Return the problem that ``error`` is, and log what the client is not told."""
    problem = describe(error)
    if problem.is_our_fault:
        logger.error("A call failed: %r", request.path, exc_info=error, extra={"request": request})
    headers = problem.headers
    if isinstance(error, MethodNotAllowedError):
        headers["Allow"] = ", ".join(error.allowed)
    return _finish(HttpResponse(problem.encode(), status=problem.status, content_type=CONTENT_TYPE), txid, headers)


def _finish(response: HttpResponseBase, txid: int | None, headers: Mapping[str, str]) -> HttpResponseBase:
    own = response.headers
    own["Cache-Control"] = "no-store"
    own["X-Content-Type-Options"] = "nosniff"
    for name, value in headers.items():
        own[name] = value
    if txid is not None:
        own["Kontract-Txid"] = str(txid)
    return response


def _send_file(request: HttpRequest, download: Download, status: int) -> HttpResponseBase:
    content, name = download.content, download.filename or ""
    if isinstance(content, Path):
        name, content = name or content.name, content.open("rb")
    elif isinstance(content, bytes):
        content = BytesIO(content)
    response = FileResponse(
        content,
        as_attachment=download.filename is not None,
        filename=name,
        content_type=download.content_type,
        status=status,
    )
    if isinstance(request, ASGIRequest):
        response.streaming_content = _read_chunks(content, response.block_size)
    for header, value in _HARMLESS.items():
        response.headers[header] = value
    return response


async def _read_chunks(file: BinaryIO, size: int) -> AsyncIterator[bytes]:
    """Yield a file's content without keeping the event loop waiting for the disk."""
    read = sync_to_async(file.read)
    while chunk := await read(size):
        yield chunk
