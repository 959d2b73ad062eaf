"""What a client knows of who calls, and where it keeps what it needs to go on knowing."""

import json
import time
from base64 import urlsafe_b64decode
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Protocol

from kontract.client.errors import KontractProblem
from kontract.client.options import Options

_MARGIN: Final = 30.0  # seconds before its end in which a token is not used any more
_MARGIN_PART: Final = 0.1  # of a token's life, at most


class TokenStorage(Protocol):
    """Keeps the refresh token: whoever can read it is signed in for as long as the session lasts.

    Its methods may take their time; an asynchronous client calls them in a thread.
    """

    def load(self) -> str | None:
        """Return the token that was saved last; None where there is none."""

    def save(self, token: str, /) -> None:
        """Keep a token instead of the one before."""

    def clear(self) -> None:
        """Forget the token."""


class MemoryStorage:
    """Keeps the refresh token until the program ends."""

    def __init__(self) -> None:
        self._token: str | None = None

    def load(self) -> str | None:
        """Return the token."""
        return self._token

    def save(self, token: str, /) -> None:
        """Keep a token."""
        self._token = token

    def clear(self) -> None:
        """Forget the token."""
        self._token = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthOptions:
    """How calls are signed in.

    ``anonymous``: with "auto", nobody's first call makes an anonymous principal; with "manual", ``auth.anonymous()``
    does.  ``storage`` keeps the refresh token; by default each client has it in memory.
    """

    anonymous: Literal["auto", "manual"] = "manual"
    storage: TokenStorage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Who calls, and the access token that says so; ``expires_at`` is by the monotonic clock."""

    token: str
    expires_at: float
    principal: Any


class State:
    """Who calls with a client and its copies."""

    def __init__(self, options: AuthOptions) -> None:
        self.makes_visitors = options.anonymous == "auto"
        self.storage = options.storage or MemoryStorage()
        self._signed: Signed | None = None

    @property
    def principal(self) -> Any:
        """Who calls, as the server told last; None for nobody."""
        return None if self._signed is None else self._signed.principal

    @property
    def token(self) -> str | None:
        """The access token, however old."""
        return None if self._signed is None else self._signed.token

    def find_good(self, used: str | None = None) -> str | None:
        """Return the access token, unless it is ``used`` or about to expire."""
        signed = self._signed
        if signed is None or signed.token == used or time.monotonic() >= signed.expires_at:
            return None
        return signed.token

    def sign(self, tokens: Any) -> str:
        """Take tokens as the server gives them; return the access token."""
        life = tokens.expires_in - min(_MARGIN, tokens.expires_in * _MARGIN_PART)
        self._signed = Signed(token=tokens.access_token, expires_at=time.monotonic() + life, principal=tokens.principal)
        return self._signed.token

    def forget(self) -> bool:
        """Be nobody; return whether it was somebody."""
        was_somebody, self._signed = self._signed is not None, None
        return was_somebody


def read_owner(token: str) -> str:
    """Return whose an access token (RFC 7519) is, which the server alone can verify."""
    claims = token.split(".")[1]
    owner: str = json.loads(urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]
    return owner


def is_refusal(problem: KontractProblem) -> bool:
    """Tell whether the server refused a token, before anything else was done."""
    return problem.code == "invalid_token"


def without_repetition(options: Options) -> Options:
    """Return the options of a call that signs in: its answer is a secret, which is neither kept nor tried out."""
    return replace(options, as_of=None, dry_run=False, idempotency_key=None, idempotent=False, answer=None)
