"""What PostgreSQL says, in kontract's words."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import DatabaseError

from kontract.context import is_restricted
from kontract.exceptions import ClockTimeoutError, ConflictError, ConstraintError, KontractError, PrimaryKeyTakenError
from kontract.mvcc.versions import violations

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_SERIALIZATION_FAILURE = "40001"
_DEADLOCK_DETECTED = "40P01"
_LOCK_NOT_AVAILABLE = "55P03"
_UNIQUE_VIOLATION = "23505"
_INVALID_TEXT_REPRESENTATION = "22P02"


@contextmanager
def translated(*, flushing: bool = False) -> Iterator[None]:
    """Raise kontract's error in place of Django's, where there is one; others pass unchanged."""
    try:
        yield
    except KontractError:
        raise
    except DatabaseError as error:
        if (ours := translate(error, flushing=flushing)) is not None:
            raise ours from error
        raise


def translate(error: BaseException, *, flushing: bool = False) -> KontractError | None:
    """Return kontract's error of the same meaning as Django's ``error``, if there is one.

    A lock that could not be had is the clock's only while ``flushing``; elsewhere it is one of the caller's own.
    """
    cause = error.__cause__
    if not isinstance(cause, psycopg.Error):
        return None
    if cause.sqlstate in (_SERIALIZATION_FAILURE, _DEADLOCK_DETECTED):
        return ConflictError(
            "Another transaction wrote what this one has read or written, and committed first. Run it again "
            "(@kontract.transactional and @backend do so by themselves)."
        )
    if cause.sqlstate == _UNIQUE_VIOLATION and cause.diag.constraint_name == "storage_live":
        return ConflictError("Another transaction inserted one of these documents and committed first. Run it again.")
    if cause.sqlstate == _INVALID_TEXT_REPRESENTATION and violations.VIOLATION in (cause.diag.message_primary or ""):
        text = (cause.diag.message_primary or "").partition(violations.VIOLATION)[2].removesuffix('"')
        kind = PrimaryKeyTakenError if text.startswith(violations.PRIMARY_KEY) else ConstraintError
        if is_restricted():  # the document may be one that the call cannot know of
            text = text.partition(": document ")[0]
        return kind(f"The write violates the {text}.")
    if cause.sqlstate == _INVALID_TEXT_REPRESENTATION and violations.OUTDATED in (cause.diag.message_primary or ""):
        return ConflictError(
            "Another transaction has dropped a logical table, or made it anew, or taken a document since this one "
            "looked it up. Run it again."
        )
    if flushing and cause.sqlstate == _LOCK_NOT_AVAILABLE:
        return ClockTimeoutError(
            'Other writers held the clock of the namespace for longer than KONTRACT["CLOCK_TIMEOUT"]. Try again; if '
            "this happens often, look for transactions that write more documents than FLUSH_LIMIT or stay open long."
        )
    return None
