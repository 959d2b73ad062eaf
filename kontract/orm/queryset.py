"""``VersionedQuerySet``: Django's queryset on a logical table, and its past."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Self

from django.core.exceptions import EmptyResultSet
from django.db import connections, models, transaction
from django.db.models import Model
from django.db.models.constants import OnConflict
from django.db.models.expressions import Col

from kontract.exceptions import ReadOnlyError, UnsupportedError
from kontract.mvcc import access
from kontract.mvcc.snapshot import AsOf, Moment, as_of
from kontract.mvcc.units import in_transaction
from kontract.orm.conflicts import insert_or_resolve
from kontract.orm.deletion import VersionedCollector
from kontract.orm.inserting import insert
from kontract.orm.parts import Parts, document_id, prepare
from kontract.orm.permitted import check_model, forget_hidden, table_names
from kontract.orm.query import VersionedQuery
from kontract.orm.source import is_versioned, metadata_field
from kontract.orm.updates import check_update, update_rows
from kontract.orm.writing import delete_ids, merge_many, open_for_writing, run_together
from kontract.perms import Perm


class VersionedQuerySet(models.QuerySet[Any]):
    """A queryset of documents.  On an ordinary model it is Django's, but can join versioned ones."""

    def __init__(self, model: Any = None, query: Any = None, using: Any = None, hints: Any = None) -> None:
        super().__init__(model, query if query is not None or model is None else VersionedQuery(model), using, hints)
        self._follow(self._hints)

    # --- The past ---

    def as_of(self, moment: Moment) -> Self:
        """Return the objects as they were: at a txid, an aware datetime, or the token of a pinned snapshot.

        What is reached from them, by joins, ``select_related``, ``prefetch_related`` or their attributes, is shown at
        the same moment.  Raises what ``kontract.as_of`` raises, and ``ReadOnlyError`` where they are written.
        """
        shown = self._chain()
        shown.query.moment = as_of(moment)
        return shown

    def changed_between(self, after: int, until: int) -> Self:
        """Return the objects that transactions after the txid ``after``, up to ``until``, wrote, as of ``until``.

        Those that were deleted are not among them.
        """
        shown = self.as_of(until)
        shown.query.add_written_after(after)
        return shown

    def _follow(self, hints: Any) -> None:
        """Show what is reached from an instance at the instance's moment."""
        instance = hints.get("instance")
        moment = getattr(getattr(instance, "_state", None), "moment", None)
        if moment is not None and isinstance(self._query, VersionedQuery) and self._query.moment is None:
            self._query.moment = moment

    def _add_hints(self, **hints: Any) -> None:
        super()._add_hints(**hints)
        self._follow(hints)

    def _fetch_all(self) -> None:
        fresh = self._result_cache is None
        if fresh:
            self._result_cache = list(self._iterable_class(self))
            if self._query.moment is not None:
                _mark(self._result_cache, self._query.moment)
        super()._fetch_all()

    def _iterator(self, use_chunked_fetch: bool, chunk_size: int | None) -> Any:
        for obj in super()._iterator(use_chunked_fetch, chunk_size):
            if self._query.moment is not None:
                _mark([obj], self._query.moment)
            yield obj

    def _check_present(self) -> None:
        if self._query.moment is not None:
            raise ReadOnlyError("This queryset shows the past, which cannot be changed. Write without as_of().")

    # --- Writing ---

    def _insert(
        self,
        objs: Sequence[Any],
        fields: Sequence[Any],
        returning_fields: Sequence[Any] | None = None,
        raw: bool = False,
        using: str | None = None,
        on_conflict: Any = None,
        update_fields: Any = None,
        unique_fields: Any = None,
    ) -> list[tuple[Any, ...]]:
        if not is_versioned(self.model):
            return super()._insert(
                objs, fields, returning_fields, raw, using, on_conflict, update_fields, unique_fields
            )
        self._check_present()
        self._for_write = True
        alias = using or self.db
        if on_conflict is not None:
            rows = insert_or_resolve(
                self, objs, fields, using=alias, returning=returning_fields,
                update_fields=update_fields if on_conflict == OnConflict.UPDATE else None, unique_fields=unique_fields,
            )  # fmt: skip
        else:
            rows = insert(
                self.model, objs, fields, using=alias, raw=raw, returning=returning_fields,
                checked=self._flushes_at_once,
            )  # fmt: skip
        forget_hidden(self.model, objs)
        return rows

    _insert.alters_data = True
    _insert.queryset_only = False

    def create(self, **kwargs: Any) -> Any:
        """See Django's."""
        if is_versioned(self.model):
            self._check_present()
        return super().create(**kwargs)

    create.alters_data = True

    _flushes_at_once = False  # whether the end of the method that runs is the end of the transaction

    def bulk_create(
        self,
        objs: Iterable[Any],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Any = None,
        unique_fields: Any = None,
    ) -> list[Any]:
        """See Django's: one transaction, one message to the server."""
        if is_versioned(self.model):
            self._check_present()
            self._for_write = True
            self._flushes_at_once = not in_transaction(connections[self.db])
        try:
            return super().bulk_create(
                objs, batch_size, ignore_conflicts, update_conflicts, update_fields, unique_fields
            )
        finally:
            self._flushes_at_once = False

    def bulk_update(self, objs: Iterable[Any], fields: Sequence[str], batch_size: int | None = None) -> int:
        """See Django's; values are encoded here, not computed by the server, unless one is an expression."""
        objs = tuple(objs)
        names = list(fields)
        if not is_versioned(self.model) or not objs or not names or not self._plain_update(objs, names, batch_size):
            return super().bulk_update(objs, names, batch_size)
        self._check_present()
        self._for_write = True
        connection = open_for_writing(self.db)
        targets = [self.model._meta.get_field(name) for name in names]
        for obj in objs:
            obj._prepare_related_fields_for_save(operation_name="bulk_update", fields=targets)
        changes = {
            document_id(self.model, obj.pk, connection): Parts.of(
                (field, prepare(field, getattr(obj, field.attname), connection)) for field in targets
            )
            for obj in objs
        }
        selected = self.filter(pk__in=[obj.pk for obj in objs]) if self._has_filters() else None

        def attempt() -> int:
            found = changes
            if selected is not None:
                keys = {document_id(self.model, pk, connection) for pk in selected.values_list("pk", flat=True)}
                found = {id_: parts for id_, parts in changes.items() if id_ in keys}
            return merge_many(connection, self.model, found)

        return run_together(connection, attempt)

    def _plain_update(self, objs: Sequence[Any], names: Sequence[str], batch_size: int | None) -> bool:
        """Return whether ``bulk_update`` is about plain values of this table; else Django's does it, or complains."""
        opts = self.model._meta
        fields = [opts.get_field(name) for name in names]
        if (batch_size is not None and batch_size <= 0) or not all(obj._is_pk_set() for obj in objs):
            return False
        if batch_size is not None and len({obj.pk for obj in objs}) < len(objs):
            return False  # Django counts an object once for each batch that it is in
        if any(
            field not in opts.local_concrete_fields or field in opts.pk_fields or field.generated for field in fields
        ):
            return False
        return not any(hasattr(getattr(obj, field.attname), "resolve_expression") for obj in objs for field in fields)

    def update(self, **kwargs: Any) -> int:
        """See Django's: the server computes the values, and one transaction writes them.

        Outside a transaction it runs again after a conflict; inside one, ``ConflictError`` is raised at the commit.
        """
        if not is_versioned(self.model):
            return super().update(**kwargs)
        self._not_support_combined_queries("update")
        if self.query.is_sliced:
            raise TypeError("Cannot update a query once a slice has been taken.")
        self._check_present()
        self._for_write = True
        values = check_update(self.query, kwargs)
        with transaction.mark_for_rollback_on_error(using=self.db):
            rows = update_rows(self, values)
        self._result_cache = None
        return rows

    update.alters_data = True

    def _update(self, values: Any, returning_fields: Any = None) -> Any:
        """Update with fields in place of names; with ``returning_fields`` (Django 6) give their new values back."""
        if not is_versioned(self.model):
            extra = () if returning_fields is None else (returning_fields,)
            return super()._update(values, *extra)
        self._check_present()
        self._for_write = True
        rows = update_rows(self, check_update(self.query, {field.name: value for field, _, value in values}), made=True)
        self._result_cache = None
        if not returning_fields:
            return rows if returning_fields is None else [()] * rows
        return list(self.values_list(*(field.attname for field in returning_fields))) if rows else []

    _update.alters_data = True
    _update.queryset_only = False

    def delete(self) -> tuple[int, dict[str, int]]:
        """See Django's: cascades, protects and sends signals as Django does."""
        if not is_versioned(self.model):
            return super().delete()
        self._check_present()
        check_model(self.model, Perm.X)
        self._not_support_combined_queries("delete")
        if self.query.is_sliced:
            raise TypeError("Cannot use 'limit' or 'offset' with delete().")
        if self.query.distinct_fields:
            raise TypeError("Cannot call delete() after .distinct(*fields).")
        if self._fields is not None:
            raise TypeError("Cannot call delete() after .values() or .values_list()")
        found = self._chain()
        found._for_write = True
        found.query.select_for_update = False
        found.query.select_related = False
        found.query.clear_ordering(force=True)
        check_conditions(found)
        collector = VersionedCollector(using=found.db, origin=self)
        collector.collect(found)
        result = collector.delete()
        self._result_cache = None
        return result

    delete.alters_data = True
    delete.queryset_only = True

    def _raw_delete(self, using: str) -> int:
        """Delete what the queryset finds, without signals and cascades."""
        if not is_versioned(self.model):
            return super()._raw_delete(using)
        with access.matching(*table_names(self.model)):
            ids = self.using(using)._document_ids()
        return delete_ids(self.model, ids, using=using, found=True)

    _raw_delete.alters_data = True

    def _document_ids(self) -> list[str]:
        return list(dict.fromkeys(row[0] for row in only_keys(self).get_compiler(self.db).results_iter()))

    # --- What cannot be ---

    def raw(self, raw_query: str, *args: Any, **kwargs: Any) -> Any:
        """Raise ``UnsupportedError``: there is no table to write SQL on."""
        if not is_versioned(self.model):
            return super().raw(raw_query, *args, **kwargs)
        raise UnsupportedError(
            "A versioned model has no table of its own that SQL could name. Use the queryset's methods with database "
            "functions, Func() or RawSQL() on columns, or env.storage."
        )


def check_conditions(queryset: Any) -> None:
    """Raise ``PermissionDeniedError`` where a queryset whose objects are to be deleted names what a call may not read.

    The engine itself collects them, and may name it: it follows foreign keys.
    """
    if not access.in_call():
        return
    with access.matching(*table_names(queryset.model)), suppress(EmptyResultSet):
        only_keys(queryset).get_compiler(queryset.db).as_sql()


def only_keys(queryset: Any) -> Any:
    """Return the query for the ids of the documents in a queryset."""
    query = queryset.query.clone()
    query.clear_ordering(force=True)
    query.select_related = False
    query.clear_select_clause()
    query.select = (Col(query.get_initial_alias(), metadata_field(":id", queryset.model)),)
    return query


def _mark(objs: Iterable[Any], moment: AsOf) -> None:
    """Let instances, and what was selected with them, know that they show the past."""
    pending = [obj for obj in objs if isinstance(obj, Model)]
    while pending:
        obj = pending.pop()
        if getattr(obj._state, "moment", None) is moment:
            continue
        obj._state.moment = moment
        pending.extend(value for value in obj._state.fields_cache.values() if isinstance(value, Model))
