"""What can go wrong in the channel: the program's own misuse, and the peer's faults, which are never the same error."""

from typing import ClassVar


class RaystreamError(Exception):
    """Base of the channel's errors.  ``code`` is stable, ``http_status`` is what a request that fails so answers."""

    code: ClassVar[str] = "raystream_error"
    http_status: ClassVar[int] = 500


class MisuseError(RaystreamError):
    """The program around the channel did what the channel's state or limits do not allow."""

    code = "raystream_misuse"


class NotAuthenticError(RaystreamError):
    """The peer sent what is not authentic.

    Whatever the reason, it is this class with this message, and the answer is the one constant RESET: who probes the
    channel learns nothing from it.
    """

    code = "raystream_not_authentic"
    http_status = 400

    def __init__(self) -> None:
        super().__init__("The message is not authentic. Drop the session and make a new handshake.")


class SessionResetError(RaystreamError):
    """The server answered RESET: it does not know the session (any more), or somebody says so in its name."""

    code = "raystream_reset"
    http_status = 400

    def __init__(self) -> None:
        super().__init__("The server reset the session. Make a new handshake; resend only what is safe or idempotent.")


class TruncatedError(RaystreamError):
    """A response ended before its final chunk: what came is authentic, but not all of it came."""

    code = "raystream_truncated"
    http_status = 502

    def __init__(self) -> None:
        super().__init__("The response ended before its final chunk. Part of it is missing; do not use it as a whole.")


class InvalidEnvelopeError(RaystreamError, ValueError):
    """An authentic peer sent an envelope that the rules do not allow; the answer to it is sealed like any other."""

    code = "raystream_invalid_envelope"
    http_status = 400


class PrincipalError(RaystreamError):
    """The session is bound to another principal than the one that the request names."""

    code = "raystream_bound"
    http_status = 403
