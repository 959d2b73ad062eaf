"""Who calls, as Django's authentication says, and proof that a browser's cookie was not used behind its user's back."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.functional import SimpleLazyObject

from kontract.conf import takes_users_from_sessions
from kontract.context import CallContext, Identity
from kontract.exceptions import CsrfFailedError
from kontract.rpc.procedure import Procedure


def identify(request: HttpRequest, procedure: Procedure[..., Any]) -> CallContext:
    """Return who calls, and what.  Raises ``CsrfFailedError`` where a browser's cookie alone says so."""
    if (identity := getattr(request, "kontract_identity", None)) is not None:
        return _identified(request, procedure, identity)
    user = None if _has_nobody(request) else getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return _anonymous(request, procedure)
    groups = user.groups.values_list("name", flat=True) if hasattr(user, "groups") else ()
    return _signed_in(request, procedure, user, frozenset(groups))


async def aidentify(request: HttpRequest, procedure: Procedure[..., Any]) -> CallContext:
    """See identify()."""
    if (identity := getattr(request, "kontract_identity", None)) is not None:
        return _identified(request, procedure, identity)
    user = await request.auser() if not _has_nobody(request) and hasattr(request, "auser") else None
    if user is None or not user.is_authenticated:
        return _anonymous(request, procedure)
    groups = [name async for name in user.groups.values_list("name", flat=True)] if hasattr(user, "groups") else ()
    return _signed_in(request, procedure, user, frozenset(groups))


def _has_nobody(request: HttpRequest) -> bool:
    """Return whether there is no session that a user could come from, without making Django look for the user.

    Asking for ``request.user`` would take longer than most of a call, and make the response vary by the cookie.
    """
    session = getattr(request, "session", None)
    if session is None or session.session_key is not None or session.modified:
        return False
    if "_cached_user" in request.__dict__:  # where Django keeps whom it has found, and tests whom it shall find
        return False
    return type(getattr(request, "user", None)) is SimpleLazyObject and takes_users_from_sessions()


def _anonymous(request: HttpRequest, procedure: Procedure[..., Any]) -> CallContext:
    return CallContext(route=procedure.name, perm=procedure.perm, request=request)


def _signed_in(request: HttpRequest, procedure: Procedure[..., Any], user: Any, ugroups: frozenset[str]) -> CallContext:
    return _identified(request, procedure, Identity(owner=str(user.pk), ugroups=ugroups, by_cookie=True))


def _identified(request: HttpRequest, procedure: Procedure[..., Any], identity: Identity) -> CallContext:
    if identity.by_cookie:
        _check_csrf(request)
    return CallContext(
        owner=identity.owner,
        sid=identity.sid,
        ugroups=identity.ugroups,
        is_anonymous=identity.is_anonymous,
        route=procedure.name,
        perm=procedure.perm,
        request=request,
    )


def _check_csrf(request: HttpRequest) -> None:
    if (reason := _CsrfCheck(lambda _: HttpResponse()).find_fault(request)) is not None:
        raise CsrfFailedError(f"{reason} Send the CSRF token of the page in the header X-CSRFToken.")


class _CsrfCheck(CsrfViewMiddleware):
    """Django's own check, which gives the reason back instead of a page."""

    def find_fault(self, request: HttpRequest) -> str | None:
        """Return why the request may be forged; None where it is not."""
        self.process_request(request)
        return self.process_view(request, None, (), {})  # type: ignore[arg-type,return-value]

    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason
