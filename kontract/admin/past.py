"""Finding what the admin's addresses name: an object's versions, and the object as it was."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.db import router
from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _

from kontract.exceptions import InvalidIdError
from kontract.mvcc.snapshot import as_of
from kontract.orm.past import ObjectVersion, read_versions


def alias_of(model_admin: Any) -> str:
    """Return the database that a model is written to, where all of its past is."""
    return router.db_for_write(model_admin.model)


def find_versions(model_admin: Any, object_id: str) -> list[ObjectVersion]:
    """Return the versions of an object by its id in an address, newest first; none if there never was such an object.

    Raises ``NotVersionedError``.
    """
    model = model_admin.model
    try:
        pk = model._meta.pk.to_python(unquote(object_id))
        return read_versions(model, pk, using=alias_of(model_admin))
    except (ValidationError, InvalidIdError, ValueError):
        return []


def get_version(versions: list[ObjectVersion], txid: int) -> ObjectVersion:
    """Return the version that the transaction ``txid`` left.  Raises ``Http404``."""
    for version in versions:
        if version.txid == txid:
            return version
    raise Http404(_("There is no such version: it never was, or its history has been removed."))


def is_deleted(versions: list[ObjectVersion]) -> bool:
    """Return whether the object was there once and is no more."""
    return bool(versions) and versions[0].deleted_txid is not None


def last_seen(versions: list[ObjectVersion]) -> AbstractContextManager[Any]:
    """Return a block in which the object can be read: in the present, or before it was deleted."""
    return as_of(versions[0].moment) if is_deleted(versions) else nullcontext()


def find_object(model_admin: Any, request: HttpRequest, version: ObjectVersion) -> Any:
    """Return the object as the version has it, None where the user's queryset did not show it then."""
    with as_of(version.moment):
        return model_admin.get_object(request, str(version.pk))
