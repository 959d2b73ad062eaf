"""What a call can raise, besides httpx's own errors for a connection that failed."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Self

import httpx

from kontract.client.structure import build_shape


class ClientError(Exception):
    """Base of the errors of calls."""


class UnexpectedResponse(ClientError):
    """The answer is none that this client understands: something else answered, or a server of another version."""


class TruncatedStream(ClientError):
    """A stream ended without saying that it was complete."""


class ChannelError(ClientError, httpx.TransportError):
    """The encrypted channel failed, on the way or at the server; a call that was under way may have run.

    As with a connection that fails, what is safe to repeat is repeated.
    """


class KontractProblem(ClientError):
    """The server refused a call, or failed (RFC 9457).

    Match on ``code``; it is stable.  ``detail`` is a sentence for people, or "".  ``problem`` is the whole document.
    ``retry_after`` is the number of seconds after which to try again, where the server says so.
    """

    # The attributes of a declared error: by name the key in the document and the type.
    members: ClassVar[Mapping[str, tuple[str, Any]]] = {}

    def __init__(self, problem: Mapping[str, Any], *, status: int, retry_after: float | None = None) -> None:
        super().__init__(problem.get("detail") or problem.get("title") or problem["code"])
        self.problem = dict(problem)
        self.status = status
        self.code: str = problem["code"]
        self.detail: str = problem.get("detail", "")
        self.retry_after = retry_after
        values = build_shape(dict(self.members.values())).validate_python(self.problem)
        for name, (key, _) in self.members.items():
            setattr(self, name, values.get(key))

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), self.problem, status=self.status, retry_after=self.retry_after), ()

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.args[0]}"

    @classmethod
    def read(cls, document: Any, status: int, retry_after: float | None, declared: Mapping[str, type[Self]]) -> Self:
        """Return the error of a problem document, of the class that is declared for its code.

        Raises ``ValueError`` for what is no problem document.
        """
        if not isinstance(document, dict) or not isinstance(document.get("code"), str):
            raise ValueError("This is no problem document.")
        return declared.get(document["code"], cls)(document, status=status, retry_after=retry_after)
