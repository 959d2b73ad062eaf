"""``VersionedModel``: a Django model whose instances are documents of a logical table."""

import functools
from typing import Any, ClassVar, Final

from django.apps import apps as global_apps
from django.db import connections, models, router
from django.db.models.base import ModelBase
from django.db.models.fields.related import lazy_related_operation
from django.db.models.manager import BaseManager
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema

from kontract.conf import TableOptions
from kontract.exceptions import ReadOnlyError
from kontract.orm.columns import shape_of
from kontract.orm.conforming import conform, make_id
from kontract.orm.deletion import VersionedCollector, through_unit_of_work
from kontract.orm.fields import AUTOMATIC, NumberField
from kontract.orm.intermediary import make_intermediary
from kontract.orm.manager import VersionedManager, as_versioned
from kontract.orm.parts import prepare
from kontract.orm.past import Past
from kontract.orm.permitted import check_model, declared_permissions
from kontract.orm.related import adopt
from kontract.orm.rules import make_rules
from kontract.orm.shapes import build_schema
from kontract.orm.source import is_versioned, register
from kontract.orm.writing import merge_one
from kontract.perms import RWX, Perm, field_perm, perm
from kontract.tables.ids import uuid7
from kontract.tables.keys import declare


class VersionedModelBase(ModelBase):
    """Makes a model's table a logical one."""

    def __new__(cls, name: str, bases: Any, attrs: dict[str, Any], **kwargs: Any) -> Any:
        """Take ``perm`` and ``owner_scoped``, which Django does not know, out of the model's ``Meta``."""
        if taken := _find_permissions(attrs.get("Meta")):
            attrs = attrs | taken | {"Meta": type("Meta", (attrs["Meta"],), {})}  # Django looks at its own attributes
        return super().__new__(cls, name, bases, attrs, **kwargs)

    def add_to_class(cls, name: str, value: Any) -> None:
        """Add an attribute; fields become what can be stored in a document."""
        if type(value) in AUTOMATIC:
            value = perm(field_perm(value), NumberField.like(value))
        if isinstance(value, models.ManyToManyField) and _needs_intermediary(cls, value):
            value.remote_field.through = make_intermediary(value, cls, name, VersionedModel)
        elif isinstance(value, BaseManager):
            value = as_versioned(value)
        super().add_to_class(name, value)
        if isinstance(value, models.ManyToManyField):
            adopt(cls, name, value)

    @property
    def _base_manager(cls) -> Any:
        """What Django finds related objects with, whatever ``objects`` leaves out."""
        manager = cls._meta.base_manager
        if "versioned" not in manager.__dict__:
            manager.versioned = as_versioned(manager)
        return manager.versioned

    def _prepare(cls) -> None:
        opts = cls._meta
        opts.managed = False  # a child's Meta would lose it
        opts.original_attrs["managed"] = False
        _adopt_managers(cls)
        if opts.pk is None and not opts.parents:
            key = models.UUIDField("ID", primary_key=True, default=uuid7, editable=False, auto_created=True)
            cls.add_to_class("id", key)
        if not opts.managers and not any(field.name == "objects" for field in opts.fields):
            manager = VersionedManager()
            manager.auto_created = True
            cls.add_to_class("objects", manager)
        anything = {getattr(field, "fk_field", None) for field in opts.private_fields}  # of each GenericForeignKey
        for field in opts.local_fields:
            field.refers_to_any_key = field.name in anything
        super()._prepare()
        if not opts.proxy and not opts.swapped:
            _declare(cls)


def _find_permissions(meta: Any) -> dict[str, Any]:
    found = {name: getattr(meta, name) for name in _PERMISSIONS if hasattr(meta, name)}
    for name, value in found.items():
        if not isinstance(value, _PERMISSIONS[name]):
            raise TypeError(
                f"Meta.{name} is {value!r}. Use a constant of kontract.perms for perm, for example perms.RW_, and True "
                "or False for owner_scoped."
            )
    return {f"_table_{name}": value for name, value in found.items()}


_PERMISSIONS: Final[dict[str, type]] = {"perm": Perm, "owner_scoped": bool}


def _adopt_managers(model: Any) -> None:
    """Make the managers versioned that a model inherits from ordinary abstract ones, in the order they have."""
    opts = model._meta
    if all(as_versioned(manager) is manager for manager in opts.managers):
        return
    local = {manager.name for manager in opts.local_managers}
    for manager in opts.managers:
        if manager.name not in local:
            adopted = as_versioned(manager)
            adopted._set_creation_counter()
            model.add_to_class(manager.name, adopted)


def _needs_intermediary(model: Any, field: Any) -> bool:
    return field.remote_field.through is None and not model._meta.abstract and not model._meta.swapped


def _declare(model: Any) -> None:
    opts = model._meta
    for field in opts.local_fields:
        if field.remote_field is not None and hasattr(field.remote_field, "on_delete"):
            lazy_related_operation(_guard_deletion, model, field.remote_field.model, field=field)
    if opts.apps is not global_apps and opts.db_table in {m._meta.db_table for m in global_apps.get_models()}:
        return
    register(model)
    declare(
        opts.db_table,
        TableOptions(
            perm=model._table_perm, fields=declared_permissions(model), owner_scoped=model._table_owner_scoped
        ),
        lambda connection: make_rules(model, connection),
        functools.partial(conform, model),
        functools.partial(make_id, model),
        functools.partial(shape_of, model),
    )


def _guard_deletion(model: Any, related: Any, *, field: Any) -> None:
    if not is_versioned(related):
        field.remote_field.on_delete = through_unit_of_work(field.remote_field.on_delete)


class VersionedModel(models.Model, Past, metaclass=VersionedModelBase):
    """A model whose instances are documents of the logical table ``Meta.db_table``.

    Its primary key is a UUIDv7 unless it declares another.  Writes are versions: what was there stays readable.
    """

    _is_versioned: ClassVar[bool] = True
    _table_perm: ClassVar[Perm] = RWX
    _table_owner_scoped: ClassVar[bool] = False

    class Meta:
        abstract = True

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let procedures take and return instances, see ``kontract.orm.shapes``."""
        return build_schema(source, handler)

    def save_base(self, *args: Any, **kwargs: Any) -> None:
        """See Django's.  Raises ``ReadOnlyError`` for an instance that shows the past."""
        if getattr(self._state, "moment", None) is not None:
            raise ReadOnlyError(
                "This instance shows the past, which cannot be changed. To bring it back, use restore(); to write "
                "what it holds as a new version, read the present one and copy the fields."
            )
        super().save_base(*args, **kwargs)

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        """See Django's: cascades, protects and sends signals as Django does; the history stays."""
        if not self._is_pk_set():
            raise ValueError(
                f"{self._meta.object_name} object can't be deleted because its {self._meta.pk.attname} attribute is "
                "set to None."
            )
        if getattr(self._state, "moment", None) is not None:
            raise ReadOnlyError(
                "This instance shows the past, which cannot be changed. Read the present one to delete."
            )
        check_model(type(self), Perm.X)
        using = using or router.db_for_write(self.__class__, instance=self)
        collector = VersionedCollector(using=using, origin=self)
        collector.collect([self], keep_parents=keep_parents)
        return collector.delete()

    delete.alters_data = True

    def _do_update(
        self,
        base_qs: Any,
        using: str,
        pk_val: Any,
        values: Any,
        update_fields: Any,
        forced_update: bool,
        *returning: Any,
    ) -> Any:
        """Update without a queryset where every value is known: one message to the server."""
        plain = all(not hasattr(value, "resolve_expression") for _, _, value in values)
        if not values or not plain or any(returning):
            return super()._do_update(base_qs, using, pk_val, values, update_fields, forced_update, *returning)
        connection = connections[using]
        prepared = ((f, prepare(f, value, connection)) for f, _, value in values)
        asks = self._meta.select_on_save and not forced_update
        updated = (not asks or base_qs.filter(pk=pk_val).exists()) and merge_one(
            base_qs.model, pk_val, prepared, using=using, made=True
        )
        if not returning:  # Django 5.2
            return updated
        return [()] if updated else []
