"""``CallClient`` and ``AsyncCallClient``: Django's test clients, for calls."""

import copy
from collections.abc import AsyncGenerator, Generator, Iterable, Mapping
from contextlib import AbstractContextManager, aclosing, nullcontext
from datetime import datetime
from typing import Any, Generic, NamedTuple, Self, TypeVar

from django.http.response import HttpResponseBase
from django.test import AsyncClient, Client
from django.urls import reverse

from kontract import context
from kontract.testing.answers import (
    DryRun,
    StreamReader,
    check_stream,
    gather_file,
    read_batch,
    read_document,
    read_result,
)
from kontract.testing.arguments import Body, encode_batch, encode_call, encode_query
from kontract.testing.caller import AsyncCallerHandler, CallerHandler, make_caller
from kontract.testing.log import watched

HTTP = TypeVar("HTTP", Client, AsyncClient)

Calls = Iterable[tuple[str, Mapping[str, Any]]]  # of a batch: names with arguments by name

_DRY = {"Kontract-Dry-Run": "1"}
_EMPTY = Body(b"", "")


class _Answer(NamedTuple):
    response: Any
    cause: BaseException | None


class _Base(Generic[HTTP]):
    """What the two clients have in common.  ``http`` is Django's client, with its cookies."""

    def __init__(self, http: HTTP, namespace: str | None) -> None:
        self.http: HTTP = http
        self.response: HttpResponseBase | None = None
        self._namespace = namespace
        self._headers: dict[str, str] = {}

    @property
    def txid(self) -> int | None:
        """The txid of the last response: what the call committed, or the snapshot that it read."""
        text = None if self.response is None else self.response.headers.get("Kontract-Txid")
        return None if text is None else int(text)

    def with_options(
        self,
        *,
        as_of: int | datetime | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """Return a client of the same caller, with the same cookies, whose calls have these options.

        ``as_of``: read the past, a txid or an aware datetime.  ``idempotency_key``: be answered once.  ``headers``:
        further ones.
        """
        moment = as_of.isoformat() if isinstance(as_of, datetime) else as_of
        options = {"Kontract-As-Of": moment, "Idempotency-Key": idempotency_key}
        made = copy.copy(self)
        made.response = None
        given = {name: str(value) for name, value in options.items() if value is not None}
        made._headers = {**self._headers, **given, **(headers or {})}
        return made

    def _block(self) -> AbstractContextManager[None]:
        return nullcontext() if self._namespace is None else context.namespace(self._namespace)

    def _note(self, response: Any) -> Any:
        self.response = response
        return response


class CallClient(_Base[Client]):
    """Calls procedures through Django's test client: the URLs, the middleware, and all that a real call passes.

    ``owner`` is who calls, signed in with these ``ugroups``; nobody by default.  Users of Django's sign in with
    ``force_login``.  Calls run in the ``namespace`` that is given, or in the test's.
    """

    def __init__(
        self,
        *,
        owner: str | None = None,
        ugroups: str | Iterable[str] = (),
        namespace: str | None = None,
        enforce_csrf_checks: bool = False,
    ) -> None:
        http = Client(enforce_csrf_checks)
        groups = ugroups if isinstance(ugroups, str) else frozenset(ugroups)
        http.handler = CallerHandler(make_caller(owner, groups), enforce_csrf_checks)
        super().__init__(http, namespace)

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a procedure and return its result, as JSON has it; of a download, the bytes.

        Arguments that are open files are uploaded.  Raises ``CallFailed``.
        """
        return read_result(name, *self._post(name, encode_call(args, kwargs)))

    def dry_run(self, name: str, /, *args: Any, **kwargs: Any) -> DryRun:
        """Return what a call would return and change, and change nothing.  Raises ``CallFailed``."""
        document = read_document(name, *self._post(name, encode_call(args, kwargs), _DRY))
        return DryRun(document["result"], document["changes"])

    def batch(self, calls: Calls) -> list[Any]:
        """Make several calls in one request; return of each the result, or the ``CallFailed`` it would have raised."""
        calls = list(calls)
        answer = self._send("POST", reverse("kontract:batch"), encode_batch(calls))
        return read_batch([name for name, _ in calls], read_document("The batch", *answer))

    def stream(self, name: str, /, *args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        """Yield the items of a procedure that streams.  Raises ``CallFailed``, also in the middle."""
        answer = self._post(name, encode_call(args, kwargs))
        check_stream(name, *answer)
        reader = StreamReader(name)
        try:
            for chunk in answer.response.streaming_content:
                yield from reader.feed(chunk)
            reader.finish()
        finally:
            if not answer.response.closed:  # where the test does not read on
                answer.response.close()

    def post_call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a procedure and return Django's response, whatever it is."""
        return self._post(name, encode_call(args, kwargs)).response

    def get_call(self, name: str, /, **kwargs: Any) -> Any:
        """Call a procedure that only reads by GET, and return Django's response, whatever it is."""
        return self._send("GET", _path(name) + encode_query(kwargs), _EMPTY).response

    def force_login(self, user: Any) -> None:
        """Sign in a user of Django's without a password; needs Django's sessions and authentication."""
        self.http.force_login(user)

    def logout(self) -> None:
        """Sign out who signed in."""
        self.http.logout()

    def _post(self, name: str, body: Body, headers: Mapping[str, str] | None = None) -> _Answer:
        return self._send("POST", _path(name), body, headers)

    def _send(self, method: str, path: str, body: Body, headers: Mapping[str, str] | None = None) -> _Answer:
        with self._block(), watched() as witness:
            response = self.http.generic(method, path, *body, headers={**self._headers, **(headers or {})})
            return _Answer(self._note(response), witness.find_cause(response))


class AsyncCallClient(_Base[AsyncClient]):
    """See CallClient; its calls go through ASGI and are awaited."""

    def __init__(
        self,
        *,
        owner: str | None = None,
        ugroups: str | Iterable[str] = (),
        namespace: str | None = None,
        enforce_csrf_checks: bool = False,
    ) -> None:
        http = AsyncClient(enforce_csrf_checks)
        groups = ugroups if isinstance(ugroups, str) else frozenset(ugroups)
        http.handler = AsyncCallerHandler(make_caller(owner, groups), enforce_csrf_checks)
        super().__init__(http, namespace)

    async def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """See CallClient.call()."""
        answer = await self._post(name, encode_call(args, kwargs))
        await gather_file(answer.response)
        return read_result(name, *answer)

    async def dry_run(self, name: str, /, *args: Any, **kwargs: Any) -> DryRun:
        """See CallClient.dry_run()."""
        document = read_document(name, *await self._post(name, encode_call(args, kwargs), _DRY))
        return DryRun(document["result"], document["changes"])

    async def batch(self, calls: Calls) -> list[Any]:
        """See CallClient.batch()."""
        calls = list(calls)
        answer = await self._send("POST", reverse("kontract:batch"), encode_batch(calls))
        return read_batch([name for name, _ in calls], read_document("The batch", *answer))

    async def stream(self, name: str, /, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """See CallClient.stream()."""
        answer = await self._post(name, encode_call(args, kwargs))
        check_stream(name, *answer)
        reader = StreamReader(name)
        async with aclosing(answer.response.streaming_content) as content:
            async for chunk in content:
                for item in reader.feed(chunk):
                    yield item
        reader.finish()

    async def post_call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """See CallClient.post_call()."""
        return (await self._post(name, encode_call(args, kwargs))).response

    async def get_call(self, name: str, /, **kwargs: Any) -> Any:
        """See CallClient.get_call()."""
        return (await self._send("GET", _path(name) + encode_query(kwargs), _EMPTY)).response

    async def force_login(self, user: Any) -> None:
        """See CallClient.force_login()."""
        await self.http.aforce_login(user)

    async def logout(self) -> None:
        """See CallClient.logout()."""
        await self.http.alogout()

    async def _post(self, name: str, body: Body, headers: Mapping[str, str] | None = None) -> _Answer:
        return await self._send("POST", _path(name), body, headers)

    async def _send(self, method: str, path: str, body: Body, headers: Mapping[str, str] | None = None) -> _Answer:
        with self._block(), watched() as witness:
            response = await self.http.generic(method, path, *body, headers={**self._headers, **(headers or {})})
            return _Answer(self._note(response), witness.find_cause(response))


def _path(name: str) -> str:
    return reverse("kontract:call", args=[name])
