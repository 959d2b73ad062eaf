"""A record of every request or call, without its secrets."""

import json as json_module
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.http.request import RawPostDataException
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from kontract.context import ctx
from kontract.rpc.address import client_ip
from kontract.rpc.chains import Handler
from kontract.rpc.problems import CONTENT_TYPE, describe
from kontract.rpc.procedure import signature
from kontract.rpc.registry import registry

MASK = ("authorization", "cookie", "credential", "key", "passwd", "password", "secret", "session", "token")
MASKED = "***"

_LONGEST = 2000  # characters of a path or query
_LARGEST = 64 * 1024  # bytes of arguments
_DEEPEST = 50  # levels of arguments
_CLIENT_CLOSED_REQUEST = 499  # as nginx calls it: nobody was there to answer any more

Hide = Callable[[Any], Any]


@sync_and_async_middleware
def request_log(
    get_response: Handler,
    *,
    logger: str = "kontract.request",
    mask: Iterable[str] = MASK,
    headers: bool = False,
    arguments: bool = False,
    json: bool = False,
) -> Handler:
    """Log one record for each request or call: INFO, or ERROR from status 500 on.

    Its attributes (``extra``) are ``method``, ``path``, ``query``, ``route``, ``egroup``, ``status``, ``duration_ms``
    (until the response begins), ``owner``, ``ip``, ``txid``, ``bytes`` (None for a stream) and ``code`` (of a problem);
    with ``headers`` and ``arguments`` those too.  ``json``: the message is all of them as one JSON object.

    Whatever has a word of ``mask`` in its name is not shown, at any depth of headers, query and arguments.
    """
    log = logging.getLogger(logger)
    hide = partial(_hide, words=tuple(word.lower() for word in mask))

    @contextmanager
    def recording(request: HttpRequest) -> Iterator["_Record"]:
        record = _Record(hide=hide)
        if headers:
            record.fields["headers"] = hide(dict(request.headers))
        if arguments and ctx.route is not None:
            record.fields["arguments"] = hide(_read_arguments(request, ctx.route))
        try:
            yield record
        except BaseException as error:
            record.fail(error)
            raise
        finally:
            fields = record.finish(request)
            message = json_module.dumps(fields, default=str) if json else _sentence(fields)
            log.log(logging.ERROR if fields["status"] >= 500 else logging.INFO, "%s", message, extra=fields)

    def write(request: HttpRequest) -> HttpResponseBase:
        with recording(request) as record:
            return record.keep(get_response(request))

    async def awrite(request: HttpRequest) -> HttpResponseBase:
        with recording(request) as record:
            return record.keep(await get_response(request))

    return awrite if iscoroutinefunction(get_response) else write


@dataclass(slots=True, kw_only=True)
class _Record:
    """What is known of a request so far."""

    hide: Hide
    fields: dict[str, Any] = field(default_factory=dict)
    begun: float = field(default_factory=time.perf_counter)

    def keep(self, response: HttpResponseBase) -> HttpResponseBase:
        """Note the outcome, and return it."""
        txid = response.headers.get("Kontract-Txid")
        self.fields |= {
            "status": response.status_code,
            "txid": int(txid) if txid and txid.isdecimal() else None,
            "bytes": len(response.content) if isinstance(response, HttpResponse) else None,
            "code": _read_code(response),
        }
        return response

    def fail(self, error: BaseException) -> None:
        """Note that there is no response."""
        status, code = _CLIENT_CLOSED_REQUEST, "cancelled"
        if isinstance(error, Exception):
            problem = describe(error)
            status, code = problem.status, problem.code
        self.fields |= {"status": status, "txid": None, "bytes": None, "code": code}

    def finish(self, request: HttpRequest) -> dict[str, Any]:
        """Return all there is to say."""
        match = request.resolver_match
        head = {
            "method": request.method,
            "path": request.path[:_LONGEST],
            "query": self.hide(_read_query(request)),
            "route": ctx.route or (match.view_name if match else None),
            "egroup": None if ctx.route is None else registry.describe(ctx.route).egroup,
            "owner": _find_owner(request),
            "ip": client_ip(request),
            "duration_ms": round((time.perf_counter() - self.begun) * 1000, 3),
        }
        return head | self.fields


def _sentence(fields: dict[str, Any]) -> str:
    """Return the message for people; what a client wrote cannot break its line."""
    code = f" {fields['code']}" if fields["code"] else ""
    return f"{ascii(fields['method'])[1:-1]} {ascii(fields['path'])[1:-1]} {fields['status']}{code}"


def _read_code(response: HttpResponseBase) -> str | None:
    """Return the code of a problem document."""
    if response.headers.get("Content-Type") != CONTENT_TYPE or not isinstance(response, HttpResponse):
        return None
    try:
        document = json_module.loads(response.content)
    except ValueError:  # compressed by a middleware further inside
        return None
    return document.get("code") if isinstance(document, dict) else None


def _read_query(request: HttpRequest) -> dict[str, Any] | None:
    """Return the parameters in the URL, without the arguments of a call; None where they are too long or too many."""
    if len(request.META.get("QUERY_STRING", "")) > _LONGEST:
        return None
    try:
        return {key: values for key, values in request.GET.lists() if key != "kwargs"}
    except SuspiciousOperation:
        return None


def _read_arguments(request: HttpRequest, name: str) -> dict[str, Any] | None:
    """Return a call's arguments by name; None for files, and what is too large or no JSON: the call itself will see."""
    try:
        if request.method == "POST":
            size = int(request.META.get("CONTENT_LENGTH") or _LARGEST + 1)
            envelope = json_module.loads(request.body) if 0 < size <= _LARGEST else None
        else:
            envelope = {"kwargs": json_module.loads(request.GET.get("kwargs", "{}")[:_LARGEST])}
        return _name_arguments(envelope, name)
    except (ValueError, RecursionError, SuspiciousOperation, RawPostDataException, OSError):
        return None


def _name_arguments(envelope: Any, name: str) -> dict[str, Any] | None:
    """Return positional arguments by name, too: a secret is known by its name only."""
    if not isinstance(envelope, dict):
        return None
    args, kwargs = envelope.get("args", []), envelope.get("kwargs", {})
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        return None
    return dict(zip(signature(registry.get(name).function).parameters, args, strict=False)) | kwargs


def _find_owner(request: HttpRequest) -> str:
    """Return who called, or whom Django has found to have asked; nobody is looked up for the log alone."""
    if ctx.route is not None:
        return ctx.owner
    user = getattr(request, "_cached_user", None) or getattr(request, "_acached_user", None)
    return "" if user is None or user.pk is None else str(user.pk)


def _hide(value: Any, words: tuple[str, ...], depth: int = 0) -> Any:
    """Return a copy of a JSON value in which secrets are not shown."""
    if depth > _DEEPEST:
        return MASKED
    if isinstance(value, dict):
        return {
            key: MASKED if any(word in str(key).lower() for word in words) else _hide(item, words, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_hide(item, words, depth + 1) for item in value]
    return value
