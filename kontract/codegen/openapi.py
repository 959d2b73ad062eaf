"""The OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1)."""

import json
from typing import Any

from kontract.codegen.manifest import Manifest, ProcedureEntry
from kontract.codegen.openapi_bodies import describe_batch, describe_get, describe_request, describe_success
from kontract.codegen.openapi_parts import (
    HEADERS,
    PARAMETERS,
    SECURITY,
    SIGNED_IN,
    describe_problem,
    name_response,
    write_problems,
    write_shared,
)
from kontract.codegen.problems import SPECIAL, list_codes
from kontract.codegen.schemas import PREFIX


def render(manifest: Manifest, *, server: str = ".", title: str = "API", version: str = "") -> str:
    """Return the document as JSON text.  ``server`` is the path that kontract's URLs are mounted at."""
    return json.dumps(build(manifest, server=server, title=title, version=version), ensure_ascii=False, indent=2) + "\n"


def build(manifest: Manifest, *, server: str, title: str, version: str) -> dict[str, Any]:
    """Return the document."""
    document: Any = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version or "0"},
        "servers": [{"url": server}],
        "tags": [{"name": egroup} for egroup in sorted({entry.egroup for entry in manifest.procedures})],
        "paths": {
            "/rpc": {"post": _describe_batch(manifest)},
            **{f"/rpc/{entry.name}": _describe_path(entry) for entry in manifest.procedures},
        },
        "components": {
            "schemas": {**manifest.definitions, **write_shared(), **write_problems(manifest.errors)},
            "responses": {name_response(status): describe_problem(status, ()) for status in list_codes()},
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "securitySchemes": SECURITY,
        },
    }
    pointed: dict[str, Any] = _point(document)
    return pointed


def _describe_path(entry: ProcedureEntry) -> dict[str, Any]:
    path = {"post": _describe_call(entry) | {"requestBody": describe_request(entry)}}
    if entry.has_get:
        path["get"] = _describe_call(entry, is_get=True)
    return path


def _describe_call(entry: ProcedureEntry, *, is_get: bool = False) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": f"{entry.name}-get" if is_get else entry.name,  # no procedure has a name like this
        "tags": [entry.egroup],
        "summary": entry.doc.partition("\n")[0] or entry.name,
        **({"description": entry.doc} if "\n" in entry.doc else {}),
        "x-kontract-perm": entry.perm,
        **({"x-kontract-raystream": entry.raystream} if entry.raystream is not None else {}),
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in _list_parameters(entry)],
        "responses": {**describe_success(entry, is_get=is_get), **_describe_failures(entry)},
    }
    if is_get:
        described["parameters"] = [describe_get(entry), *described["parameters"]]
    if entry.ugroups is not None:
        described |= {"x-kontract-ugroups": list(entry.ugroups), "security": SIGNED_IN}
    else:
        described["security"] = [{}, *SIGNED_IN]
    return described


# As Python writes them: a time of day needs no offset, and a duration may be negative, unlike those of RFC 3339.
_FORMATS = {
    "duration": {"format": "iso-duration", "pattern": r"^[-+]?P([0-9]+D)?(T([0-9]+H)?([0-9]+M)?([0-9.]+S)?)?$"},
    "time": {"format": "time-local"},
}


def _list_parameters(entry: ProcedureEntry) -> list[str]:
    if entry.is_read_only:
        return ["Kontract-As-Of"]
    return [] if entry.is_stream else ["Kontract-Dry-Run", "Idempotency-Key"]


def _describe_failures(entry: ProcedureEntry | None) -> dict[str, Any]:
    """Return the problem responses by status; without ``entry`` those of a batch."""
    errors = () if entry is None else entry.errors
    left_out = SPECIAL - ({501} if entry is not None and entry.is_stream else set())
    statuses = {*list_codes(), *(error.status for error in errors)} - left_out
    declared = {error.status for error in errors}
    return {
        str(status): describe_problem(status, errors)
        if status in declared
        else {"$ref": f"#/components/responses/{name_response(status)}"}
        for status in sorted(statuses)
    }


def _describe_batch(manifest: Manifest) -> dict[str, Any]:
    names = [e.name for e in manifest.procedures if not (e.is_stream or e.is_download or e.uploads)]
    described = describe_batch(names)
    described["responses"] |= _describe_failures(None)
    return {"operationId": "kontract-batch", "summary": "Make several calls in one request.", **described}


def _point(schema: Any) -> Any:
    """Return a document whose references lead to where OpenAPI keeps named types, and whose formats hold."""
    if isinstance(schema, dict):
        pointed = {key: _point(value) for key, value in schema.items()}
        return pointed | _FORMATS.get(str(schema.get("format")), {})
    if isinstance(schema, list):
        return [_point(item) for item in schema]
    if isinstance(schema, str) and schema.startswith(PREFIX):
        return f"#/components/schemas/{schema.removeprefix(PREFIX)}"
    return schema
