"""The two ends of a ``ManyToManyField`` whose table in between is a logical one."""

from typing import Any

from django.db import models
from django.db.models.fields.related import lazy_related_operation
from django.db.models.fields.related_descriptors import ManyToManyDescriptor, create_forward_many_to_many_manager
from django.utils.functional import cached_property

from kontract.exceptions import ReadOnlyError
from kontract.orm.manager import versioned_class


class VersionedManyToManyDescriptor(ManyToManyDescriptor):
    """Gives the objects on the other side, through a logical table also where they are ordinary."""

    @cached_property
    def related_manager_cls(self) -> Any:
        """The class of the manager of the related objects."""
        related = self.rel.related_model if self.reverse else self.rel.model
        kind = versioned_class(related._default_manager.__class__)
        return _present_only(create_forward_many_to_many_manager(kind, self.rel, reverse=self.reverse))


def _present_only(manager: Any) -> Any:
    """Return a manager like ``manager`` that refuses to change what an instance that shows the past is related to."""

    class Manager(manager):
        def _add_items(self, *args: Any, **kwargs: Any) -> None:
            _check_present(self.instance)
            super()._add_items(*args, **kwargs)

        def _remove_items(self, *args: Any, **kwargs: Any) -> None:
            _check_present(self.instance)
            super()._remove_items(*args, **kwargs)

        def clear(self) -> None:
            _check_present(self.instance)
            super().clear()

        clear.alters_data = True

    return Manager


def _check_present(instance: Any) -> None:
    if getattr(instance._state, "moment", None) is not None:
        raise ReadOnlyError("This instance shows the past, which cannot be changed. Read the present one to relate it.")


def adopt(model: Any, name: str, field: Any) -> None:
    """Put the descriptors in place at both ends of the many-to-many ``field`` of a versioned model."""
    if isinstance(getattr(model, name, None), ManyToManyDescriptor):
        setattr(model, name, VersionedManyToManyDescriptor(field.remote_field, reverse=False))
        lazy_related_operation(_adopt_other_end, model, field.remote_field.model, field=field)


def _adopt_other_end(model: type[models.Model], related: Any, *, field: Any) -> None:
    name = field.remote_field.get_accessor_name()
    if name and type(related.__dict__.get(name)) is ManyToManyDescriptor:
        setattr(related, name, VersionedManyToManyDescriptor(field.remote_field, reverse=True))
