"""From responses to results, and what failed calls raise."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.http.response import HttpResponseBase

_PROBLEM = "application/problem+json"
_STREAM = "application/jsonl"


class CallFailed(Exception):
    """A call was answered with a problem.

    ``status`` and ``code`` are those of the ``problem``, a dict as RFC 9457 has it.  Where the fault is the server's,
    ``__cause__`` is the exception that the log has.
    """

    def __init__(self, name: str, problem: dict[str, Any]) -> None:
        self.problem = problem
        self.status: int = problem["status"]
        self.code: str = problem["code"]
        super().__init__(f"{name} failed with {self.status} {self.code}{_explain(problem)}")


def _explain(problem: dict[str, Any]) -> str:
    members = {k: v for k, v in problem.items() if k not in ("type", "title", "status", "code", "detail")}
    detail = f": {problem['detail']}" if "detail" in problem else ""
    return f"{detail} {json.dumps(members)}" if members else detail


class DryRun(NamedTuple):
    """What a call would return, and the changes it would make: dicts of table, id, op, before and after."""

    result: Any
    changes: list[dict[str, Any]]


def read_document(name: str, response: HttpResponseBase, cause: BaseException | None) -> Any:
    """Return a response's JSON value; the bytes of a download.  Raises ``CallFailed``."""
    content_type = _content_type(response)
    if content_type == _STREAM:
        raise TypeError(f"{name} streams its results. Use stream().")
    content: bytes = response.getvalue()
    if content_type == _PROBLEM:
        raise CallFailed(name, json.loads(content)) from cause
    if response.status_code >= 300:
        raise AssertionError(f"{name} was answered with {response.status_code} by something else than kontract.")
    if "Content-Disposition" in response.headers or content_type != "application/json":
        return content
    return json.loads(content) if content else {"result": None}


async def gather_file(response: Any) -> None:
    """Make a file that is sent in pieces one that can be read at once; leave a stream of results as it is."""
    if response.streaming and response.is_async and _content_type(response) != _STREAM:
        response.streaming_content = [b"".join([piece async for piece in response])]


def check_stream(name: str, response: HttpResponseBase, cause: BaseException | None) -> None:
    """Raise ``CallFailed`` where a stream did not even begin, ``TypeError`` where the procedure does not stream."""
    if _content_type(response) != _STREAM:
        read_document(name, response, cause)
        raise TypeError(f"{name} does not stream its results. Use call().")


def _content_type(response: HttpResponseBase) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0]


def read_result(name: str, response: HttpResponseBase, cause: BaseException | None) -> Any:
    """Return what a call returned.  Raises ``CallFailed``."""
    document = read_document(name, response, cause)
    return document if isinstance(document, bytes) else document["result"]


def read_batch(names: list[str], items: list[dict[str, Any]]) -> list[Any]:
    """Return each call's result, or the ``CallFailed`` that it would have raised."""
    pairs = zip(names, items, strict=True)
    return [CallFailed(name, item["problem"]) if "problem" in item else item["result"] for name, item in pairs]


class StreamReader:
    """Reads JSON Lines as they come in."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rest = b""
        self._is_whole = False

    def feed(self, chunk: bytes) -> Iterator[Any]:
        """Yield the items that are complete.  Raises ``CallFailed``."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in map(json.loads, lines):
            if "problem" in line:
                raise CallFailed(self._name, line["problem"])
            if "done" in line:
                self._is_whole = True
            else:
                yield line["item"]

    def finish(self) -> None:
        """Raise ``AssertionError`` unless the stream has said that it is over."""
        if not self._is_whole:
            raise AssertionError(f"The stream of {self._name} broke off without saying that it is over.")
