"""Middleware for Django's ``MIDDLEWARE`` setting and for ``KONTRACT["MIDDLEWARE"]``, loaded when first asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kontract.middleware.auth import AuthMiddleware as AuthMiddleware
    from kontract.middleware.auth_guards import require_auth as require_auth
    from kontract.middleware.auth_guards import require_group as require_group
    from kontract.middleware.filters import FilterMiddleware as FilterMiddleware
    from kontract.middleware.limits import rate_limit as rate_limit
    from kontract.middleware.logs import request_log as request_log
    from kontract.middleware.raystream import RaystreamMiddleware as RaystreamMiddleware

_PUBLIC = {
    "AuthMiddleware": "kontract.middleware.auth",
    "FilterMiddleware": "kontract.middleware.filters",
    "RaystreamMiddleware": "kontract.middleware.raystream",
    "rate_limit": "kontract.middleware.limits",
    "require_auth": "kontract.middleware.auth_guards",
    "require_group": "kontract.middleware.auth_guards",
    "request_log": "kontract.middleware.logs",
}

__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'kontract.middleware' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_PUBLIC[name]), name)
    return value
