"""Clients that sign their calls in: with an access token, which is renewed before it expires and where it is refused.

However many threads wait for the next token, one of them asks for it.
"""

import copy
from collections.abc import Mapping
from threading import Lock
from typing import Any, ClassVar, Generic, Self, TypeVar

import httpx

from kontract.client.auth_state import AuthOptions, State, is_refusal, read_owner, without_repetition
from kontract.client.errors import KontractProblem
from kontract.client.options import Options
from kontract.client.procedure import Procedure, Request
from kontract.client.structure import UNSET
from kontract.client.synchronous import BaseClient
from kontract.raystream.keys import Pins

P = TypeVar("P")
T = TypeVar("T")


class SigningClient(BaseClient):
    """See BaseClient.  ``auth`` says how calls are signed in; a ``token`` of your own goes instead of that."""

    _auth: ClassVar["type[Auth[Any]]"]

    def __init__(
        self,
        base_url: str,
        *,
        token: Any = None,
        auth: AuthOptions | None = None,
        options: Options | None = None,
        raystream: Pins | None = UNSET,
        http: httpx.Client | None = None,
    ) -> None:
        super().__init__(base_url, token=token, options=options, raystream=raystream, http=http)
        self._state = State(auth or AuthOptions())
        self._turn = Lock()  # of what changes who calls

    def _send(self, request: Request, *, stream: bool = False) -> httpx.Response:
        """See BaseClient; once more with the next token where one is refused."""
        if self._token is not None or (token := self._auth(self).token()) is None:
            return super()._send(request, stream=stream)
        try:
            return self._bearing(token)._send(request, stream=stream)
        except KontractProblem as problem:
            if not is_refusal(problem) or not request.can_be_resent:
                raise
            following = self._auth(self)._follow(token)
            if following is None or read_owner(following) != read_owner(token):  # never as another
                raise
        return self._bearing(following)._send(request, stream=stream)

    def _bearing(self, token: str) -> Self:
        """Return this client with an access token of its own; with "" it has none."""
        other = copy.copy(self)
        other._token = token
        return other


class Auth(Generic[P]):
    """Signs a client in and out; what generated clients have as ``auth``."""

    _refresh: ClassVar[Procedure[Any]]
    _anonymous: ClassVar[Procedure[Any]]

    def __init__(self, client: SigningClient) -> None:
        self._client = client
        self._state = client._state

    @property
    def principal(self) -> P | None:
        """Who calls, as the server told last; None for nobody, or for whom no call has been made yet."""
        found: P | None = self._state.principal
        return found

    def token(self) -> str | None:
        """Return a good access token, for requests of your own; None for nobody."""
        if (token := self._state.find_good()) is not None:
            return token
        with self._client._turn:
            if (token := self._resume()) is not None or not self._state.makes_visitors:
                return token
            return self._keep(self._call_openly(self._anonymous, {}))

    def refresh(self) -> P | None:
        """Get the next tokens now, which calls do by themselves; return who calls."""
        used = self._state.token
        with self._client._turn:
            self._resume(used)
            return self.principal

    def _follow(self, used: str) -> str | None:
        """Return a good access token that is not ``used``."""
        with self._client._turn:
            return self._resume(used)

    def _resume(self, used: str | None = None) -> str | None:
        """Return a good access token without making a principal; in the caller's turn."""
        if (token := self._state.find_good(used)) is not None:
            return token
        if (kept := self._state.storage.load()) is None:
            return None
        return self._renew(kept)

    def _renew(self, kept: str) -> str | None:
        try:
            return self._keep(self._call_openly(self._refresh, {"refresh_token": kept}))
        except KontractProblem as problem:
            # Whoever was somebody a moment ago must not go on as nobody without noticing.
            if not is_refusal(problem) or self._end():
                raise
            return None

    def _enter(self, procedure: Procedure[Any], arguments: Mapping[str, Any], *, as_caller: bool) -> P:
        """Sign in; where ``as_caller``, as who calls already does."""
        with self._client._turn:
            token = self._resume() if as_caller else None
            tokens = self._call_openly(procedure, arguments, token or "")
            self._keep(tokens)
            found: P = tokens.principal
            return found

    def _leave(self, procedure: Procedure[int], arguments: Mapping[str, Any]) -> int:
        """Sign out; return how many sessions that ended."""
        with self._client._turn:
            try:
                if (token := self._resume()) is None:
                    return 0
                ended = self._call_openly(procedure, arguments, token)
            except KontractProblem as problem:
                if not is_refusal(problem):
                    raise
                ended = 0  # it had ended already
            if arguments.get("which") != "others":
                self._end()
            return ended

    def _ask(self, procedure: Procedure[T]) -> T | None:
        """Make a call, unless it is nobody's."""
        with self._client._turn:
            token = self._resume()
        if token is None:
            return None
        return self._client._call(procedure, {})

    def _call(self, procedure: Procedure[T], arguments: Mapping[str, Any]) -> T:
        """Make a call as who calls."""
        return self._plain()._call(procedure, arguments)

    def _call_openly(self, procedure: Procedure[T], arguments: Mapping[str, Any], token: str = "") -> T:
        """Make a call with this token, or as nobody."""
        return self._plain()._bearing(token)._call(procedure, arguments)

    def _plain(self) -> SigningClient:
        other = copy.copy(self._client)
        other._options = without_repetition(self._client._options)
        return other

    def _keep(self, tokens: Any) -> str:
        self._state.storage.save(tokens.refresh_token)
        return self._state.sign(tokens)

    def _end(self) -> bool:
        self._state.storage.clear()
        return self._state.forget()
