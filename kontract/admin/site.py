"""A site that gives every versioned model the history of its versions, however it is registered."""

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import AdminSite
from django.db.models.base import ModelBase

from kontract.admin.options import VersionedAdmin
from kontract.orm.model import VersionedModel


class VersionedAdminSite(AdminSite):
    """Django's ``AdminSite``, with which ``register(Model)`` and plain ``ModelAdmin`` classes serve versioned models.

    The class of such a model gets what ``VersionedAdmin`` adds, unless it has it, or says ``shows_versions = False``;
    ordinary models stay as they are.
    """

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """See Django's."""
        models: Iterable[Any] = [model_or_iterable] if isinstance(model_or_iterable, ModelBase) else model_or_iterable
        for model in models:
            chosen = _add_history(admin_class) if issubclass(model, VersionedModel) else admin_class
            super().register(model, chosen, **options)


def _add_history(admin_class: type[Any] | None) -> type[Any]:
    if admin_class is None or issubclass(admin_class, VersionedAdmin):
        return admin_class or VersionedAdmin
    if not getattr(admin_class, "shows_versions", True):
        return admin_class
    return type(admin_class.__name__, (admin_class, VersionedAdmin), {"__module__": admin_class.__module__})
