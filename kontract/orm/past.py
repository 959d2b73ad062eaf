"""The past of one object: its versions, their differences, and going back to one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models, router

from kontract.mvcc.connections import get_connection
from kontract.mvcc.history import Version, read_history
from kontract.orm.source import table_of
from kontract.orm.writing import document_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectVersion:
    """One state of an object, valid from the transaction ``txid`` until ``deleted_txid`` (None: still live).

    ``changed_by``, ``committed_at`` and ``label`` say who wrote it, when, and in which procedure or transaction.
    """

    txid: int
    deleted_txid: int | None
    committed_at: datetime | None
    changed_by: str | None
    label: str | None
    data: Mapping[str, Any]
    model: Any
    pk: Any
    using: str

    @property
    def instance(self) -> Any:
        """The object as it was, to look at: read with what it refers to at the same moment."""
        return self.model._base_manager.using(self.using).as_of(self.txid).get(pk=self.pk)


class Past:
    """What a versioned model's instances know of their past."""

    @property
    def history(self) -> list[ObjectVersion]:
        """All versions of the object, newest first; those of a parent in multi-table inheritance are the parent's."""
        return read_versions(type(self), self.pk, using=_alias(self))

    def diff(self, other: Any) -> dict[str, tuple[Any, Any]]:
        """Return the fields that differ, as pairs: the value here, and the one in ``other``.

        ``other`` is an instance of the same model, or a moment: a txid, an aware datetime, a pinned snapshot's token.
        """
        if not isinstance(other, models.Model):
            other = _at(self, other)
        pairs = ((f.name, getattr(self, f.attname), getattr(other, f.attname)) for f in self._meta.concrete_fields)
        return {name: (here, there) for name, here, there in pairs if here != there}

    def restore(self, txid: Any) -> None:
        """Write the object as it was at ``txid`` (or any other moment) as a new version, also if it was deleted since.

        The instance shows the result.  Raises the model's ``DoesNotExist`` if it did not exist then.
        """
        then = _at(self, txid)
        for field in self._meta.concrete_fields:
            if not field.generated:
                setattr(self, field.attname, getattr(then, field.attname))
        self._state.moment = None
        self._state.adding = False
        self._state.fields_cache.clear()
        models.Model.save_base(self, raw=True, using=_alias(self))


def _alias(instance: Any) -> str:
    return instance._state.db or router.db_for_read(type(instance), instance=instance)


def _at(instance: Any, moment: Any) -> Any:
    return type(instance)._base_manager.using(_alias(instance)).as_of(moment).get(pk=instance.pk)


def read_versions(model: Any, pk: Any, *, using: str) -> list[ObjectVersion]:
    """Return all versions of the object of ``model`` with this primary key, newest first; none if it never was."""
    concrete = model._meta.concrete_model
    connection = get_connection(using)
    found = read_history(connection, table_of(connection, concrete), document_id(concrete, pk, connection))
    return [_as_object_version(version, model, pk, using) for version in found]


def _as_object_version(version: Version, model: Any, pk: Any, using: str) -> ObjectVersion:
    return ObjectVersion(
        txid=version.txid, deleted_txid=version.deleted_txid, committed_at=version.committed_at,
        changed_by=version.changed_by, label=version.label, data=version.data, model=model, pk=pk, using=using,
    )  # fmt: skip
