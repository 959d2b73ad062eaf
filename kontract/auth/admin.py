"""The principals in Django's admin, each with its sessions."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from kontract.auth import sessions
from kontract.auth.admin_sessions import SessionPages
from kontract.auth.models import Principal


@admin.register(Principal)
class PrincipalAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Who calls.  Groups and whether somebody may sign in can be changed; names and passwords are the owner's own."""

    shows_versions = False  # bringing one back would bring back its password
    list_display = ("__str__", "id", "is_anonymous", "is_active", "ugroups")
    list_filter = ("is_anonymous", "is_active")
    search_fields = ("id", "email", "username", "subject")
    fields = (
        *("id", "is_anonymous", "is_active", "email", "is_verified", "username", "subject", "ugroups"),
        *("merged_into", "sessions"),
    )
    readonly_fields = ("id", "is_anonymous", "email", "username", "subject", "merged_into", "sessions")
    actions = ("end_sessions",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: ``manage.py kontract_users create`` makes accounts."""
        return False

    def save_model(self, request: HttpRequest, obj: Principal, form: Any, change: bool) -> None:
        """Save, and look at the sessions anew."""
        super().save_model(request, obj, form, change)
        sessions.forget()

    def get_urls(self) -> list[Any]:
        """Return the pages of principals, and that of sessions."""
        return [*SessionPages(self).urls, *super().get_urls()]

    @admin.display(description="sessions")
    def sessions(self, obj: Principal) -> SafeString:
        """Show the sessions of a principal."""
        rows = [
            (f"{datetime.fromtimestamp(session.refreshed_at, UTC):%Y-%m-%d %H:%M} UTC", session.ip, session.agent)
            for session in sessions.list_of(obj.pk)
        ]
        return format_html_join("", "<div>{} &middot; {} &middot; {}</div>", rows)

    @admin.action(description="End all sessions", permissions=["change"])
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[Principal]) -> None:
        """Sign principals out everywhere."""
        ended = sum(len(sessions.end(principal.pk)) for principal in queryset)
        messages.success(request, f"{ended} sessions ended.")
