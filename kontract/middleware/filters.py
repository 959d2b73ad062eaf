"""The rules of ``KONTRACT["MIDDLEWARE"]`` around ordinary views."""

from functools import lru_cache

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import MiddlewareNotUsed
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest
from django.urls import Resolver404, ResolverMatch, resolve

from kontract.rpc.chains import Handler, compose, has_applied
from kontract.rpc.filters import Rule, get_rules


class FilterMiddleware:
    """Apply the filter rules to ordinary views; ``MIDDLEWARE = [..., "kontract.middleware.FilterMiddleware"]``.

    Calls apply them by themselves and are left alone.  ``prefixurl`` is compared with the path, ``endpoints`` with the
    name of the URL pattern; a rule with ``egroup`` is for procedures only.  A URL is resolved only where some rule may
    apply, by ``request.urlconf`` and the language as they are here: list it after what sets those.

    As Django's other settings of middleware, the rules are read when the server starts.  Raises ``ConfigurationError``
    where they are wrong, and is no part of the chain where none is for views.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Handler) -> None:
        self._rules = tuple(rule for rule in get_rules() if rule.may_have_view)
        if not self._rules:
            raise MiddlewareNotUsed
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        self._compose = lru_cache(maxsize=256)(self._compose_rules)

    def __call__(self, request: HttpRequest) -> object:
        if applying := _find_applying(self._rules, request):
            return self._compose(applying)(request)
        return self._get_response(request)

    def _compose_rules(self, rules: tuple[Rule, ...]) -> Handler:
        return compose(rules, self._get_response, is_async=self._is_async, answer=response_for_exception)


def _find_applying(rules: tuple[Rule, ...], request: HttpRequest) -> tuple[Rule, ...]:
    possible = [rule for rule in rules if rule.has_path(request.path)]
    if not possible:
        return ()
    match = _resolve(request)
    if match is not None and has_applied(match.func):
        return ()
    return tuple(rule for rule in possible if rule.has_view("" if match is None else match.view_name))


def _resolve(request: HttpRequest) -> ResolverMatch | None:
    try:
        return resolve(request.path_info, getattr(request, "urlconf", None))
    except Resolver404:
        return None
