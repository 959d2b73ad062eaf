"""The parts of the OpenAPI document that are the same for all calls."""

from collections.abc import Iterable
from typing import Any, Final

from kontract.codegen.manifest import ErrorEntry
from kontract.codegen.problems import list_codes
from kontract.codegen.schemas import PREFIX, Schema
from kontract.rpc.problems import name_status

PARAMETERS: Final = {
    "Kontract-As-Of": {
        "name": "Kontract-As-Of",
        "in": "header",
        "description": "Read a past state: the txid of a transaction, or a date and time with its offset (RFC 3339).",
        "schema": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "format": "date-time"}]},
    },
    "Kontract-Dry-Run": {
        "name": "Kontract-Dry-Run",
        "in": "header",
        "description": "Run and answer, with what would change, but commit nothing.",
        "schema": {"const": "1"},
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Run the call once: another one with this key gets the answer of the first.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    },
}
HEADERS: Final = {
    "Kontract-Txid": {
        "description": "Where in the order of commits the client stands: what was committed, or the snapshot read.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Kontract-Replayed": {
        "description": "The answer is that of an earlier call with the same Idempotency-Key.",
        "schema": {"const": "1"},
    },
    "ETag": {
        "description": "To be sent as If-None-Match with the next call of the same arguments.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "The seconds after which another attempt may succeed.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Content-Disposition": {"description": "The file's name.", "schema": {"type": "string"}},
}
SECURITY: Final = {
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRFToken",
        "description": "Django's CSRF token, needed wherever the session cookie signs in, but not for GET.",
    },
    "session": {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "Django's session."},
    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "An access token."},
}
SIGNED_IN: Final[list[dict[str, list[str]]]] = [{"csrf": [], "session": []}, {"token": []}]  # either will do
_PROBLEM: Final = {
    "type": "object",
    "description": "A failure (RFC 9457). Match on `code`; it is stable.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string", "description": "A sentence for people."},
    },
    "required": ["type", "title", "status", "code"],
}
_CHANGE: Final = {
    "type": "object",
    "description": "A document that a dry run would have changed.",
    "properties": {
        "table": {"type": "string"},
        "id": {"type": "string"},
        "op": {"type": "string"},
        "before": {"type": ["object", "null"]},
        "after": {"type": ["object", "null"]},
    },
    "required": ["table", "id", "op", "before", "after"],
}


def write_shared() -> dict[str, Schema]:
    """Return the schemas of all problems but declared ones, by status; their names have a dot, unlike any type's."""
    by_status = {
        f"kontract.Problem{status}": _narrow({"status": {"const": status}, "code": {"enum": codes}}, [])
        for status, codes in list_codes().items()
    }
    return {"kontract.Change": _CHANGE, "kontract.Problem": _PROBLEM, **by_status}


def write_problems(errors: Iterable[ErrorEntry]) -> dict[str, Schema]:
    """Return the schemas of declared errors."""
    return {name_error(error): _write_problem(error) for error in errors}


def _write_problem(error: ErrorEntry) -> dict[str, Any]:
    members = error.members["properties"]
    own = {"status": {"const": error.status}, "code": {"const": error.code}}
    return {"description": error.doc, **_narrow({**own, **members}, error.members.get("required", []))}


def _narrow(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    own: dict[str, Any] = {"type": "object", "properties": properties}
    return {"allOf": [{"$ref": f"{PREFIX}kontract.Problem"}, own | ({"required": required} if required else {})]}


def name_error(error: ErrorEntry) -> str:
    """Return the name of a declared error's schema; two errors may have one class name, or one code."""
    return f"{error.name}.{error.code}"


def name_response(status: int) -> str:
    """Return the name of the response that any call can have with this status."""
    return f"kontract.{status}"


def describe_problem(status: int, errors: Iterable[ErrorEntry]) -> dict[str, Any]:
    """Return the response with this status: what is declared for it, or else any problem that has it."""
    declared = [error for error in errors if error.status == status]
    names = [name_error(error) for error in declared]
    names += [f"kontract.Problem{status}"] if status in list_codes() else []
    members = [{"$ref": f"{PREFIX}{name}"} for name in names]
    headers = ["Kontract-Txid", *(["Retry-After"] if status in (409, 429, 503) else [])]
    return {
        "description": " ".join(error.doc for error in declared) or name_status(status),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": {"application/problem+json": {"schema": members[0] if len(members) == 1 else {"anyOf": members}}},
    }
