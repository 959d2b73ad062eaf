"""Callers who have signed in without being in a database, and handlers that let requests come from them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest
from django.test.client import AsyncClientHandler, ClientHandler


class _Names(tuple[str, ...]):
    """What a queryset of names is to those who read it."""

    __slots__ = ()

    async def __aiter__(self) -> AsyncIterator[str]:
        for name in self:
            yield name


@dataclass(frozen=True, slots=True)
class _Groups:
    names: _Names

    def values_list(self, *fields: str, flat: bool = False) -> _Names:
        return self.names


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who has signed in, as Django's authentication would show a user with this primary key."""

    pk: str
    groups: _Groups
    is_authenticated: bool = field(default=True, init=False)
    is_anonymous: bool = field(default=False, init=False)
    is_active: bool = field(default=True, init=False)
    is_staff: bool = field(default=False, init=False)
    is_superuser: bool = field(default=False, init=False)

    def get_username(self) -> str:
        """Return the primary key: there is no other name."""
        return self.pk


def make_caller(owner: str | None, ugroups: str | frozenset[str]) -> Caller | None:
    """Return who ``owner`` is; None is nobody.  Raises ``TypeError`` where nobody is to have user groups."""
    names = _Names(sorted([ugroups] if isinstance(ugroups, str) else ugroups))
    if owner is None and names:
        raise TypeError("Who has not signed in has no user groups. Give an owner, too.")
    return None if owner is None else Caller(owner, _Groups(names))


class CallerHandler(ClientHandler):
    """Django's handler for its test client, whose requests come from ``caller``."""

    def __init__(self, caller: Caller | None, enforce_csrf_checks: bool) -> None:
        super().__init__(enforce_csrf_checks)
        self._caller = caller

    def get_response(self, request: HttpRequest) -> Any:
        """Answer the request."""
        _sign_in(request, self._caller)
        return super().get_response(request)


class AsyncCallerHandler(AsyncClientHandler):
    """See CallerHandler."""

    def __init__(self, caller: Caller | None, enforce_csrf_checks: bool) -> None:
        super().__init__(enforce_csrf_checks)
        self._caller = caller

    async def get_response_async(self, request: HttpRequest) -> Any:
        """Answer the request."""
        _sign_in(request, self._caller)
        return await super().get_response_async(request)


def _sign_in(request: Any, caller: Caller | None) -> None:
    """Let a request come from ``caller``, also where Django's AuthenticationMiddleware looks for its user later."""
    if caller is None:
        return

    async def auser() -> Caller:
        return caller

    request.user = request._cached_user = request._acached_user = caller
    request.auser = auser
