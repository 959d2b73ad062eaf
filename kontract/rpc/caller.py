"""Who calls, as Django's authentication says, and proof that a browser's cookie was not used behind its user's back."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

from kontract.context import CallContext
from kontract.exceptions import CsrfFailedError
from kontract.rpc.procedure import Procedure


def identify(request: HttpRequest, procedure: Procedure[..., Any]) -> CallContext:
    """Return who calls, and what.  Raises ``CsrfFailedError`` where a browser's cookie alone says so."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return _anonymous(request, procedure)
    groups = user.groups.values_list("name", flat=True) if hasattr(user, "groups") else ()
    return _signed_in(request, procedure, user, frozenset(groups))


async def aidentify(request: HttpRequest, procedure: Procedure[..., Any]) -> CallContext:
    """See identify()."""
    user = await request.auser() if hasattr(request, "auser") else None
    if user is None or not user.is_authenticated:
        return _anonymous(request, procedure)
    groups = [name async for name in user.groups.values_list("name", flat=True)] if hasattr(user, "groups") else ()
    return _signed_in(request, procedure, user, frozenset(groups))


def _anonymous(request: HttpRequest, procedure: Procedure[..., Any]) -> CallContext:
    return CallContext(route=procedure.name, perm=procedure.perm, request=request)


def _signed_in(request: HttpRequest, procedure: Procedure[..., Any], user: Any, ugroups: frozenset[str]) -> CallContext:
    if (reason := _CsrfCheck(lambda _: HttpResponse()).find_fault(request)) is not None:
        raise CsrfFailedError(f"{reason} Send the CSRF token of the page in the header X-CSRFToken.")
    return CallContext(
        owner=str(user.pk),
        ugroups=ugroups,
        is_anonymous=False,
        route=procedure.name,
        perm=procedure.perm,
        request=request,
    )


class _CsrfCheck(CsrfViewMiddleware):
    """Django's own check, which gives the reason back instead of a page."""

    def find_fault(self, request: HttpRequest) -> str | None:
        """Return why the request may be forged; None where it is not."""
        self.process_request(request)
        return self.process_view(request, None, (), {})  # type: ignore[arg-type,return-value]

    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason
