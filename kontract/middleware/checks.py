"""What ``manage.py check`` says of filter rules: a rule that applies to nothing protects nothing."""

import difflib
from collections.abc import Iterator

from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver

from kontract.conf import get_settings
from kontract.exceptions import ConfigurationError
from kontract.middleware.limits import rate_limit
from kontract.rpc.chains import compose
from kontract.rpc.filters import Rule, get_rules
from kontract.rpc.registry import registry


def check_rules() -> Iterator[CheckMessage]:
    """Check that all middleware can be made, and that what its filters name exists."""
    try:
        get_settings()
    except ConfigurationError:  # which has a check of its own
        return
    try:
        rules = get_rules()
    except ConfigurationError as error:
        yield Error(str(error), hint="See middleware in kontract's documentation.", id="kontract.E021")
        return
    for rule in rules:
        yield from _check_factory(rule)
    yield from _check_names(rules)
    yield from _check_buckets(rules)


def _check_factory(rule: Rule) -> Iterator[CheckMessage]:
    def innermost(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    try:
        compose([rule], innermost, is_async=False, answer=response_for_exception)
    except (ImproperlyConfigured, TypeError, ValueError) as error:
        yield Error(
            f"The middleware {rule.path} cannot be made: {error}",
            hint='Look at its "options" in KONTRACT["MIDDLEWARE"].',
            id="kontract.E021",
        )


def _check_names(rules: tuple[Rule, ...]) -> Iterator[CheckMessage]:
    routes = registry.routes()
    endpoints = {route.name for route in routes}
    if any(filter_.endpoints and filter_.endpoints - endpoints for rule in rules for filter_ in rule.filters):
        endpoints |= set(_view_names(get_resolver()))
    egroups = {route.egroup for route in routes}
    for rule in rules:
        for filter_ in rule.filters:
            for name in sorted((filter_.endpoints or frozenset()) - endpoints):
                text = (
                    f"The middleware {rule.path} is for the endpoint {name!r}, but no procedure or URL has that name."
                )
                yield Warning(text, hint=_suggest(name, endpoints), id="kontract.W021")
            for name in sorted((filter_.egroup or frozenset()) - egroups):
                text = f"The middleware {rule.path} is for the endpoint group {name!r}, but no procedure is in it."
                yield Warning(text, hint=_suggest(name, egroups), id="kontract.W022")


def _view_names(resolver: URLResolver, namespaces: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the names of all URL patterns, as a resolved request has them."""
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            inside = (*namespaces, pattern.namespace) if pattern.namespace else namespaces
            yield from _view_names(pattern, inside)
        elif isinstance(pattern, URLPattern):
            yield ":".join([*namespaces, pattern.name or pattern.lookup_str])


def _suggest(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else "Correct the name, or remove it."


def _check_buckets(rules: tuple[Rule, ...]) -> Iterator[CheckMessage]:
    unnamed = [rule for rule in rules if rule.factory is rate_limit and rule.options.get("name") is None]
    for position, rule in enumerate(unnamed):
        if any(dict(rule.options) == dict(other.options) for other in unnamed[:position]):
            yield Warning(
                f"Two entries of {rule.path} with the same options, {dict(rule.options)!r}, count together.",
                hint='Give each a "name" of its own in its options; the same one, if you mean it.',
                id="kontract.W023",
            )
