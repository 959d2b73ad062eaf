"""Running a procedure for a live query: the road of a call, and besides what it has read.

Each run is a call like any other: permissions, user groups, the policy of the encrypted channel and the middleware that
``KONTRACT["MIDDLEWARE"]`` puts around the procedure apply to it.

A result that comes of more of a request than who sent it, of a cookie or a header say, is *personal*: nobody else who
asks for the same may be told it.  That of a procedure is where middleware around it is given the request, or where it
takes the request itself.
"""

import copy
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from typing import Any

from asgiref.sync import async_to_sync
from django.apps import apps
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject
from pydantic_core import from_json, to_json

from kontract.context import CallContext, Identity, calling, namespace
from kontract.exceptions import InvalidRequestError
from kontract.mvcc.reads import Read, recording
from kontract.rpc.access import check_access
from kontract.rpc.chains import compose_for
from kontract.rpc.channel import check_channel
from kontract.rpc.codec import get_codec
from kontract.rpc.dispatch import adispatch, dispatch
from kontract.rpc.envelope import Arguments
from kontract.rpc.position import known_position
from kontract.rpc.procedure import Procedure
from kontract.rpc.registry import registry
from kontract.rpc.responses import refuse, respond

_SUCCESS = range(200, 300)
_personal: set[str] = set()  # procedures that were seen to take the request
_LEFT_OUT = ("HTTP_IDEMPOTENCY_KEY", "HTTP_IF_NONE_MATCH", "HTTP_LAST_EVENT_ID", "HTTP_ACCEPT", "QUERY_STRING")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of one run.

    ``text`` is the JSON of the result, or of the problem; ``snapshot`` the txid that was read, None where nothing was
    or that is not known.  ``retry_after``: seconds, where trying again later may do.
    """

    is_result: bool
    text: bytes
    digest: str
    snapshot: int | None
    reads: tuple[Read, ...]
    retry_after: float | None = None


def find_procedure(name: str) -> Procedure[..., Any]:
    """Return a procedure that can be followed.  Raises ``ProcedureNotFound`` and ``InvalidRequestError``."""
    procedure = registry.get(name)
    codec = get_codec(procedure)
    if not procedure.is_read_only or procedure.is_stream or codec.is_download or codec.uploads:
        raise InvalidRequestError(
            f"{name} cannot be followed: a live query is of a procedure that neither writes (perm=perms.R__) nor "
            "streams, and neither takes nor gives files."
        )
    return procedure


def make_context(procedure: Procedure[..., Any], identity: Identity, request: HttpRequest) -> CallContext:
    """Return the context of a call by ``identity``."""
    return CallContext(
        owner=identity.owner,
        sid=identity.sid,
        ugroups=identity.ugroups,
        is_anonymous=identity.is_anonymous,
        route=procedure.name,
        perm=procedure.perm,
        request=request,
    )


def is_personal(request: HttpRequest, procedure: Procedure[..., Any]) -> bool:
    """Return whether the result is for who has sent ``request`` alone, as far as that is known."""
    view = _view_of(procedure)
    return procedure.name in _personal or compose_for(procedure, _find_paths(request, procedure.name)[0], view) != view


def _find_paths(request: HttpRequest, name: str) -> tuple[str, str]:
    """Return the path of the call, with and without the prefix of the server."""
    path, inner = (text.rstrip("/").rpartition("/")[0] for text in (request.path, request.path_info))
    return f"{path}/rpc/{name}", f"{inner}/rpc/{name}"


def make_request(request: HttpRequest, name: str, args: Mapping[str, Any], identity: Identity) -> HttpRequest:
    """Return the request in which ``identity`` would call a procedure where ``request`` has asked to follow it."""
    single = copy.copy(request)
    for cached in ("headers", "accepted_types", "GET", "_post", "_files", "_body"):
        single.__dict__.pop(cached, None)
    body = json.dumps({"kwargs": args}).encode()
    single.META = {key: value for key, value in request.META.items() if key not in _LEFT_OUT}
    single.META |= {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json", "REQUEST_METHOD": "POST"}
    single.method, single.content_type = "POST", "application/json"
    single.path, single.path_info = _find_paths(request, name)
    single.__dict__ |= {"_stream": BytesIO(body), "_read_started": False}
    _renew(single)
    _attach(single, identity)
    return single


def _renew(request: HttpRequest) -> None:
    """Let the request have the session and the user as they are now, not as they were when the stream began."""
    if hasattr(request, "session"):
        request.session = type(request.session)(request.session.session_key)
    if request.__dict__.pop("_cached_user", None) is not None:  # it was asked for when the stream began
        from django.contrib.auth import middleware as auth  # which only projects can load that have its models

        request.__dict__.pop("_acached_user", None)
        request.user = SimpleLazyObject(partial(auth.get_user, request))  # type: ignore[assignment]
        request.auser = partial(auth.auser, request)


def _attach(request: HttpRequest, identity: Identity) -> None:
    if identity.sid is not None and apps.is_installed("kontract.auth"):
        from kontract.auth.users import attach

        attach(request, identity)
    else:
        request.kontract_identity = identity  # type: ignore[attr-defined]


def run_procedure(
    request: HttpRequest, procedure: Procedure[..., Any], args: Mapping[str, Any], identity: Identity, name: str
) -> Run:
    """Call a procedure in the namespace ``name``; in a thread.  What fails is a problem."""
    with namespace(name), recording() as found:
        single = make_request(request, procedure.name, args, identity)
        response = _answer(single, procedure, identity, dict(args))
    content = bytes(getattr(response, "content", b""))
    is_result = response.status_code in _SUCCESS
    text = to_json(from_json(content)["result"]) if is_result else content
    snapshot = getattr(single, "kontract_snapshot", None) if is_result else None
    retry_after = response.headers.get("Retry-After")
    return Run(
        is_result=is_result,
        text=text,
        digest=hashlib.sha256(text).hexdigest()[:32],
        snapshot=snapshot,
        reads=_compact(found),
        retry_after=None if retry_after is None else float(retry_after),
    )


def _compact(found: list[Read]) -> tuple[Read, ...]:
    """Return the reads with all look-ups by id in a table as one."""
    ids: dict[tuple[int, str], set[str]] = {}
    for read in found:
        if read.ids is not None:
            ids.setdefault((read.ns, read.table), set()).update(read.ids)
    by_id = [Read(ns=ns, table=table, ids=frozenset(chosen)) for (ns, table), chosen in ids.items()]
    return (*by_id, *(read for read in found if read.ids is None))


def _answer(
    request: HttpRequest, procedure: Procedure[..., Any], identity: Identity, args: dict[str, Any]
) -> HttpResponseBase:
    request.kontract_arguments = Arguments(kwargs=args)  # type: ignore[attr-defined]
    try:
        seen = SimpleLazyObject(partial(_take, request, procedure))
        with calling(make_context(procedure, identity, seen)) as call:  # type: ignore[arg-type]
            check_access(procedure, call)
            check_channel(request, procedure, call)
            handler: Callable[[HttpRequest], Any] = compose_for(procedure, request.path, _view_of(procedure))
            response: HttpResponseBase = async_to_sync(handler)(request) if procedure.is_async else handler(request)
            return response
    except Exception as error:
        return refuse(request, error, known_position())


def _take(request: HttpRequest, procedure: Procedure[..., Any]) -> HttpRequest:
    _personal.add(procedure.name)
    return request


@cache
def _view_of(procedure: Procedure[..., Any]) -> Callable[[HttpRequest], Any]:
    """Return the view inside the procedure's middleware."""
    return partial(_aview if procedure.is_async else _view, procedure)


def _view(procedure: Procedure[..., Any], request: Any) -> HttpResponseBase:
    try:
        reply = dispatch(procedure, request.kontract_arguments)
        request.kontract_snapshot = reply.snapshot
        return respond(request, reply)
    except Exception as error:
        return refuse(request, error, known_position())


async def _aview(procedure: Procedure[..., Any], request: Any) -> HttpResponseBase:
    """See _view()."""
    try:
        reply = await adispatch(procedure, request.kontract_arguments)
        request.kontract_snapshot = reply.snapshot
        return respond(request, reply)
    except Exception as error:
        return refuse(request, error, known_position())
