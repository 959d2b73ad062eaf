"""From Django's request to a call's arguments: JSON in the body or in the URL, or files with JSON beside them."""

from typing import Any

from django.http import HttpRequest, UnreadablePostError
from django.http.multipartparser import MultiPartParserError

from kontract.conf import get_settings
from kontract.exceptions import (
    BodyTooLargeError,
    InvalidRequestError,
    MethodNotAllowedError,
    UnsupportedMediaType,
)
from kontract.rpc.codec import get_codec
from kontract.rpc.envelope import Arguments, parse, parse_kwargs
from kontract.rpc.procedure import Procedure

_MULTIPART = "multipart/form-data"


def is_get(request: HttpRequest) -> bool:
    """Return whether the arguments are in the URL."""
    return request.method in ("GET", "HEAD")


def check_request(request: HttpRequest, procedure: Procedure[..., Any]) -> None:
    """Raise unless the request can be a call of this procedure.

    Asking for a content type is also a defence: a page of another site cannot send JSON without the browser asking
    first, and nothing of a body that is too large is read.
    """
    allowed = _list_methods(procedure)
    if request.method not in allowed:
        raise MethodNotAllowedError(
            f"{procedure.name} is called with {' or '.join(allowed)}, not with {request.method}.", allowed
        )
    if is_get(request):
        return
    if request.content_type == _MULTIPART:
        _check_multipart(request, procedure)
    else:
        check_json(request)


def _list_methods(procedure: Procedure[..., Any]) -> list[str]:
    has_get = procedure.is_read_only and not procedure.is_stream and not get_codec(procedure).uploads
    return ["GET", "HEAD", "POST"] if has_get else ["POST"]


def check_json(request: HttpRequest) -> None:
    """Raise unless the request says that its body is JSON."""
    charset = (request.content_params or {}).get("charset", "utf-8")
    if request.content_type != "application/json" or charset.lower() != "utf-8":
        raise UnsupportedMediaType("Send the call as JSON in UTF-8, with the header Content-Type: application/json.")


def _check_multipart(request: HttpRequest, procedure: Procedure[..., Any]) -> None:
    if not get_codec(procedure).uploads:
        raise UnsupportedMediaType(f"{procedure.name} takes no files. Send the call as JSON.")
    limit = get_settings().MAX_UPLOAD_BYTES
    if _content_length(request) > limit:
        raise BodyTooLargeError(f"The files are larger than {limit} bytes in all. Send less in one call.")


def find_token(request: HttpRequest) -> str | None:
    """Return the token in the header ``Authorization: Bearer`` (RFC 6750); None where there is none."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def read_arguments(request: HttpRequest) -> Arguments:
    """Return the arguments in the request, of whose body at most ``MAX_BODY_BYTES`` of JSON are read."""
    if is_get(request):
        return _read_query(request)
    if request.content_type == _MULTIPART:
        return _read_form(request)
    return parse(read_body(request))


def _read_query(request: HttpRequest) -> Arguments:
    if unknown := request.GET.keys() - {"kwargs"}:
        raise InvalidRequestError(
            f"The URL has a parameter {min(unknown)[:100]!a}. Send the arguments as ?kwargs= and a JSON object."
        )
    texts = request.GET.getlist("kwargs")
    if len(texts) > 1:
        raise InvalidRequestError("The URL has kwargs= twice. Send all arguments in one JSON object.")
    return parse_kwargs("".join(texts))


def _read_form(request: HttpRequest) -> Arguments:
    try:
        fields, files = request.POST, request.FILES
    except (UnreadablePostError, OSError) as error:
        raise InvalidRequestError("The body could not be read to its end.") from error
    except MultiPartParserError as error:
        raise InvalidRequestError(f"The body is no multipart/form-data: {error}") from error
    if fields.keys() - {"kwargs"} or len(fields.getlist("kwargs")) > 1:
        raise InvalidRequestError('Send all arguments but the files in one part named "kwargs", as a JSON object.')
    return parse_kwargs(fields.get("kwargs", ""), {name: files.getlist(name) for name in files})


def read_body(request: HttpRequest, most: int | None = None) -> bytes:
    """Return the body.  Raises ``BodyTooLargeError`` beyond ``MAX_BODY_BYTES``, or ``most`` where that is less."""
    limit = get_settings().MAX_BODY_BYTES
    limit = limit if most is None else min(limit, most)
    try:
        if _content_length(request) > limit or len(body := request.read(limit + 1)) > limit:
            raise BodyTooLargeError(f"The body is larger than {limit} bytes. Send less in one call.")
    except UnreadablePostError as error:
        raise InvalidRequestError("The body could not be read to its end.") from error
    return body


def _content_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError as error:
        raise InvalidRequestError("The Content-Length is no number.") from error
