"""A procedure as a client knows it: how its arguments are written, and what its answers are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError, create_model

from kontract.client.errors import KontractProblem, UnexpectedResponse
from kontract.client.options import Answer, Options
from kontract.client.retries import read_retry_after, wait_after_failure, wait_after_problem
from kontract.client.structure import UNSET, Structure, build_shape
from kontract.client.uploads import File, build_parts

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Procedure(Generic[T]):
    """One procedure.  ``arguments`` and ``result`` are types, ``errors`` the declared ones by their codes.

    ``is_repeatable``: it writes, and nothing happens twice when it is called twice.
    """

    name: str
    result: Any = Any
    arguments: Mapping[str, Any] = field(default_factory=dict)
    uploads: tuple[str, ...] = ()
    errors: Mapping[str, type[KontractProblem]] = field(default_factory=dict)
    is_read_only: bool = False
    is_stream: bool = False
    is_repeatable: bool = False

    @cached_property
    def _arguments(self) -> TypeAdapter[dict[str, Any]]:
        return build_shape(dict(self.arguments))

    @cached_property
    def _result(self) -> TypeAdapter[Any]:
        fields: dict[str, Any] = {"result": (self.result, ...), "changes": (list[dict[str, Any]] | None, None)}
        return TypeAdapter(create_model("Result", __base__=Structure, **fields))

    @cached_property
    def _item(self) -> TypeAdapter[Any]:
        return TypeAdapter(create_model("Item", __base__=Structure, item=(self.result, ...)))

    def prepare(self, arguments: Mapping[str, Any], options: Options) -> "Request":
        """Return the request of a call.  Raises pydantic's ``ValidationError`` for arguments of another type."""
        given = {name: value for name, value in arguments.items() if value is not UNSET}
        files = {name: given.pop(name) for name in self.uploads if name in given}
        kwargs = self._arguments.dump_json(
            self._arguments.validate_python(given), by_alias=True, exclude_unset=True, warnings="error"
        )
        headers = options.build_headers(is_read_only=self.is_read_only, is_stream=self.is_stream)
        return Request(procedure=self, kwargs=kwargs, files=_list_files(files), headers=headers, options=options)

    def read_result(self, response: httpx.Response, answer: Answer | None) -> T:
        """Return the result in a successful response, and note in ``answer`` what came with it."""
        found = self._parse(self._result, response.content)
        if answer is not None:
            answer.changes = found.changes
        result: T = found.result
        return result

    def read_item(self, line: bytes) -> T:
        """Return the item in one line of a stream."""
        item: T = self._parse(self._item, line).item
        return item

    def _parse(self, adapter: TypeAdapter[Any], text: bytes) -> Any:
        try:
            return adapter.validate_json(text)
        except ValidationError as error:
            raise UnexpectedResponse(
                f"The answer of {self.name} does not fit this client. Generate the client anew with kontract_compile."
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call, to be sent once or more often."""

    procedure: Procedure[Any]
    kwargs: bytes
    files: Mapping[str, list[File]]
    headers: Mapping[str, str]
    options: Options

    @property
    def is_repeatable(self) -> bool:
        """Whether nothing happens twice when it is sent twice."""
        is_harmless = self.procedure.is_read_only or self.procedure.is_repeatable
        return is_harmless or self.options.dry_run or "Idempotency-Key" in self.headers

    @property
    def can_be_resent(self) -> bool:
        """Whether its files are still there to be sent again."""
        return all(file.is_repeatable for many in self.files.values() for file in many)

    def build(self, base: httpx.URL) -> dict[str, Any]:
        """Return what httpx needs to build the request."""
        url = base.join(f"rpc/{self.procedure.name}")
        if self.procedure.uploads:
            return {
                "method": "POST",
                "url": url,
                "files": build_parts(self.files, self.kwargs),
                "headers": self.headers,
            }
        headers = {"Content-Type": "application/json", **self.headers}
        return {"method": "POST", "url": url, "content": b'{"kwargs":%b}' % self.kwargs, "headers": headers}

    def wait_after(self, error: KontractProblem | httpx.TransportError, attempt: int) -> float:
        """Return the seconds to wait before the next attempt; raise the error where there may be none."""
        wait = None
        if attempt < self.options.retries and self.can_be_resent:
            if isinstance(error, KontractProblem):
                wait = wait_after_problem(error, is_repeatable=self.is_repeatable)
            else:
                wait = wait_after_failure(attempt, is_repeatable=self.is_repeatable)
        if wait is None:
            raise error
        return wait

    def note(self, response: httpx.Response) -> None:
        """Note in the options' answer what the headers of a response say."""
        if (answer := self.options.answer) is not None:
            txid = response.headers.get("Kontract-Txid")
            answer.status, answer.headers, answer.changes = response.status_code, response.headers, None
            answer.txid = int(txid) if txid else None
            answer.is_replayed = response.headers.get("Kontract-Replayed") == "1"

    def read_problem(self, response: httpx.Response) -> KontractProblem:
        """Return the problem in a response that is read.  Raises ``UnexpectedResponse`` where it is none."""
        try:
            return KontractProblem.read(
                response.json(), response.status_code, read_retry_after(response.headers), self.procedure.errors
            )
        except ValueError as error:
            raise UnexpectedResponse(
                f"{response.request.method} {response.request.url} answered {response.status_code} "
                f"{response.headers.get('Content-Type', 'without a content type')}, and no problem document. "
                "Is the base URL where kontract.urls are mounted?"
            ) from error


def _list_files(files: Mapping[str, Any]) -> dict[str, list[File]]:
    found = {name: value if isinstance(value, (list, tuple)) else [value] for name, value in files.items()}
    return {name: list(map(_as_file, values)) for name, values in found.items() if values != [None]}


def _as_file(value: Any) -> File:
    return value if isinstance(value, File) else File(value)
