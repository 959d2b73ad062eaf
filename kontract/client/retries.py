"""Whether, and when, a failed call may be made again."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from kontract.client.errors import KontractProblem

_LONGEST = 60.0  # seconds; who is told to wait longer had better do something else
_FIRST = 0.2  # seconds before the second attempt where the server does not say
# The database may have gone after it committed: only a call that the server runs once can be made again.
_UNCERTAIN = "database_unavailable"


def wait_after_problem(problem: KontractProblem, *, is_repeatable: bool) -> float | None:
    """Return the seconds to wait before the next attempt; None where there should be none.

    The server asks for another attempt with the header Retry-After.  ``is_repeatable``: nothing happens twice.
    """
    if problem.retry_after is None or problem.retry_after > _LONGEST:
        return None
    if problem.status == 429 or (problem.status == 409 and problem.code == "idempotency_in_progress"):
        return problem.retry_after
    if problem.status == 503 and (is_repeatable or problem.code != _UNCERTAIN):
        return problem.retry_after
    return None


def wait_after_failure(attempt: int, *, is_repeatable: bool) -> float | None:
    """Return the seconds to wait after the connection failed; the call may have run.  ``attempt`` counts from 0."""
    return random.uniform(0.5, 1.0) * _FIRST * 2**attempt if is_repeatable else None  # noqa: S311 - jitter


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that Retry-After asks for (RFC 9110, 10.2.3); None without it."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()) if text else None
    except (ValueError, TypeError):  # no date, or one without its time zone
        return None
