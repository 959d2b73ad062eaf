"""Bringing a version back: the question, and the deed."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import display_for_value, unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from kontract.admin.pages import render, url_of
from kontract.admin.past import alias_of, find_object, find_versions, get_version, is_deleted
from kontract.admin.values import compare
from kontract.exceptions import NotVersionedError, SnapshotTooOldError
from kontract.mvcc.transaction import run_transaction
from kontract.orm.columns import is_reference
from kontract.orm.past import ObjectVersion

SEEN_VAR = "_seen"  # what was the present when the user was asked


def may_restore(model_admin: Any, request: HttpRequest, obj: Any, deleted: bool) -> bool:
    """Return whether the user may bring back a version: who may change it, and add it where it was deleted."""
    if deleted and not model_admin.has_add_permission(request):
        return False
    return bool(model_admin.has_change_permission(request, obj))


def restore_view(model_admin: Any, request: HttpRequest, object_id: str, txid: int) -> HttpResponse:
    """Ask whether to bring a version back (GET), and do so (POST), unless the object was changed in between."""
    history = url_of(model_admin, "history", unquote(object_id))
    try:
        versions = find_versions(model_admin, object_id)
        version = get_version(versions, txid)
        then = find_object(model_admin, request, version)
    except (SnapshotTooOldError, NotVersionedError) as error:
        model_admin.message_user(request, str(error), messages.WARNING)
        return HttpResponseRedirect(history)
    deleted = is_deleted(versions)
    now = None if deleted else model_admin.get_object(request, unquote(object_id))
    if then is None or (now is None and not deleted):
        missing: HttpResponse = model_admin._get_obj_does_not_exist_redirect(request, model_admin.opts, object_id)
        return missing
    if not may_restore(model_admin, request, then if deleted else now, deleted):
        raise PermissionDenied
    if version.deleted_txid is None:
        model_admin.message_user(request, _("This version is the present one."), messages.INFO)
        return HttpResponseRedirect(history)
    obstacles = _find_obstacles(then)
    if request.method == "POST" and not obstacles:
        fault = _restore(model_admin, request, version, then, deleted)
        if fault is None:
            return _confirm(model_admin, request, then, version)
        model_admin.message_user(request, fault, messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())
    return _ask(model_admin, request, versions, version, then, now, obstacles)


def _find_obstacles(then: Any) -> list[str]:
    """Return why an object cannot be now what it was: what it refers to is gone, or what was unique is taken."""
    others = [field.name for field in then._meta.fields if not is_reference(field)]
    try:
        then.clean_fields(exclude=others)
        then.validate_unique()
        then.validate_constraints()
    except ValidationError as error:
        return error.messages
    return []


def _state(versions: list[ObjectVersion]) -> str:
    return f"{versions[0].txid}-{versions[0].deleted_txid or ''}"


def _restore(model_admin: Any, request: HttpRequest, version: ObjectVersion, then: Any, deleted: bool) -> str | None:
    """Write the version as a new one, and log it; return why that cannot be, None where it was done."""
    log = model_admin.log_addition if deleted else model_admin.log_change

    def write() -> bool:
        if _state(find_versions(model_admin, str(version.pk))) != request.POST.get(SEEN_VAR):
            return False
        then.restore(version.moment)
        log(request, then, _("Restored version %(txid)s.") % {"txid": version.txid})
        return True

    try:
        done, _txid = run_transaction(write, using=alias_of(model_admin))
    except IntegrityError as error:
        return _("It cannot be restored: %(reason)s") % {"reason": error}
    return None if done else _("Somebody has changed it in the meantime. Look again at what restoring would change.")


def _confirm(model_admin: Any, request: HttpRequest, then: Any, version: ObjectVersion) -> HttpResponse:
    text = _("The %(name)s “%(obj)s” is again as it was in version %(txid)s.")
    values = {"name": model_admin.opts.verbose_name, "obj": then, "txid": version.txid}
    model_admin.message_user(request, text % values, messages.SUCCESS)
    return HttpResponseRedirect(url_of(model_admin, "change", then.pk))


def _ask(
    model_admin: Any,
    request: HttpRequest,
    versions: list[ObjectVersion],
    version: ObjectVersion,
    then: Any,
    now: Any,
    obstacles: list[str],
) -> HttpResponse:
    names = model_admin.get_history_fields(request, then)
    context = {
        "title": _("Restore version %(txid)s?") % {"txid": version.txid},
        "subtitle": None if version.committed_at is None else display_for_value(version.committed_at, ""),
        "object": then if now is None else now,
        "is_deleted": now is None,
        "differences": [] if now is None else compare(now, then, names),
        "hidden": 0 if now is None else len(set(then.diff(now)) - set(names)),
        "obstacles": obstacles,
        "seen_var": SEEN_VAR,
        "seen": _state(versions),
    }
    return render(model_admin, request, "restore_confirmation.html", context)
