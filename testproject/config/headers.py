"""What browsers may do with the demo's pages: load what this server sends, and nothing else."""

from collections.abc import Callable
from typing import Any, Final

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

# No 'unsafe-inline', no 'unsafe-eval', no other host, and no text that becomes markup.  Django 6 has a middleware and
# a setting for this, SECURE_CSP; the demo runs on Django 5.2, too.
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "connect")),
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)


@sync_and_async_middleware
def content_security_policy(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Send the policy with all that does not bring one of its own."""
    if iscoroutinefunction(get_response):

        async def aanswer(request: HttpRequest) -> HttpResponseBase:
            return _protect(await get_response(request))

        return aanswer

    def answer(request: HttpRequest) -> HttpResponseBase:
        return _protect(get_response(request))

    return answer


def _protect(response: HttpResponseBase) -> HttpResponseBase:
    response.headers.setdefault("Content-Security-Policy", _POLICY)
    return response
