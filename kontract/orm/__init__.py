"""Django models on logical tables: ``VersionedModel`` and its manager and queryset."""

from kontract.orm.manager import VersionedManager
from kontract.orm.model import VersionedModel
from kontract.orm.queryset import VersionedQuerySet

__all__ = ["VersionedManager", "VersionedModel", "VersionedQuerySet"]
