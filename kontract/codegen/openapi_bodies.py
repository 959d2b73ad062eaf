"""What calls carry, and what comes back when they succeed, as OpenAPI has it."""

from collections.abc import Sequence
from typing import Any

from kontract.codegen.manifest import ProcedureEntry
from kontract.codegen.schemas import PREFIX, Schema

_FILE = {"type": "string", "contentMediaType": "application/octet-stream"}


def describe_get(entry: ProcedureEntry) -> dict[str, Any]:
    """Return the query parameter that carries all arguments."""
    return {
        "name": "kwargs",
        "in": "query",
        "required": _is_required(entry),
        "description": "The arguments, as a JSON object.",
        "content": {"application/json": {"schema": _write_kwargs(entry)}},
    }


def describe_request(entry: ProcedureEntry) -> dict[str, Any]:
    """Return the body of a call with POST."""
    content: dict[str, Any] = {}
    if entry.uploads:
        content["multipart/form-data"] = _write_form(entry)
    if not any(upload.required for upload in entry.uploads):
        content["application/json"] = {"schema": _write_envelope(entry)}
    return {"required": bool(entry.uploads) or _is_required(entry), "content": content}


def _write_kwargs(entry: ProcedureEntry) -> Schema:
    return {**entry.arguments, "additionalProperties": False}


def _is_required(entry: ProcedureEntry) -> bool:
    return bool(entry.arguments.get("required"))


def _write_envelope(entry: ProcedureEntry) -> Schema:
    """Return the schema of ``{"kwargs": ...}`` or ``{"args": ...}``."""
    properties: dict[str, Any] = {"kwargs": _write_kwargs(entry)}
    schemas, required = entry.arguments["properties"], entry.arguments.get("required", [])
    if not entry.uploads and all(name in entry.positional for name in required):
        items = [schemas[name] for name in entry.positional]
        properties["args"] = {"type": "array", "maxItems": len(items), "minItems": len(required)}
        properties["args"] |= {"prefixItems": items, "items": False} if items else {}
    least = {"minProperties": 1} if required else {}
    return {"type": "object", "properties": properties, "additionalProperties": False, "maxProperties": 1, **least}


def _write_form(entry: ProcedureEntry) -> Schema:
    files: dict[str, Any] = {u.name: {"type": "array", "items": _FILE} if u.many else _FILE for u in entry.uploads}
    needed = [upload.name for upload in entry.uploads if upload.required]
    return {
        "schema": {
            "type": "object",
            "properties": {"kwargs": _write_kwargs(entry), **files},
            "required": [*(["kwargs"] if _is_required(entry) else []), *needed],
            "additionalProperties": False,
        },
        "encoding": {"kwargs": {"contentType": "application/json"}},
    }


def describe_success(entry: ProcedureEntry, *, is_get: bool) -> dict[str, Any]:
    """Return the successful responses, by status."""
    headers = ["Kontract-Txid"]
    headers += ["ETag"] if is_get and entry.has_etag and not entry.is_download else []
    headers += ["Content-Disposition"] if entry.is_download else []
    headers += ["Kontract-Replayed"] if not entry.is_read_only and not entry.is_stream else []
    shown = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
    success = {"description": "The result.", "headers": shown, "content": _write_content(entry)}
    found: dict[str, Any] = {"2XX" if entry.has_own_status else "200": success}
    if "ETag" in headers:
        found["304"] = {"description": "The copy that has the ETag of If-None-Match is still good.", "headers": shown}
    return found


def _write_content(entry: ProcedureEntry) -> dict[str, Any]:
    if entry.is_download:
        return {"*/*": {}}
    if entry.is_stream:
        return {
            "application/jsonl": {"schema": {"type": "string", "description": _LINES}, "x-kontract-item": entry.result},
            "text/event-stream": {"schema": {"type": "string", "description": _EVENTS}},
        }
    return {"application/json": {"schema": _write_result(entry)}}


_LINES = (
    'A line {"item": ...} for each item; at the end {"done": true}, or {"problem": ...}. Without an end it broke off.'
)
_EVENTS = (
    "The data of each event is an item; at the end comes the event `done`, or `problem` with a problem. Without an end "
    "it broke off. Ask for it with Accept: text/event-stream."
)


def _write_result(entry: ProcedureEntry) -> Schema:
    properties: dict[str, Any] = {"result": entry.result}
    if not entry.is_read_only:
        properties["changes"] = {
            "description": "Of a dry run only.",
            "type": "array",
            "items": {"$ref": f"{PREFIX}kontract.Change"},
        }
    return {"type": "object", "properties": properties, "required": ["result"]}


def describe_batch(names: Sequence[str]) -> dict[str, Any]:
    """Return the request and the successful response of several calls in one."""
    call = {
        "type": "object",
        "properties": {
            "procedure": {"enum": list(names)} if names else {"type": "string"},
            "kwargs": {"type": "object"},
            "args": {"type": "array"},
            "idempotency_key": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        },
        "required": ["procedure"],
        "additionalProperties": False,
        "not": {"required": ["kwargs", "args"]},
    }
    answer = {
        "type": "object",
        "properties": {
            "status": {"type": "integer"},
            "txid": {"type": ["integer", "null"]},
            "result": {},
            "changes": {"type": "array", "items": {"$ref": f"{PREFIX}kontract.Change"}},
            "problem": {"$ref": f"{PREFIX}kontract.Problem"},
        },
        "required": ["status", "txid"],
        "oneOf": [{"required": ["result"]}, {"required": ["problem"]}],
    }
    schema = {"type": "array", "items": answer}
    return {
        "description": "Each call is answered as if it had come alone, in order, and is a transaction of its own.",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "array", "minItems": 1, "items": call}}},
        },
        "responses": {
            "200": {"description": "The answers.", "content": {"application/json": {"schema": schema}}},
        },
    }
