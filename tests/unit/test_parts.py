"""Which values are written as they are, without asking the field to prepare them."""

from typing import Any

import pytest
from django.apps.registry import Apps
from django.db import models

from kontract.orm.parts import Column, Parts, prepare
from tests.shop.models import Product


class Lower(models.CharField):  # type: ignore[type-arg]
    """A field that prepares."""

    def get_prep_value(self, value: Any) -> Any:
        """Return the text in small letters."""
        return super().get_prep_value(value).lower()


class Stamped(models.IntegerField):  # type: ignore[type-arg]
    """A field that sets its own value."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Return the same for all."""
        return 1


def column(field: Any) -> Column:
    """Return the column of a field in a model of its own."""
    meta = type("Meta", (), {"app_label": "alone", "apps": Apps()})
    model: Any = type("Alone", (models.Model,), {"__module__": __name__, "Meta": meta, "value": field})
    return Column.of(model._meta.get_field("value"))


@pytest.mark.parametrize(
    ("field", "unchanged"),
    [
        (models.CharField(max_length=9), str),
        (models.EmailField(), str),
        (models.TextField(), str),
        (models.PositiveSmallIntegerField(), int),
        (models.BooleanField(), bool),
        (models.DateTimeField(auto_now=True), None),
        (models.DecimalField(max_digits=5, decimal_places=2), None),
        (models.JSONField(), None),
        (Lower(max_length=9), None),
        (Stamped(), None),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_only_what_django_itself_leaves_alone_need_not_be_prepared(field: Any, unchanged: type | None) -> None:
    assert column(field).unchanged is unchanged


def test_a_reference_is_prepared_as_the_key_it_refers_to() -> None:
    category: Any = Product._meta.get_field("category")
    assert Column.of(category).unchanged is Column.of(category.target_field).unchanged


def test_a_field_that_prepares_is_asked() -> None:
    field = column(Lower(max_length=9)).field
    prepared = prepare(field, "LOUD", None)  # type: ignore[arg-type]
    assert Parts.of([(field, prepared)]).as_json() == '{"value":"loud"}'
