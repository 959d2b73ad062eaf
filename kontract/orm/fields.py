"""Fields that versioned models use in place of Django's."""

from typing import Any

from django.db import models
from django.db.models.fields import AutoFieldMixin


class NumberField(AutoFieldMixin, models.BigIntegerField):
    """An automatic whole number: what ``BigAutoField`` is, but made by the application.

    It is no ``AutoField``, because Django believes those to have a sequence in the database, which ``loaddata`` sets.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["editable"] = False
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        """Return what makes the field again."""
        name, path, args, kwargs = super().deconstruct()
        del kwargs["editable"]
        return name, path, args, kwargs

    @classmethod
    def like(cls, field: Any) -> "NumberField":
        """Return a field with the options of an ``AutoField``, of any size."""
        _, _, args, kwargs = field.deconstruct()
        return cls(*args, **kwargs)


AUTOMATIC = (models.AutoField, models.SmallAutoField, models.BigAutoField)
