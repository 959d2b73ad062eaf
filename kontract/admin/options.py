"""``VersionedAdmin``: a ``ModelAdmin`` that shows the versions of an object, and brings one back."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import flatten_fieldsets, unquote
from django.core.exceptions import FieldDoesNotExist
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from kontract.admin import deleted, restoring
from kontract.admin.pages import authored, templates, url_of
from kontract.admin.past import find_versions, get_version, is_deleted, last_seen
from kontract.admin.timeline import describe, find_steps
from kontract.exceptions import NotVersionedError, SnapshotTooOldError
from kontract.mvcc.snapshot import as_of, current
from kontract.orm.past import ObjectVersion

if TYPE_CHECKING:
    _ModelAdmin = ModelAdmin[Any]
else:
    _ModelAdmin = ModelAdmin

VERSION_VAR = "v"  # the page of versions; Django's own log, on the same page, has "p"


def _refuse(request: HttpRequest, obj: Any = None) -> bool:
    return False


class VersionedAdmin(_ModelAdmin):
    """Django's ``ModelAdmin``; the page "History" shows the versions of the object, also of one that was deleted.

    From there each version can be looked at as it was, and be restored by those who may change the object.  What is
    written through the admin has the user and the page in the log.  For versioned models only.
    """

    history_per_page = 25

    def get_history_fields(self, request: HttpRequest, obj: Any) -> Sequence[str]:
        """Return the fields whose differences the history shows: those of the form, for what it hides may be secret."""
        return [name for name in flatten_fieldsets(self.get_fieldsets(request, obj)) if self._is_stored(name)]

    def _is_stored(self, name: Any) -> bool:
        try:
            return bool(self.opts.get_field(name).concrete)
        except FieldDoesNotExist:
            return False

    def get_urls(self) -> list[URLPattern]:
        """Return Django's, and those of the versions."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        view = self.admin_site.admin_view
        return [
            path("deleted/", view(self.deleted_view), name=f"{name}_deleted"),
            path("<path:object_id>/history/<int:txid>/", view(self.version_view), name=f"{name}_version"),
            path("<path:object_id>/history/<int:txid>/restore/", view(self.restore_view), name=f"{name}_restore"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> Any:
        """See Django's; in a block that looks at the past its objects know that they show it."""
        queryset: Any = super().get_queryset(request)
        block = current()
        return queryset if block is None else queryset.as_of(block.moment)

    # --- Django's pages ---

    @authored
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """See Django's; there is a link to what was deleted."""
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and "cl" in (response.context_data or {}):  # else an action's page
            response.template_name = self.change_list_template or templates(self, "change_list.html")
        return response

    @authored
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """See Django's."""
        return super().changeform_view(request, *args, **kwargs)

    @authored
    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """See Django's."""
        return super().delete_view(request, *args, **kwargs)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show the versions of an object, newest first, and what Django's log has about it."""
        try:
            versions = find_versions(self, object_id)
        except NotVersionedError:
            return super().history_view(request, object_id, extra_context)
        with last_seen(versions):
            response = super().history_view(request, object_id, extra_context)
        if isinstance(response, TemplateResponse):
            if self.object_history_template is None:
                response.template_name = templates(self, "object_history.html")
            context = response.context_data = response.context_data or {}
            context.update(self._history_context(request, versions, context["object"]))
        return response

    def _history_context(self, request: HttpRequest, versions: list[ObjectVersion], obj: Any) -> dict[str, Any]:
        paginator = self.get_paginator(request, find_steps(versions), self.history_per_page)  # type: ignore[arg-type]
        page = paginator.get_page(request.GET.get(VERSION_VAR, 1))
        return {
            "entries": describe(page.object_list, self.get_history_fields(request, obj)),  # type: ignore[arg-type]
            "versions_page": page,
            "versions_range": list(paginator.get_elided_page_range(page.number)),
            "version_var": VERSION_VAR,
            "is_deleted": is_deleted(versions),
            "may_restore": restoring.may_restore(self, request, obj, is_deleted(versions)),
        }

    # --- Pages of the past ---

    @method_decorator(require_safe)
    def version_view(self, request: HttpRequest, object_id: str, txid: int) -> HttpResponse:
        """Show an object as the transaction ``txid`` left it, in the form that changes it, with nothing to change."""
        try:
            versions = find_versions(self, object_id)
            version = get_version(versions, txid)
            about = self._about(request, versions, version)
            with as_of(version.moment):
                response = self._viewer().changeform_view(request, object_id, extra_context=about)
                if isinstance(response, TemplateResponse):
                    response.template_name = templates(self, "object_version.html")
                    response.render()
                return response
        except (SnapshotTooOldError, NotVersionedError) as error:
            self.message_user(request, str(error), messages.WARNING)
            return HttpResponseRedirect(url_of(self, "history", unquote(object_id)))

    def _viewer(self) -> "VersionedAdmin":
        """Return a twin of this admin that lets nobody do more than look, whatever a subclass allows."""
        twin = copy.copy(self)
        twin.__dict__.update(
            has_view_permission=self.has_view_or_change_permission,
            has_add_permission=_refuse,
            has_change_permission=_refuse,
            has_delete_permission=_refuse,
        )
        return twin

    def _about(self, request: HttpRequest, versions: list[ObjectVersion], version: ObjectVersion) -> dict[str, Any]:
        (entry,) = describe([step for step in find_steps(versions) if step.version is version], None)
        return {
            "title": _("Version %(txid)s of %(name)s") % {"txid": version.txid, "name": self.opts.verbose_name},
            "entry": entry,
            "may_restore": restoring.may_restore(self, request, version.instance, is_deleted(versions)),
        }

    @authored
    def restore_view(self, request: HttpRequest, object_id: str, txid: int) -> HttpResponse:
        """Ask whether to bring a version back, and do so."""
        return restoring.restore_view(self, request, object_id, txid)

    def deleted_view(self, request: HttpRequest) -> HttpResponse:
        """List the objects that were deleted last."""
        return deleted.deleted_view(self, request)
