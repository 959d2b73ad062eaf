"""The page of what was deleted last, from where it can be brought back."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from kontract.admin.pages import render
from kontract.admin.past import alias_of
from kontract.admin.timeline import find_authors
from kontract.exceptions import NotVersionedError, SnapshotTooOldError
from kontract.mvcc.snapshot import as_of
from kontract.orm.past import Deletion, read_deletions

_AT_MOST: Final = 100  # each is read as it was when it was deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """An object that was deleted, by its name and its key, and who did it when."""

    pk: Any
    name: str
    at: datetime | None
    by: str


def deleted_view(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """List the objects that were deleted last, as far as the user's queryset showed them."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    try:
        deletions = read_deletions(model_admin.model, using=alias_of(model_admin), limit=_AT_MOST)
    except NotVersionedError:
        deletions = []
    context = {
        "title": _("Recently deleted %(names)s") % {"names": model_admin.opts.verbose_name_plural},
        "deleted": list(_find(model_admin, request, deletions)),
        "at_most": _AT_MOST,
    }
    return render(model_admin, request, "deleted_list.html", context)


def _find(model_admin: Any, request: HttpRequest, deletions: list[Deletion]) -> Iterator[Deleted]:
    authors = find_authors({deletion.changed_by for deletion in deletions if deletion.changed_by})
    for deletion in deletions:
        try:
            with as_of(deletion.txid - 1):
                obj = model_admin.get_object(request, str(deletion.pk))
                name = str(obj)
        except SnapshotTooOldError:
            continue  # vacuum has gone by since the list was read
        if obj is not None and model_admin.has_view_permission(request, obj):
            by = authors.get(deletion.changed_by or "", deletion.changed_by or "")
            yield Deleted(pk=obj.pk, name=name, at=deletion.committed_at, by=by)
