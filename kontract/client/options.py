"""How a call is made, and what came back besides its result."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class Answer:
    """What came back besides the result; pass one with ``client.options(answer=Answer())`` and read it afterwards.

    ``txid``: where in the order of commits the call stands.  ``changes``: what a dry run would have changed, each as
    ``{"table", "id", "op", "before", "after"}``.  ``is_replayed``: whether it is the answer of an earlier call with
    the same idempotency key.
    """

    status: int | None = None
    txid: int | None = None
    is_replayed: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    changes: list[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How calls are made.

    ``timeout``: seconds to wait for the connection, and for each part of the response.  ``retries``: further attempts
    where the protocol allows them.  ``as_of``: a txid or an aware datetime, the past state to read.  ``dry_run``: have
    a writing call commit nothing.  ``idempotency_key``: one key for one call, which the server then runs only once;
    ``idempotent``: give each writing call a key of its own, so that it can be tried again when the connection fails.
    ``on_open``, ``on_lost``: what is called when a subscription or a live query has a stream (with the cursor that it
    goes on from), and once, with the reason, when it has none any more and tries to open one.
    """

    timeout: float | None = 30.0
    retries: int = 2
    as_of: int | datetime | None = None
    dry_run: bool = False
    idempotency_key: str | None = None
    idempotent: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    answer: Answer | None = None
    on_open: Callable[[str | None], object] | None = None
    on_lost: Callable[[Exception], object] | None = None

    def build_headers(self, *, is_read_only: bool, is_stream: bool) -> dict[str, str]:
        """Return the headers of one call; the same for all of its attempts."""
        headers = dict(self.headers)
        if self.as_of is not None:
            headers["Kontract-As-Of"] = _write_moment(self.as_of)
        if self.dry_run:
            headers["Kontract-Dry-Run"] = "1"
        if self.idempotency_key is not None:
            headers["Idempotency-Key"] = self.idempotency_key
        elif self.idempotent and not (is_read_only or is_stream or self.dry_run):
            headers["Idempotency-Key"] = uuid.uuid4().hex
        return headers


def _write_moment(moment: int | datetime) -> str:
    if isinstance(moment, datetime) and moment.tzinfo is None:
        raise ValueError(f"as_of={moment!r} has no time zone. Give an aware datetime, or a txid.")
    return moment.isoformat() if isinstance(moment, datetime) else str(moment)
