"""``update()``: the server computes the new values of each row, and the unit of work collects them."""

from collections.abc import Mapping
from typing import Any

from django.db.models.expressions import ExpressionWrapper

from kontract.mvcc.transaction import run_transaction
from kontract.orm.writing import Parts, document_id, merge_many, open_for_writing

_COMPUTED = "kontract_value_"


def update_rows(queryset: Any, values: Mapping[Any, Any]) -> int:
    """Set fields of all objects in ``queryset`` to values or expressions; return how many there are."""
    connection = open_for_writing(queryset.db)
    return run_transaction(lambda: _update_rows(queryset, values, connection), using=queryset.db)[0]


def _update_rows(queryset: Any, values: Mapping[Any, Any], connection: Any) -> int:
    by_model: dict[Any, dict[Any, Any]] = {queryset.model._meta.concrete_model: {}}
    for field, value in values.items():
        by_model.setdefault(field.model._meta.concrete_model, {})[field] = value
    plain = {f: _prepare(f, v, connection) for f, v in values.items() if not hasattr(v, "resolve_expression")}
    computed = [field for field in values if field not in plain]
    count = 0
    rows = _select(queryset, list(by_model), [(field, values[field]) for field in computed])
    for model, fields in by_model.items():
        changes: dict[str, Parts] = {}
        for keys, results in rows:
            known = dict(zip(computed, results, strict=True))
            parts = Parts.of(
                (field, plain[field] if field in plain else _prepare(field, known[field], connection))
                for field in fields
            )
            changes.setdefault(document_id(model, keys[model], connection), parts)
        if fields:
            merge_many(connection, model, changes)
        count = max(count, len(changes))
    return count


def _prepare(field: Any, value: Any, connection: Any) -> Any:
    return field.get_db_prep_save(value.pk if hasattr(value, "_meta") else value, connection)


def _select(
    queryset: Any, models: list[Any], computed: list[tuple[Any, Any]]
) -> list[tuple[dict[Any, Any], list[Any]]]:
    """Return, for each row, the primary key in each table written to, and the computed values."""
    found = queryset._chain()
    found.query.clear_ordering(clear_default=True)
    found.query.select_related = False
    found.query.select_for_update = False
    names = {
        f"{_COMPUTED}{n}": ExpressionWrapper(value, output_field=field) for n, (field, value) in enumerate(computed)
    }
    found = found.annotate(**names)
    keys = ["pk", *(_path_to_parent(queryset.model, model) for model in models[1:])]
    rows = found.values_list(*keys, *names)
    return [(dict(zip(models, row, strict=False)), list(row[len(keys) :])) for row in rows]


def _path_to_parent(model: Any, parent: Any) -> str:
    link = model._meta.get_ancestor_link(parent)
    if link.remote_field.model._meta.concrete_model is parent:
        name: str = link.name
        return name
    return f"{link.name}__{_path_to_parent(link.remote_field.model, parent)}"
