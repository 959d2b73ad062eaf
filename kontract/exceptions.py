"""The errors kontract raises.

Each has a stable ``code`` (safe to match on, part of the public API) and the ``http_status`` that a failed call
answers with.  Where Django or Python has an error of the same meaning, ours is a subclass of it, so existing
``except`` clauses keep working.
"""

import inspect
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar

from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist, PermissionDenied
from django.db import DataError, IntegrityError, NotSupportedError, OperationalError


class KontractError(Exception):
    """Base of every error raised by kontract."""

    code: ClassVar[str] = "kontract_error"
    http_status: ClassVar[int] = 500

    def __str__(self) -> str:
        # KeyError and friends quote their message; a full sentence reads better bare.
        return str(self.args[0]) if self.args else ""

    def details(self) -> dict[str, Any]:
        """Return further JSON members for the problem document of a failed call."""
        return {}


class ConfigurationError(KontractError, ImproperlyConfigured):
    """The project's settings or installation do not fit together."""

    code = "configuration_error"


class TableNotFound(KontractError, LookupError):
    """A logical table is neither declared nor created."""

    code = "table_not_found"
    http_status = 404


class TableExistsError(KontractError, ValueError):
    """A logical table of this name exists already."""

    code = "table_exists"
    http_status = 409


class InvalidNameError(KontractError, ValueError):
    """A table or namespace name is not usable."""

    code = "invalid_name"
    http_status = 400


class NamespaceNotFound(KontractError, LookupError):
    """A namespace was never created."""

    code = "namespace_not_found"
    http_status = 404


class DocumentNotFound(KontractError, ObjectDoesNotExist, KeyError):
    """No live document has this id."""

    code = "document_not_found"
    http_status = 404


class InvalidIdError(KontractError, ValueError):
    """A document id is empty, too long, or not storable as text."""

    code = "invalid_id"
    http_status = 400


class InvalidDocumentError(KontractError, ValueError, DataError):
    """A value is not a JSON object that PostgreSQL can store."""

    code = "invalid_document"
    http_status = 400


class DocumentTooLargeError(InvalidDocumentError):
    """A document's JSON text is longer than the setting allows."""

    code = "document_too_large"
    http_status = 413


class InvalidQueryError(KontractError, ValueError):
    """A query names a lookup that does not exist or a value that does not fit it."""

    code = "invalid_query"
    http_status = 400


class ConflictError(KontractError, OperationalError):
    """Another transaction wrote the same document first; run the transaction again."""

    code = "conflict"
    http_status = 409


class ConstraintError(KontractError, IntegrityError):
    """A write would break a rule of its table: a primary key or unique value twice, a check, a reference."""

    code = "constraint_violated"
    http_status = 409


class PrimaryKeyTakenError(ConstraintError):
    """There is a document with this id already."""

    code = "primary_key_taken"


class ClockTimeoutError(KontractError, OperationalError):
    """The namespace's clock was held by other writers for longer than the setting allows."""

    code = "clock_timeout"
    http_status = 503


class IsolationError(KontractError, OperationalError):
    """The requested isolation cannot be had inside the transaction that is already open."""

    code = "isolation_unavailable"


class ReadOnlyError(KontractError, NotSupportedError):
    """A write was tried where only reads are allowed, such as in a block that looks at the past."""

    code = "read_only"
    http_status = 409


class UnsupportedError(KontractError, NotSupportedError):
    """Versioned models cannot do this; the message says what to write instead."""

    code = "unsupported"
    http_status = 400


class NotVersionedError(KontractError, NotSupportedError):
    """The past of an unversioned table was asked for."""

    code = "not_versioned"
    http_status = 400


class InvalidSnapshotError(KontractError, ValueError):
    """A snapshot is neither a txid, an aware datetime, nor a known token, or it has not happened yet."""

    code = "invalid_snapshot"
    http_status = 400


class SnapshotTooOldError(KontractError, LookupError):
    """The snapshot is behind the horizon: vacuum may have removed what it would show.

    ``latest`` is a snapshot to begin anew from, where one is known.
    """

    code = "snapshot_too_old"
    http_status = 410

    def __init__(self, message: str, *, latest: int | None = None) -> None:
        super().__init__(message)
        self.latest = latest


class LeaseLostError(KontractError):
    """Another worker has taken over what this one was doing for a consumer of changes."""

    code = "lease_lost"


class InvalidCursorError(KontractError, ValueError):
    """A position in the feed of changes is malformed."""

    code = "invalid_cursor"
    http_status = 400


class TransactionNotFound(KontractError, LookupError):
    """No committed transaction has this txid in the namespace."""

    code = "transaction_not_found"
    http_status = 404


class UndoConflictError(KontractError, OperationalError):
    """Later transactions touched documents of the one to undo.

    ``documents`` lists them as ``(table, id, txid of the later transaction or None)``.
    """

    code = "undo_conflict"
    http_status = 409

    def __init__(self, message: str, documents: Sequence[tuple[str, str, int | None]] = ()) -> None:
        super().__init__(message)
        self.documents = tuple(documents)

    def details(self) -> dict[str, Any]:
        """Return the documents in the way, for the problem document."""
        return {"documents": [{"table": t, "id": i, "txid": x} for t, i, x in self.documents]}


# --- Calls -----------------------------------------------------------------------------------------------------------


class SchemaError(KontractError):
    """The logical tables cannot be changed as the code wants."""

    code = "schema_error"


class SchemaRefusedError(SchemaError):
    """Changes of models that would lose data do not happen by themselves; ``refusals`` says what to write."""

    code = "schema_refused"

    def __init__(self, message: str, refusals: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.refusals = tuple(refusals)


class SchemaDataError(SchemaError):
    """Documents do not keep what a changed model demands of them."""

    code = "schema_data"


class SchemaNewerError(SchemaError):
    """The database has been changed by newer code than this."""

    code = "schema_newer"


class SchemaCodeMissingError(SchemaError):
    """Old versions of documents need code of a migration file that is not there."""

    code = "schema_code_missing"


class SchemaOutdatedError(SchemaError):
    """This process runs code that is older than what the table's documents can be brought back to."""

    code = "schema_outdated"
    http_status = 503


class CallError(KontractError):
    """Base of the errors that a project declares for its procedures: ``@backend(errors=[OutOfStock])``.

    A subclass gives its ``code`` and ``http_status`` and may be a dataclass, whose fields are members of the problem
    document and typed in the generated clients.  The first line of its docstring is the problem's ``detail``::

        @dataclass(eq=False)
        class OutOfStock(CallError):
            \"\"\"There are not enough of this article.\"\"\"

            code = "out_of_stock"
            left: int
    """

    code = "call_error"
    http_status = 400

    def __str__(self) -> str:
        return super().__str__() if self.args and not is_dataclass(self) else self.summary()

    @classmethod
    def summary(cls) -> str:
        """Return what the error means, in one line."""
        return (inspect.getdoc(cls) or cls.__name__).partition("\n")[0]

    def details(self) -> dict[str, Any]:
        """Return the fields of a dataclass, for the problem document."""
        return {f.name: getattr(self, f.name) for f in fields(self)} if is_dataclass(self) else {}


class PermissionDeniedError(KontractError, PermissionDenied):
    """The caller, or the procedure that was called, may not do this."""

    code = "permission_denied"
    http_status = 403


class AuthenticationRequiredError(KontractError, PermissionDenied):
    """Only someone who has signed in may do this."""

    code = "authentication_required"
    http_status = 401


class InvalidTokenError(KontractError, PermissionDenied):
    """A token is no token of ours, or has expired, or its session has ended; which of these, nobody is told."""

    code = "invalid_token"
    http_status = 401

    def __init__(self, message: str = "The token is not valid (any more). Refresh it, or sign in.") -> None:
        super().__init__(message)


class TokenExpiredError(KontractError, PermissionDenied):
    """The access token that a stream was opened with has reached its end."""

    code = "token_expired"
    http_status = 401


class SessionRevokedError(KontractError, PermissionDenied):
    """The session that a stream was opened with is over, or its principal has changed."""

    code = "session_revoked"
    http_status = 401


class InvalidCredentialsError(CallError):
    """Nobody can sign in with these credentials."""

    code = "invalid_credentials"
    http_status = 401


class AccountExistsError(CallError):
    """There is an account with this name; sign in to it, and merge if you have data elsewhere."""

    code = "account_exists"
    http_status = 409


class AlreadySignedInError(CallError):
    """You have signed in already. An anonymous principal gets an account by auth_link."""

    code = "already_signed_in"
    http_status = 409


class RaystreamRequiredError(KontractError, PermissionDenied):
    """This may be called through the encrypted channel only."""

    code = "raystream_required"
    http_status = 403


class RaystreamBoundError(KontractError, PermissionDenied):
    """The session of the encrypted channel belongs to somebody else than who has signed in inside it."""

    code = "raystream_bound"
    http_status = 403


class RateLimitedError(KontractError):
    """The caller has called too often; ``retry_after`` is the number of seconds to wait."""

    code = "rate_limited"
    http_status = 429

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def details(self) -> dict[str, Any]:
        """Return the seconds to wait, for the problem document."""
        return {"retry_after": self.retry_after}


class IdempotencyKeyReusedError(KontractError, ValueError):
    """An ``Idempotency-Key`` came with another call than the first time."""

    code = "idempotency_key_reused"
    http_status = 422


class IdempotencyInProgressError(KontractError):
    """The first call with this ``Idempotency-Key`` has not ended yet."""

    code = "idempotency_in_progress"
    http_status = 409


class AnswerTooLargeError(KontractError):
    """What a call answers is larger than what can be kept for an ``Idempotency-Key``, or listed by a dry run."""

    code = "answer_too_large"
    http_status = 422


class ProcedureNotFound(KontractError, LookupError):
    """No procedure has the name that was called."""

    code = "procedure_not_found"
    http_status = 404


class MethodNotAllowedError(KontractError):
    """A procedure was called with an HTTP method that is not among those ``allowed``."""

    code = "method_not_allowed"
    http_status = 405

    def __init__(self, message: str, allowed: Sequence[str]) -> None:
        super().__init__(message)
        self.allowed = tuple(allowed)


class NeedsAsgiError(KontractError):
    """The server cannot send what this procedure returns."""

    code = "needs_asgi"
    http_status = 501


class AsgiRequiredError(NeedsAsgiError):
    """Streams of events need a server that speaks ASGI, and this one speaks WSGI."""

    code = "asgi_required"


class UnsupportedMediaType(KontractError):
    """A call's body does not say that it is JSON in UTF-8."""

    code = "unsupported_media_type"
    http_status = 415


class BodyTooLargeError(KontractError):
    """A call's body is longer than the setting allows."""

    code = "body_too_large"
    http_status = 413


class InvalidRequestError(KontractError, ValueError):
    """A call's body is not the JSON object that describes a call."""

    code = "invalid_request"
    http_status = 400


class CsrfFailedError(KontractError, PermissionDenied):
    """A signed-in browser's call lacks the token that shows it came from a page of ours."""

    code = "csrf_failed"
    http_status = 403


class InvalidArgumentsError(KontractError, ValueError):
    """A call's arguments do not fit the procedure's annotations.

    ``errors`` lists what is wrong, each as ``{"path": [parameter, key or index, ...], "message": ..., "type": ...}``.
    """

    code = "invalid_arguments"
    http_status = 422

    def __init__(self, message: str, errors: Sequence[dict[str, Any]]) -> None:
        super().__init__(message)
        self.errors = list(errors)

    def details(self) -> dict[str, Any]:
        """Return what is wrong with each argument, for the problem document."""
        return {"errors": self.errors}


class InvalidResultError(KontractError, ValueError):
    """A procedure returned what its return annotation does not allow, or what JSON cannot carry."""

    code = "invalid_result"
