"""Procedures that show what a client makes of trouble, and of types that the zoo has no cage for."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import Field

from kontract import CallError, Download, backend, ctx, env, perms

Wide = Annotated[int, Field(ge=-(2**63), lt=2**63)]

failures: Counter[str] = Counter()  # how often each client's call has failed
runs: Counter[str] = Counter()
cancelled: set[str] = set()


@dataclass(eq=False)
class Busy(CallError):
    """The lab is busy."""

    code = "busy"
    http_status = 503
    failed: int


@dataclass
class Sample:
    """Something with a moment, and with bytes."""

    taken: datetime
    content: bytes
    number: Wide


@dataclass
class Note:
    """Something with text alone, called as the moment of a sample is."""

    taken: str


@dataclass
class Chain:
    """Something that contains its like."""

    at: datetime
    next: "Chain | None" = None


@backend(perm=perms.R__)
def lab_wide(number: Wide, numbers: list[Wide]) -> tuple[Wide, list[Wide]]:
    """Return integers that a JavaScript number cannot hold."""
    return number, numbers


@backend(perm=perms.R__)
def lab_too_wide() -> int:
    """Return an integer that its type does not tell to be so large."""
    return 2**53


@backend(perm=perms.R__)
def lab_unions(
    samples: list[Sample | Note], loose: list[datetime | date | int | None], chain: Chain
) -> tuple[list[Sample | Note], list[datetime | date | int | None], Chain, dict[str, datetime]]:
    """Return what came, and when."""
    return samples, loose, chain, {"__proto__": datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC)}


@backend(perm=perms.R__)
def lab_naive() -> datetime:
    """Return a moment without a time zone."""
    return datetime(2024, 2, 29, 12, 0, 0, 123456)


@backend(perm=perms.R__, etag=False)
def lab_flaky(client: str, times: int) -> int:
    """Answer after failing so many times."""
    _fail(client, times)
    return failures[client]


def _fail(client: str, times: int) -> None:
    if failures[client] < times:
        failures[client] += 1
        raise Busy(failed=failures[client])


@backend(errors=[Busy])
def lab_flaky_write(client: str, times: int) -> list[str | None]:
    """Count the call after failing so many times; return the idempotency key."""
    _fail(client, times)
    lab_count(client)
    return [ctx.request.headers.get("Idempotency-Key") if ctx.request is not None else None]


@backend
def lab_count(client: str) -> int:
    """Count how often a client has called."""
    count = (env.storage.lab_counts.get(client) or {"n": 0})["n"] + 1
    env.storage.lab_counts.set(client, {"n": count})
    return int(count)


@backend(perm=perms.R__)
def lab_counted(client: str) -> int:
    """Return how often a client has called."""
    return int((env.storage.lab_counts.get(client) or {"n": 0})["n"])


@backend(perm=perms.R__)
def lab_runs(client: str) -> int:
    """Return how often this has run for a client: a copy that is still good does not count."""
    env.storage.lab_counts.get(client)  # what is read from nowhere has no ETag
    runs[client] += 1
    return runs[client]


@backend
def lab_export(client: str) -> Download:
    """Count the call, and return a file."""
    lab_count(client)
    return Download(b"exported")


@backend
def lab_import(client: str) -> Iterator[int]:
    """Count the call, in a stream."""
    yield lab_count(client)


@backend(perm=perms.R__)
async def lab_slow(client: str, seconds: float) -> str:
    """Answer after a while; remember who did not wait."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        cancelled.add(client)
        raise
    return "awake"


@backend(perm=perms.R__)
async def lab_ticks(client: str) -> AsyncIterator[datetime]:
    """Yield moments until the client goes."""
    try:
        while True:
            yield datetime.now(UTC)
            await asyncio.sleep(0.01)
    finally:
        cancelled.add(client)


@backend(perm=perms.R__, etag=False)
async def lab_cancelled(client: str) -> bool:
    """Return whether a call of the client was cancelled here."""
    return client in cancelled


@backend
def lab_who() -> str:
    """Return the caller's name."""
    return ctx.owner


@backend(perm=perms.R__, etag=False)
def lab_headers(names: list[str]) -> dict[str, str | None]:
    """Return headers of the request."""
    assert ctx.request is not None
    return {name: ctx.request.headers.get(name) for name in names}
