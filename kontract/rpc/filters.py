"""Filter rules: which middleware stands around which calls and views.

``KONTRACT["MIDDLEWARE"]`` lists them from the outside in.  An entry is a middleware factory as Django's own, found by
its dotted path, with the calls that it is for and the options that it is made with; a bare path is for everything::

    KONTRACT = {
        "MIDDLEWARE": [
            "kontract.middleware.request_log",
            {"fn": "app.mw.audit", "filter": {"prefixurl": "/api", "egroup": ["api-v1", "api-v2"]}},
            {"fn": "kontract.middleware.rate_limit", "filter": {"endpoints": ["login"]}, "options": {"rate": "5/m"}},
        ]
    }

Criteria combine by AND, the values of one criterion by OR.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from kontract.conf import get_settings
from kontract.exceptions import ConfigurationError
from kontract.rpc.procedure import Procedure

F = TypeVar("F", bound=Callable[..., Any])
Names = str | Iterable[str]

_ATTRIBUTE = "kontract_filter"
_KEYS = ("fn", "filter", "options")
_CRITERIA = ("prefixurl", "egroup", "endpoints")
_HOOKS = ("process_view", "process_exception", "process_template_response")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a middleware is for; a criterion that is None lets everything through.

    ``prefixurl``: paths that end with a slash, of which the request's begins with one.  ``egroup``:
    endpoint groups of procedures.  ``endpoints``: names of procedures, or of URL patterns as ``reverse()`` takes them.
    """

    prefixurl: tuple[str, ...] | None = None
    egroup: frozenset[str] | None = None
    endpoints: frozenset[str] | None = None

    def has_path(self, path: str) -> bool:
        """Return whether a request's path passes ``prefixurl``."""
        return self.prefixurl is None or f"{path}/".startswith(self.prefixurl)

    def has_endpoint(self, name: str) -> bool:
        """Return whether the name of a procedure or view passes ``endpoints``."""
        return self.endpoints is None or name in self.endpoints

    def has_procedure(self, procedure: Procedure[..., Any]) -> bool:
        """Return whether a procedure passes all but ``prefixurl``."""
        return self.has_endpoint(procedure.name) and (self.egroup is None or procedure.egroup in self.egroup)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """One entry of ``KONTRACT["MIDDLEWARE"]``: all of its ``filters`` must let a request through."""

    path: str
    factory: Callable[..., Any]
    filters: tuple[Filter, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def has_path(self, path: str) -> bool:
        """See Filter.has_path()."""
        for filter_ in self.filters:  # noqa: SIM110 - all() takes twice as long, for each request
            if not filter_.has_path(path):
                return False
        return True

    def has_procedure(self, procedure: Procedure[..., Any]) -> bool:
        """See Filter.has_procedure()."""
        return all(filter_.has_procedure(procedure) for filter_ in self.filters)

    def has_view(self, name: str) -> bool:
        """Return whether an ordinary view, which is in no endpoint group, passes all but ``prefixurl``."""
        return self.may_have_view and all(filter_.has_endpoint(name) for filter_ in self.filters)

    @property
    def may_have_view(self) -> bool:
        """Whether there can be ordinary views that it is for."""
        return all(filter_.egroup is None for filter_ in self.filters)


def mwfilter(
    *, prefixurl: Names | None = None, egroup: Names | None = None, endpoints: Names | None = None
) -> Callable[[F], F]:
    """Say what a middleware factory is for where it is defined; the filter in the settings, if any, narrows it.

    ``prefixurl``: "/api" is for /api and /api/users, not for /apikeys.  ``egroup``: endpoint groups of procedures, and
    so no ordinary view.  ``endpoints``: names of procedures, or of URL patterns (``"shop:checkout"``).

    Raises ``ConfigurationError`` for a value that can match nothing.
    """
    criteria = {"prefixurl": prefixurl, "egroup": egroup, "endpoints": endpoints}
    wanted = _make_filter({key: value for key, value in criteria.items() if value is not None}, "@mwfilter(...)")

    def mark(factory: F) -> F:
        setattr(factory, _ATTRIBUTE, (*getattr(factory, _ATTRIBUTE, ()), wanted))
        return factory

    return mark


def parse(raw: Sequence[Any]) -> tuple[Rule, ...]:
    """Return the rules that ``KONTRACT["MIDDLEWARE"]`` describes.

    Raises ``ConfigurationError`` for what is unknown, cannot be imported, or can match nothing.
    """
    return tuple(_parse_entry(entry, f'KONTRACT["MIDDLEWARE"][{position}]') for position, entry in enumerate(raw))


@lru_cache(maxsize=1)
def get_rules() -> tuple[Rule, ...]:
    """Return the project's rules, parsed once and again after ``override_settings``."""
    return parse(get_settings().MIDDLEWARE)


def _parse_entry(entry: Any, place: str) -> Rule:
    entry = {"fn": entry} if isinstance(entry, str) else entry
    if not isinstance(entry, Mapping) or not isinstance(entry.get("fn"), str):
        raise ConfigurationError(
            f'{place} is {entry!r}; it must be the dotted path of a middleware, or {{"fn": path, "filter": {{...}}, '
            '"options": {...}}.'
        )
    _check_known(entry, _KEYS, place)
    filter_, options = entry.get("filter", {}), entry.get("options", {})
    for key, value in (("filter", filter_), ("options", options)):
        if not isinstance(value, Mapping):
            raise ConfigurationError(f'{place}["{key}"] is {value!r}; it must be a dict.')
    factory = _load(entry["fn"], place)
    filters = [*getattr(factory, _ATTRIBUTE, ()), _make_filter(filter_, f'{place}["filter"]')]
    return Rule(path=entry["fn"], factory=factory, filters=tuple(f for f in filters if f != Filter()), options=options)


def _check_known(given: Mapping[str, Any], known: Sequence[str], place: str) -> None:
    for key in given:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Known keys: {', '.join(known)}."
            raise ConfigurationError(f"{place} has an unknown key {key!r}. {hint}")


def _load(path: str, place: str) -> Callable[..., Any]:
    try:
        factory = import_string(path)
    except ImportError as error:
        raise ConfigurationError(f'{place}["fn"] is {path!r}, which cannot be imported: {error}.') from error
    if not callable(factory):
        raise ConfigurationError(f'{place}["fn"] is {path!r}, which cannot be called: it must be a function or class.')
    if hooks := [name for name in _HOOKS if hasattr(factory, name)]:
        raise ConfigurationError(
            f'{place}["fn"] is {path!r}, which needs {hooks[0]}(): that runs only for middleware in Django\'s own '
            "MIDDLEWARE setting. List it there."
        )
    made: Callable[..., Any] = factory
    return made


def _make_filter(criteria: Mapping[str, Any], place: str) -> Filter:
    _check_known(criteria, _CRITERIA, place)
    wanted: dict[str, Any] = {key: _as_names(value, f"{place}: {key}") for key, value in criteria.items()}
    if (prefixes := wanted.pop("prefixurl", None)) is None:
        return Filter(**wanted)
    for prefix in prefixes:
        if not prefix.startswith("/"):
            raise ConfigurationError(f"{place}: prefixurl is {prefix!r}; a path begins with '/'.")
    return Filter(prefixurl=tuple(sorted(f"{prefix.rstrip('/')}/" for prefix in prefixes)), **wanted)


def _as_names(value: Any, place: str) -> frozenset[str]:
    names = frozenset([value] if isinstance(value, str) else value if isinstance(value, Iterable) else ())
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ConfigurationError(f"{place} is {value!r}; it must be a string, or a list of at least one.")
    return names


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "KONTRACT":
        get_rules.cache_clear()


setting_changed.connect(_forget, dispatch_uid="kontract.rpc.filters")
