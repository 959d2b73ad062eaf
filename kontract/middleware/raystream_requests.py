"""The request inside a sealed one, as Django's own: what the client says is inside, how it came here is outside."""

from collections.abc import Mapping
from functools import cache
from io import BytesIO
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest

from kontract.conf import get_https_header
from kontract.raystream.envelope import RequestHead

# What servers and proxies say of the connection.  Nothing else of the outer request counts: least of all cookies, which
# whoever ends TLS can read.
_TRANSPORT: Final = frozenset(
    {
        "HTTP_FORWARDED",
        "HTTP_HOST",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_FORWARDED_HOST",
        "HTTP_X_FORWARDED_PORT",
        "HTTP_X_FORWARDED_PROTO",
        "HTTP_X_REAL_IP",
    }
)
_ENVIRON: Final = frozenset(
    {
        "REMOTE_ADDR",
        "REMOTE_HOST",
        "REMOTE_PORT",
        "SCRIPT_NAME",
        "SERVER_NAME",
        "SERVER_PORT",
        "SERVER_PROTOCOL",
        "SERVER_SOFTWARE",
    }
)


def make_request(request: HttpRequest, head: RequestHead, body: bytes) -> HttpRequest:
    """Return the request that ``request``, the outer one, has brought."""
    path, _, query = head.path.partition("?")
    if isinstance(request, ASGIRequest):
        return ASGIRequest(_make_scope(request.scope, head, path, query, len(body)), BytesIO(body))
    return WSGIRequest(_make_environ(request.META, head, path, query, body))


def _make_scope(scope: Mapping[str, Any], head: RequestHead, path: str, query: str, length: int) -> dict[str, Any]:
    transport = _name_in_scope(get_https_header())
    kept = [(name, value) for name, value in scope.get("headers", ()) if name.lower() in transport]
    given = [(name.encode(), value.encode("latin1")) for name, value in head.headers]
    return {
        **scope,
        "method": head.method,
        "path": unquote_to_bytes(path).decode(errors="replace"),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [*kept, *given, (b"content-length", str(length).encode())],
    }


def _make_environ(meta: Mapping[str, Any], head: RequestHead, path: str, query: str, body: bytes) -> dict[str, Any]:
    kept = {*_ENVIRON, *_TRANSPORT, get_https_header()}
    environ = {name: value for name, value in meta.items() if name in kept or name.startswith("wsgi.")}
    environ |= {_in_meta(name): value for name, value in head.headers}
    environ["REQUEST_METHOD"] = head.method
    script = environ.get("SCRIPT_NAME", "")
    environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin1").removeprefix(script)
    environ["QUERY_STRING"] = query
    environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = BytesIO(body)
    return environ


@cache
def _name_in_scope(https_header: str | None) -> frozenset[bytes]:
    """Return the names, as ASGI has them, of the headers that say something of the connection."""
    names = _TRANSPORT if https_header is None else _TRANSPORT | {https_header}
    return frozenset(name.removeprefix("HTTP_").replace("_", "-").lower().encode() for name in names)


def _in_meta(name: str) -> str:
    """Return a header's name as Django has it in META."""
    name = name.upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
