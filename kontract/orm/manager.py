"""``VersionedManager``: the manager of versioned models."""

from django.db.models.manager import BaseManager

from kontract.orm.queryset import VersionedQuerySet


class VersionedManager(BaseManager.from_queryset(VersionedQuerySet)):
    """Django's manager, whose querysets are ``VersionedQuerySet``.

    On an ordinary model it lets queries join the versioned models that refer to it.
    """
