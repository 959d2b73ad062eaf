"""Failures as problem documents (RFC 9457), telling a client what it may know and no more."""

from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import responses
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, ValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404
from pydantic_core import to_json

from kontract.exceptions import BodyTooLargeError, IdempotencyInProgressError, KontractError

CONTENT_TYPE = "application/problem+json"
_WORTH_ANOTHER_TRY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
# The names of RFC 9110, section 15.5, that Python has from 3.13 on only.
_RENAMED = {413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}


def name_status(status: int) -> str:
    """Return the name of an HTTP status, which is the same on every Python: documents are compared with it."""
    return _RENAMED.get(status) or responses.get(status, "Error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One failure.  ``code`` is stable and safe to match on; ``detail`` is a sentence for people, or ""."""

    status: int
    code: str
    detail: str = ""
    members: dict[str, Any] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """What the status asks a response to carry as well."""
        if self.status == HTTPStatus.UNAUTHORIZED:
            return {"WWW-Authenticate": "Bearer"}
        if self.status in _WORTH_ANOTHER_TRY or self.code == IdempotencyInProgressError.code:
            return {"Retry-After": str(self.members.get("retry_after", 1))}
        return {}

    @property
    def is_our_fault(self) -> bool:
        """Whether the log has to say more than the client is told."""
        return self.status >= 500

    def encode(self) -> bytes:
        """Return the document as JSON text."""
        document = {
            "type": "about:blank",
            "title": name_status(self.status),
            "status": self.status,
            "code": self.code,
        }
        if self.detail:
            document["detail"] = self.detail
        return to_json(document | self.members, fallback=str)


def describe(error: Exception) -> Problem:
    """Return the problem that ``error`` is to the client.

    What our own code got wrong (500) and what the database says keep their words to themselves.
    """
    if isinstance(error, KontractError):
        if error.http_status == HTTPStatus.INTERNAL_SERVER_ERROR:
            return Problem(status=500, code=error.code)
        return Problem(status=error.http_status, code=error.code, detail=str(error), members=error.details())
    if isinstance(error, Http404):
        return Problem(status=404, code="not_found", detail=str(error))
    if isinstance(error, PermissionDenied):
        return Problem(status=403, code="permission_denied", detail=str(error))
    if isinstance(error, ValidationError):
        return Problem(status=422, code="validation_failed", members={"errors": _list_errors(error)})
    if isinstance(error, RequestDataTooBig):
        return Problem(status=413, code=BodyTooLargeError.code)
    if isinstance(error, SuspiciousOperation):
        return Problem(status=400, code="bad_request")
    if isinstance(error, (OperationalError, InterfaceError)):
        return Problem(status=503, code="database_unavailable")
    return Problem(status=500, code="internal_error")


def _list_errors(error: ValidationError) -> list[dict[str, Any]]:
    """Return Django's messages in the shape of ``InvalidArgumentsError.errors``."""
    by_field = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
    return [
        {"path": [name] if name else [], "message": message, "type": "validation"}
        for name, messages in by_field.items()
        for message in messages
    ]
