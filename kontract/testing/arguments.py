"""From Python's values to a request's body."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from pydantic_core import to_jsonable_python

JSON_CONTENT = "application/json"


class Body(NamedTuple):
    """A request's body and its type."""

    content: bytes
    content_type: str = JSON_CONTENT


def encode_call(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Body:
    """Return the body of a call.  Arguments that are open files, or lists of them, are uploaded.

    Raises ``TypeError`` for arguments by position together with some by name, which one call cannot have.
    """
    if args and kwargs:
        raise TypeError("A call has its arguments either by position or by name. Name all of them.")
    if args:
        return Body(dumps({"args": args}))
    if files := {name: value for name, value in kwargs.items() if _is_upload(value)}:
        others = {name: value for name, value in kwargs.items() if name not in files}
        return Body(encode_multipart(BOUNDARY, {"kwargs": dumps(others).decode(), **files}), MULTIPART_CONTENT)
    return Body(dumps({"kwargs": kwargs}))


def encode_query(kwargs: Mapping[str, Any]) -> str:
    """Return the query string of a call by GET."""
    return f"?kwargs={quote(dumps(kwargs))}" if kwargs else ""


def encode_batch(calls: Sequence[tuple[str, Mapping[str, Any]]]) -> Body:
    """Return the body of a batch of calls, each a procedure's name with arguments by name."""
    return Body(dumps([{"procedure": name, "kwargs": kwargs} for name, kwargs in calls]))


def dumps(value: Any) -> bytes:
    """Return the JSON text of what procedures may take: dates, UUIDs, bytes, dataclasses, pydantic's models, ..."""
    return json.dumps(to_jsonable_python(value, by_alias=True, bytes_mode="base64")).encode()


def _is_upload(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(_is_upload, value))
    return callable(getattr(value, "read", None))
