"""Composing middleware around calls and views: folded from the inside out, once for each set of rules that applies.

What no rule applies to is returned unchanged.  As in Django's own handler, an error in one middleware is a response to
the one around it, and a middleware of the other kind (sync or async) is adapted.
"""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any, TypeVar

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.core.exceptions import MiddlewareNotUsed
from django.core.signals import setting_changed
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from kontract.exceptions import ConfigurationError
from kontract.mvcc import asynchronous
from kontract.rpc.filters import Rule, get_rules
from kontract.rpc.position import known_position
from kontract.rpc.procedure import Procedure
from kontract.rpc.responses import refuse

Handler = Callable[[HttpRequest], Any]  # returns a response, or the coroutine of one
Answer = Callable[[HttpRequest, Exception], HttpResponseBase]
View = TypeVar("View", bound=Callable[..., Any])

_MARK = "kontract_applies_rules"


def compose_for(procedure: Procedure[..., Any], path: str, view: Handler) -> Handler:
    """Return ``view``, which runs a procedure, inside the middleware that applies to a call of it at ``path``.

    Give the same ``view`` for each call of the procedure: what is composed is kept.
    """
    rules = _find_rules(procedure)
    if not rules or not (applying := tuple(rule for rule in rules if rule.has_path(path))):
        return view
    return _compose_call(applying, view)


@cache
def _find_rules(procedure: Procedure[..., Any]) -> tuple[Rule, ...]:
    return tuple(rule for rule in get_rules() if rule.has_procedure(procedure))


@lru_cache(maxsize=1024)
def _compose_call(rules: tuple[Rule, ...], view: Handler) -> Handler:
    return compose(rules, view, is_async=iscoroutinefunction(view), answer=_refuse)


def _refuse(request: HttpRequest, error: Exception) -> HttpResponseBase:
    return refuse(request, error, known_position())


def compose(rules: Sequence[Rule], innermost: Handler, *, is_async: bool, answer: Answer) -> Handler:
    """Return ``innermost`` inside the middleware of ``rules``, of which the first is the outermost.

    ``is_async`` says of which kind ``innermost`` is, and the result will be.  ``answer`` makes a response of what a
    middleware raises.
    """
    handler, handler_is_async = innermost, is_async
    for rule in reversed(rules):
        wanted = _choose_kind(rule, handler_is_async)
        try:
            made = _make(rule, _adapt(handler, handler_is_async, wanted))
        except MiddlewareNotUsed:
            continue
        handler, handler_is_async = _guard(made, wanted, answer), wanted
    return _adapt(handler, handler_is_async, is_async)


def _choose_kind(rule: Rule, inner_is_async: bool) -> bool:
    """Return whether the middleware is to be made as an asynchronous one, by Django's conventions."""
    can_sync = getattr(rule.factory, "sync_capable", True)
    can_async = getattr(rule.factory, "async_capable", False)
    if not can_sync and not can_async:
        raise ConfigurationError(f"The middleware {rule.path} must be at least one of sync_capable and async_capable.")
    return can_async and (inner_is_async or not can_sync)


def _make(rule: Rule, get_response: Handler) -> Handler:
    made: Handler | None = rule.factory(get_response, **rule.options)
    if made is None:
        raise ConfigurationError(f"The middleware factory {rule.path} returned None. Let it return a callable.")
    return made


def _adapt(handler: Handler, is_async: bool, wanted: bool) -> Handler:
    if is_async == wanted:
        return handler
    return sync_to_async(handler, thread_sensitive=True) if wanted else async_to_sync(handler)


def _guard(handler: Handler, is_async: bool, answer: Answer) -> Handler:
    """Let no error through."""

    def run(request: HttpRequest) -> HttpResponseBase:
        try:
            response: HttpResponseBase = handler(request)
        except Exception as error:
            return answer(request, error)
        return response

    async def arun(request: HttpRequest) -> HttpResponseBase:
        try:
            response: HttpResponseBase = await handler(request)
        except Exception as error:
            return await asynchronous.call(answer, request, error)
        return response

    return arun if is_async else run


def applies_rules(view: View) -> View:
    """Mark a view that composes its middleware itself, so that ``FilterMiddleware`` leaves it alone."""
    setattr(view, _MARK, True)
    return view


def has_applied(view: object) -> bool:
    """Return whether a view is marked by ``applies_rules``."""
    return getattr(view, _MARK, False)


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "KONTRACT":
        _find_rules.cache_clear()
        _compose_call.cache_clear()


setting_changed.connect(_forget, dispatch_uid="kontract.rpc.chains")
