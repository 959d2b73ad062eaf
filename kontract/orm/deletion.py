"""Deleting as Django does, with cascades, protection and signals, where some of the objects are documents."""

import functools
from collections import Counter
from collections.abc import Callable
from operator import attrgetter, or_
from typing import Any

from django.db import models, transaction
from django.db.models import signals, sql
from django.db.models.deletion import Collector

from kontract.mvcc import access
from kontract.orm.permitted import check_model
from kontract.orm.source import is_versioned
from kontract.orm.writing import delete_keys
from kontract.perms import Perm


class VersionedCollector(Collector):
    """Django's collector, whose deletions of documents go through the unit of work."""

    data: Any

    def collect(self, *args: Any, **kwargs: Any) -> None:
        """See Django's; what is looked up here is not shown to the call that deletes."""
        with access.internally():
            super().collect(*args, **kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete what was collected, in one transaction; return how many, in all and by model."""
        for model in [*self.data, *(queryset.model for queryset in self.fast_deletes)]:
            if is_versioned(model):
                check_model(model, Perm.X)
        for model, instances in self.data.items():
            self.data[model] = sorted(instances, key=attrgetter("pk"))
        self.sort()
        deleted: Counter[str] = Counter()
        if len(self.data) == 1 and not self.fast_deletes and not self.field_updates:
            ((model, instances),) = self.data.items()
            if len(instances) == 1 and self.can_fast_delete(instances[0]):
                with transaction.mark_for_rollback_on_error(self.using):
                    deleted[model._meta.label] = self._delete_instances(model, instances)
                self._forget_keys()
                return deleted.total(), dict(deleted)
        with transaction.atomic(using=self.using, savepoint=False):
            self._send(signals.pre_delete, [(m, obj) for m, instances in self.data.items() for obj in instances])
            for queryset in self.fast_deletes:
                with access.internally():
                    deleted[queryset.model._meta.label] += queryset._raw_delete(using=self.using)
            with access.internally():
                self._update_fields()
            for model, instances in self.data.items():
                instances.reverse()
                deleted[model._meta.label] += self._delete_instances(model, instances)
                self._send(signals.post_delete, [(model, obj) for obj in instances])
        self._forget_keys()
        return deleted.total(), {label: count for label, count in deleted.items() if count}

    def _send(self, signal: Any, objs: list[tuple[Any, Any]]) -> None:
        for model, obj in objs:
            if not model._meta.auto_created:
                signal.send(sender=model, instance=obj, using=self.using, origin=self.origin)

    def _update_fields(self) -> None:
        for (field, value), collected in self.field_updates.items():
            lazy = [objs for objs in collected if isinstance(objs, models.QuerySet) and objs._result_cache is None]
            if lazy:
                functools.reduce(or_, lazy).update(**{field.name: value})
            objs = [obj for some in collected if some not in lazy for obj in some]
            if objs:
                keys = list({obj.pk for obj in objs})
                objs[0].__class__._base_manager.using(self.using).filter(pk__in=keys).update(**{field.name: value})

    def _delete_instances(self, model: Any, instances: Any) -> int:
        keys = [obj.pk for obj in instances]
        if is_versioned(model):
            return delete_keys(model, keys, using=self.using)
        count: int = sql.DeleteQuery(model).delete_batch(keys, self.using)
        return count

    def _forget_keys(self) -> None:
        for model, instances in self.data.items():
            for instance in instances:
                setattr(instance, model._meta.pk.attname, None)


# --- When an ordinary object goes that documents refer to ------------------------------------------------------------


def through_unit_of_work(on_delete: Callable[..., None]) -> Callable[..., None]:
    """Return the ``on_delete`` rule of a versioned model's foreign key to an ordinary model.

    Django's own collector runs it when the ordinary object is deleted, and would then write SQL on a table that does
    not exist.  So a collector of ours collects the documents, and Django's is given something to delete that runs it.
    """
    if on_delete in (models.DO_NOTHING, models.PROTECT, models.RESTRICT):
        return on_delete  # they write nothing, and Django's collector must know what is restricted

    @functools.wraps(on_delete)
    def collect(collector: Collector, field: Any, sub_objs: Any, using: str) -> None:
        if isinstance(collector, VersionedCollector):
            on_delete(collector, field, sub_objs, using)
            return
        companion = VersionedCollector(using=using, origin=collector.origin)
        on_delete(companion, field, sub_objs, using)
        collector.fast_deletes.append(Companion(companion, field.model))

    return collect


class Companion:
    """Looks to Django's collector like a queryset that it can delete without looking at it."""

    def __init__(self, collector: VersionedCollector, model: Any) -> None:
        self.collector = collector
        self.model = model

    def _raw_delete(self, using: str) -> int:
        return self.collector.delete()[0]

    def filter(self, **lookups: Any) -> list[Any]:
        """Return which of these objects are about to be deleted: a restricted one among them is no obstacle."""
        wanted = set(lookups["pk__in"])
        return [obj for obj in self.collector.data.get(self.model, ()) if obj.pk in wanted]
