"""The sessions in Django's admin: who is signed in where, each of which can be ended."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from kontract.auth import sessions
from kontract.auth.models import Principal
from kontract.auth.sessions import Session

if TYPE_CHECKING:
    from kontract.auth.admin import PrincipalAdmin

_SHOWN: Final = 200


class SessionPages:
    """The page of sessions, and where it sends what to end."""

    def __init__(self, options: "PrincipalAdmin") -> None:
        self._options = options

    @property
    def urls(self) -> list[Any]:
        """Where the page is, below that of principals."""
        view = self._options.admin_site.admin_view
        return [path("sessions/", view(self.answer), name="kontract_auth_sessions")]

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Show the sessions; end the one that a form names."""
        if request.method == "POST":
            return self._end(request)
        if not self._options.has_view_permission(request):
            raise PermissionDenied
        found = _list(request.GET.get("principal", ""))
        names = Principal.objects.in_bulk([principal for principal, _ in found])
        context = {
            **self._options.admin_site.each_context(request),
            "opts": self._options.model._meta,
            "title": "Sessions",
            "shown": _SHOWN,
            "is_all": len(found) <= _SHOWN,
            "may_end": self._options.has_change_permission(request),
            "rows": [_write(session, id_, names.get(id_)) for id_, session in found[:_SHOWN]],
        }
        return TemplateResponse(request, "admin/kontract_auth/sessions.html", context)

    def _end(self, request: HttpRequest) -> HttpResponse:
        if not self._options.has_change_permission(request):
            raise PermissionDenied
        if sessions.end(request.POST.get("principal", ""), only=request.POST.get("session", "")):
            messages.success(request, "The session has ended.")
        else:
            messages.warning(request, "There is no such session any more.")
        return HttpResponseRedirect(reverse("admin:kontract_auth_sessions", current_app=self._options.admin_site.name))


def _list(principal: str) -> list[tuple[str, Session]]:
    """Return the sessions of one principal, or the latest of all and one more than is shown."""
    if principal:
        return [(principal, session) for session in sessions.list_of(principal)]
    return sessions.list_latest(_SHOWN + 1)


def _write(session: Session, owner: str, principal: Principal | None) -> dict[str, Any]:
    return {
        "session": session,
        "owner": owner,
        "principal": principal,
        "created": datetime.fromtimestamp(session.created_at, UTC),
        "refreshed": datetime.fromtimestamp(session.refreshed_at, UTC),
        "expires": datetime.fromtimestamp(session.expires_at, UTC),
    }
