"""The table between the two models of a ``ManyToManyField``, which is a logical table, too.

Django makes an ordinary model for it, unless one is given: so one is given, that looks like Django's.
"""

from typing import Any

from django.db import models
from django.db.models.fields.related import resolve_relation
from django.db.models.utils import make_model_tuple

from kontract.perms import field_perm


def make_intermediary(field: Any, model: Any, name: str, base: type[models.Model]) -> Any:
    """Return the model between ``model``, to which ``field`` is added as ``name``, and the field's target.

    ``base`` is what it inherits from.  Its table has the permissions of ``model`` that ``field`` has, too.  It is what
    ``create_many_to_many_intermediary_model`` of Django makes.
    """
    field.set_attributes_from_name(name)
    opts = model._meta
    target = resolve_relation(model, field.remote_field.model)
    source_name, target_name = opts.model_name, make_model_tuple(target)[1]
    if source_name == target_name:
        source_name, target_name = f"from_{source_name}", f"to_{target_name}"
    label = f"{opts.object_name}_{name}"
    meta = {
        "db_table": field._get_m2m_db_table(opts),
        "auto_created": model,
        "app_label": opts.app_label,
        "unique_together": (source_name, target_name),
        "verbose_name": f"{source_name}-{target_name} relationship",
        "verbose_name_plural": f"{source_name}-{target_name} relationships",
        "apps": opts.apps,
        "perm": model._table_perm & field_perm(field),
        "owner_scoped": model._table_owner_scoped,
    }

    def link(to: Any) -> Any:
        constrained = field.remote_field.db_constraint
        return models.ForeignKey(to, models.CASCADE, related_name=f"{label}+", db_constraint=constrained)

    attributes = {"Meta": type("Meta", (), meta), "__module__": model.__module__}
    return type(base)(label, (base,), attributes | {source_name: link(model), target_name: link(target)})
