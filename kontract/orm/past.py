"""The past of one object: its versions, their differences, and going back to one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.db import models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.models import Trx
from kontract.mvcc import access, reads
from kontract.mvcc.connections import fetch_all, fetch_one, get_connection
from kontract.mvcc.history import Version, read_history
from kontract.mvcc.snapshot import check_versioned
from kontract.mvcc.versions import past
from kontract.mvcc.writes import Table
from kontract.orm.columns import stored_type
from kontract.orm.parts import document_id
from kontract.orm.permitted import check_whole, is_readable
from kontract.orm.source import is_versioned, table_of
from kontract.perms import Perm

_DELETED: Final = """
SELECT h.id, max(h._deleted_txid)
FROM storage h
WHERE h.ns = %(ns)s AND h.ptr = -%(ptr)s AND h._deleted_txid IS NOT NULL AND h._txid < h._deleted_txid
  AND (%(scope)s::text IS NULL OR h._owner = nullif(%(scope)s, ''))
  AND NOT EXISTS (
    SELECT FROM storage s WHERE s.ns = %(ns)s AND s.ptr = %(ptr)s AND s.id = h.id AND s._deleted_txid IS NULL
  )
GROUP BY h.id
ORDER BY 2 DESC, 1
LIMIT %(limit)s
"""


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
    def moment(self) -> int:
        """The first txid that still shows the version: its own, unless vacuum has moved the horizon past that."""
        return max(self.txid, find_horizon(self.model, using=self.using))

    @property
    def instance(self) -> Any:
        """The object as it was, to look at: read with what it refers to at the same moment."""
        return self.model._base_manager.using(self.using).as_of(self.moment).get(pk=self.pk)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """An object that is no more, and the transaction that deleted it; see ``ObjectVersion``."""

    pk: Any
    txid: int
    committed_at: datetime | None
    changed_by: str | None
    label: str | None


class Past:
    """What a versioned model's instances know of their past."""

    @property
    def history(self) -> list[ObjectVersion]:
        """All versions of the object, newest first; see ``read_versions``."""
        return read_versions(type(self), self.pk, using=_alias(self))

    def diff(self, other: Any) -> dict[str, tuple[Any, Any]]:
        """Return the fields that differ, of those that may be read, as pairs: the value here, and the one in ``other``.

        ``other`` is an instance of the same model, or a moment: a txid, an aware datetime, a pinned snapshot's token.
        """
        if not isinstance(other, models.Model):
            other = _at(self, other)
        fields = (field for field in self._meta.concrete_fields if not is_versioned(field.model) or is_readable(field))
        pairs = ((f.name, getattr(self, f.attname), getattr(other, f.attname)) for f in fields)
        return {name: (here, there) for name, here, there in pairs if here != there}

    def restore(self, txid: Any) -> None:
        """Write the object as it was at ``txid`` (or any other moment) as a new version, also if it was deleted since.

        The instance shows the result.  Raises the model's ``DoesNotExist`` if it did not exist then, and in a call
        ``PermissionDeniedError`` unless it may read and write every field.
        """
        check_whole(type(self))
        then = _at(self, txid)
        for field in self._meta.concrete_fields:
            if not field.generated:
                setattr(self, field.attname, getattr(then, field.attname))
        self._state.moment = None
        self._state.adding = False
        self._state.fields_cache.clear()
        alias = _alias(self)
        with transaction.atomic(using=alias, savepoint=False):
            for parent in reversed(self._meta.concrete_model._meta.get_parent_list()):
                if is_versioned(parent):
                    self._save_table(raw=True, cls=parent, using=alias)
            models.Model.save_base(self, raw=True, using=alias)


def _alias(instance: Any) -> str:
    return instance._state.db or router.db_for_read(type(instance), instance=instance)


def _at(instance: Any, moment: Any) -> Any:
    return type(instance)._base_manager.using(_alias(instance)).as_of(moment).get(pk=instance.pk)


def read_versions(model: Any, pk: Any, *, using: str) -> list[ObjectVersion]:
    """Return all versions of the object of ``model`` with this primary key, newest first; none if it never was.

    In multi-table inheritance a change of the parent's part is a version, too.  Raises ``NotVersionedError``.
    """
    found = _read_whole(get_connection(using), model._meta.concrete_model, pk)
    return [_as_object_version(version, model, pk, using) for version in found]


def _read_whole(connection: BaseDatabaseWrapper, model: Any, pk: Any) -> list[Version]:
    """Return the versions of an object, newest first, with what its parents' tables hold of it."""
    found = read_history(connection, table_of(connection, model), document_id(model, pk, connection))
    for parent, link in _versioned_parents(model):
        if found:
            key = pk if link.primary_key else found[0].data[link.column]
            found = list(_combined(found, _read_whole(connection, parent, key)))
    return found


def _versioned_parents(model: Any) -> list[tuple[Any, Any]]:
    """Return the models that ``model`` directly inherits tables from, each with the field that links to it."""
    links = model._meta.concrete_model._meta.parents.items()
    own = model._meta.concrete_model
    return [(parent, link) for parent, link in links if link is not None and link.model is own and is_versioned(parent)]


def _combined(own: Sequence[Version], inherited: Sequence[Version]) -> Iterator[Version]:
    """Yield the states that two parts of an object make together, newest first."""
    for txid in sorted({version.txid for version in [*own, *inherited]}, reverse=True):
        mine, theirs = _valid_at(txid, own), _valid_at(txid, inherited)
        if mine is None or theirs is None:
            continue
        source = mine if mine.txid == txid else theirs
        ends = [version.deleted_txid for version in (mine, theirs) if version.deleted_txid is not None]
        yield replace(source, deleted_txid=min(ends, default=None), data=theirs.data | mine.data, owner=mine.owner)


def _valid_at(txid: int, versions: Sequence[Version]) -> Version | None:
    for version in versions:
        if version.txid <= txid and (version.deleted_txid is None or txid < version.deleted_txid):
            return version
    return None


def _as_object_version(version: Version, model: Any, pk: Any, using: str) -> ObjectVersion:
    return ObjectVersion(
        txid=version.txid, deleted_txid=version.deleted_txid, committed_at=version.committed_at,
        changed_by=version.changed_by, label=version.label, data=version.data, model=model, pk=pk, using=using,
    )  # fmt: skip


def find_horizon(model: Any, *, using: str) -> int:
    """Return the oldest txid at which objects of ``model`` can be read: vacuum may have removed what was before."""
    connection = get_connection(using)
    table = _table(connection, model)
    horizon: int = fetch_one(connection, past.BOUNDS, {"ns": table.ns, "id": str(table.ptr)})[0]
    return max([horizon, *(find_horizon(parent, using=using) for parent, _ in _versioned_parents(model))])


def _table(connection: BaseDatabaseWrapper, model: Any) -> Table:
    table = table_of(connection, model._meta.concrete_model)
    check_versioned(table)
    return table


def read_deletions(model: Any, *, using: str, limit: int) -> list[Deletion]:
    """Return at most ``limit`` objects of ``model`` that were deleted and are in the history, the last one first.

    Raises ``NotVersionedError`` and ``PermissionDeniedError``.
    """
    connection = get_connection(using)
    table = _table(connection, model)
    access.check(table, Perm.R)
    params = {"ns": table.ns, "ptr": table.ptr, "limit": limit, "scope": access.scope(table)}
    reads.note(table, params["scope"])
    rows = fetch_all(connection, _DELETED, params)
    to_python = stored_type(model._meta.pk).to_python
    return find_deletions(model, [(to_python(row[0]), row[1]) for row in rows], using=using)


def find_deletions(model: Any, deleted: Iterable[tuple[Any, int]], *, using: str) -> list[Deletion]:
    """Return pairs of primary key and deleting transaction as deletions, with what the log says about them."""
    deleted = list(deleted)
    table = _table(get_connection(using), model)
    log = Trx.objects.using(using).filter(ns=table.ns, txid__in={txid for _, txid in deleted})
    found = {txid: rest for txid, *rest in log.values_list("txid", "committed_at", "owner", "label")}
    return [
        Deletion(pk=pk, txid=txid, committed_at=at, changed_by=by, label=label)
        for pk, txid in deleted
        for at, by, label in [found.get(txid, (None, None, None))]
    ]
