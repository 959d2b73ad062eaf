"""``VersionedManager``: the manager of versioned models, and what makes one of a project's own."""

import functools
from typing import Any

from django.db.models.manager import BaseManager

from kontract.orm.queryset import VersionedQuerySet


class VersionedManager(BaseManager.from_queryset(VersionedQuerySet)):
    """Django's manager, whose querysets are ``VersionedQuerySet``.

    On an ordinary model it lets queries join the versioned models that refer to it.
    """


def as_versioned(manager: Any) -> Any:
    """Return a manager like ``manager`` whose querysets are versioned, so that a project's own managers work."""
    kind = versioned_class(type(manager))
    if kind is type(manager):
        return manager
    args, kwargs = manager._constructor_args
    made = kind(*args, **kwargs)
    made.__dict__.update(manager.__dict__)
    return made


@functools.cache
def versioned_class(kind: Any) -> Any:
    """Return a manager class like ``kind`` whose querysets are versioned."""
    if issubclass(kind._queryset_class, VersionedQuerySet):
        return kind
    attributes = {"_queryset_class": _queryset_class(kind._queryset_class), "__module__": kind.__module__}
    return type(kind.__name__, (kind, VersionedManager), attributes | {"__qualname__": kind.__qualname__})


@functools.cache
def _queryset_class(kind: Any) -> Any:
    if issubclass(VersionedQuerySet, kind):
        return VersionedQuerySet
    attributes = {"__module__": kind.__module__, "__reduce__": lambda self: (_restore, (kind,), self.__getstate__())}
    return type(kind.__name__, (kind, VersionedQuerySet), attributes)


def _restore(kind: Any) -> Any:
    """Make the queryset that a pickle holds: of a class that has no name of its own."""
    made = _queryset_class(kind)
    return made.__new__(made)
