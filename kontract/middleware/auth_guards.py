"""Middleware that lets only some callers through, for ``KONTRACT["MIDDLEWARE"]``."""

from collections.abc import Callable, Iterable

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from kontract.context import ctx
from kontract.exceptions import (
    AuthenticationRequiredError,
    ConfigurationError,
    KontractError,
    PermissionDeniedError,
)
from kontract.rpc.chains import Handler
from kontract.rpc.position import known_position
from kontract.rpc.responses import refuse


@sync_and_async_middleware
def require_auth(get_response: Handler, *, anonymous: bool = False) -> Handler:
    """Answer 401 to those who have no account; ``anonymous``: to those without any principal."""

    def find_fault() -> KontractError | None:
        if not ctx.owner or (ctx.is_anonymous and not anonymous):
            return AuthenticationRequiredError("This is not for everybody. Sign in.")
        return None

    return _guard(get_response, find_fault)


@sync_and_async_middleware
def require_group(get_response: Handler, *, group: str | Iterable[str]) -> Handler:
    """Answer 401 to those who have no account, and 403 to those who are in none of the user groups ``group``."""
    groups = frozenset([group] if isinstance(group, str) else group)
    if not groups:
        raise ConfigurationError("require_group has no group; give the name of one, or a list of names.")

    def find_fault() -> KontractError | None:
        if ctx.is_anonymous:
            return AuthenticationRequiredError("This is not for everybody. Sign in.")
        if groups.isdisjoint(ctx.ugroups):
            return PermissionDeniedError("This is for a group of users that you are not in. Ask an administrator.")
        return None

    return _guard(get_response, find_fault)


def _guard(get_response: Handler, find_fault: Callable[[], KontractError | None]) -> Handler:
    def refusal(request: HttpRequest) -> HttpResponseBase | None:
        error = find_fault()
        return None if error is None else refuse(request, error, known_position())

    def guard(request: HttpRequest) -> HttpResponseBase:
        refused = refusal(request)
        return get_response(request) if refused is None else refused

    async def aguard(request: HttpRequest) -> HttpResponseBase:
        refused = refusal(request)
        return await get_response(request) if refused is None else refused

    return aguard if iscoroutinefunction(get_response) else guard
