"""A parent, and a child for each ``on_delete`` rule; the same below an ordinary parent."""

from typing import Any

from django.db import models

RULES: dict[str, Any] = {
    "Cascading": models.CASCADE,
    "Protected": models.PROTECT,
    "Restricted": models.RESTRICT,
    "Nulled": models.SET_NULL,
    "Defaulted": models.SET_DEFAULT,
    "Moved": models.SET(2),
    "Ignored": models.DO_NOTHING,
}


class Parent(models.Model):
    """What children refer to."""

    id = models.IntegerField(primary_key=True)

    class Meta:
        abstract = True


def _child(name: str, to: str, rule: Any) -> Any:
    """Return the shape of a child of ``to``."""
    parent = models.ForeignKey(
        to, rule, null=True, default=1, related_name="%(app_label)s_%(class)s_set", related_query_name="%(class)s"
    )
    attributes = {"id": models.IntegerField(primary_key=True), "parent": parent, "__module__": __name__}
    metaclass: Any = type(models.Model)
    return metaclass(name, (models.Model,), attributes | {"Meta": type("Meta", (), {"abstract": True})})


CHILDREN = [_child(name, "Parent", rule) for name, rule in RULES.items()]
ANCHORED = [_child(f"Anchor{name}", "plain.Anchor", rule) for name, rule in RULES.items()]
