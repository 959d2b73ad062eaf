"""``update()``: the server computes the new values of each row, and the unit of work collects them."""

import time
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import FieldError
from django.db import models, transaction
from django.db.models.expressions import ColPairs, ExpressionWrapper
from django.db.models.sql import UpdateQuery
from psycopg.types.json import Jsonb

from kontract.exceptions import ConflictError
from kontract.mvcc import access
from kontract.mvcc.transaction import attempts
from kontract.mvcc.units import find_unit, require_unit
from kontract.orm.columns import sql_type, stored_type
from kontract.orm.locks import lock_rows, remember_versions
from kontract.orm.parts import Parts, document_id, prepare
from kontract.orm.permitted import check_model, table_names
from kontract.orm.source import table_of
from kontract.orm.writing import merge_many, open_for_writing
from kontract.perms import Perm

_COMPUTED = "kontract_value_"


class Assigned(ExpressionWrapper):
    """An expression as PostgreSQL would assign it to a column: rounded to a whole number, or a moment with its zone."""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return the SQL of the expression, cast to the column's type."""
        sql, params = super().as_sql(compiler, connection)
        return f"({sql})::{sql_type(stored_type(self.output_field), connection)}", params


class AssignedJson(ExpressionWrapper):
    """An expression for a ``JSONField``, as JSON text: else the null of JSON and that of SQL would look the same."""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return the SQL of the text."""
        sql, params = super().as_sql(compiler, connection)
        return f"to_jsonb({sql})::text", params


def _assigned(field: Any, value: Any) -> ExpressionWrapper:
    if isinstance(field, models.JSONField):
        return AssignedJson(value, output_field=models.TextField())
    return Assigned(value, output_field=field)


def _computed(field: Any, value: Any, connection: Any) -> Any:
    """Return what the server has computed as it is stored."""
    if isinstance(field, models.JSONField):
        return None if value is None else Jsonb(value, dumps=str)
    return prepare(field, value, connection)


def check_update(query: Any, values: Mapping[str, Any]) -> dict[Any, Any]:
    """Return ``values`` by field.  Raises what Django raises for those that an update cannot have."""
    checking = query.chain(UpdateQuery)
    checking.add_update_values(values)
    for field, _, value in checking.values:
        if isinstance(value, ColPairs):
            raise FieldError(
                f"Composite primary keys expressions are not allowed in this query ({field.name}=F('pk'))."
            )
        for kind, has in (
            ("Aggregate functions", "contains_aggregate"),
            ("Window expressions", "contains_over_clause"),
        ):
            if getattr(value, has, False):
                raise FieldError(f"{kind} are not allowed in this query ({field.name}={value!r}).")
    for name in query.order_by:
        annotation = query.annotations.get(name.removeprefix("-")) if isinstance(name, str) else None
        if getattr(annotation, "contains_aggregate", False):
            raise FieldError(f"Cannot update when ordering by an aggregate: {annotation}")
    fields = {query.get_meta().get_field(name): value for name, value in values.items()}
    return {field: value for field, value in fields.items() if not field.generated}


def update_rows(queryset: Any, values: Mapping[Any, Any], *, made: bool = False) -> int:
    """Set fields of all objects in ``queryset`` to values or expressions; return how many there are.

    ``made``: see ``kontract.orm.writing.merge_one``.
    """
    connection = open_for_writing(queryset.db)
    for field in values:
        check_model(field.model, Perm.W)
    if find_unit(connection) is not None:
        return _update_rows(queryset, values, connection, made)
    pauses = attempts()
    while True:
        try:
            with transaction.atomic(using=connection.alias):  # READ COMMITTED sees what others did while it waited
                return _update_rows(queryset, values, connection, made)
        except ConflictError:
            if (pause := next(pauses, None)) is None:
                raise
            time.sleep(pause)


def _update_rows(queryset: Any, values: Mapping[Any, Any], connection: Any, made: bool) -> int:
    by_model: dict[Any, list[Any]] = {queryset.model._meta.concrete_model: []}
    for field in values:
        by_model.setdefault(field.model._meta.concrete_model, []).append(field)
    expressions = {field: value for field, value in values.items() if hasattr(value, "resolve_expression")}
    plain = {f: prepare(f, value, connection) for f, value in values.items() if f not in expressions}
    with access.matching(*table_names(queryset.model)):
        rows = _select(queryset, list(by_model), expressions, connection)
    count = 0
    for model, fields in by_model.items():
        changes: dict[str, dict[Any, Any]] = {}
        for keys, computed in rows:
            known = plain | {field: _computed(field, value, connection) for field, value in computed.items()}
            changes.setdefault(document_id(model, keys[model], connection), {f: known[f] for f in fields})
        if fields:
            parts_by_id = {id_: Parts.of(parts.items()) for id_, parts in changes.items()}
            merge_many(connection, model, parts_by_id, made=made)
        count = max(count, len(changes))
    return count


def _select(
    queryset: Any, models: list[Any], expressions: Mapping[Any, Any], connection: Any
) -> list[tuple[dict[Any, Any], dict[Any, Any]]]:
    """Return, for each row, its primary key in each table that is written to, and its computed values."""
    found = queryset._chain()
    found.query.clear_ordering(clear_default=True)
    found.query.select_related = False
    found.query.select_for_update = False
    if require_unit(connection).isolation == "joined":  # else PostgreSQL notices who was first
        found.query = lock_rows(connection, found.query)
    names = [f"{_COMPUTED}{n}" for n in range(len(expressions))]
    wrapped = [_assigned(field, value) for field, value in expressions.items()]
    keys = ["pk", *(_path_to_parent(queryset.model, model) for model in models[1:])]
    if len(models) > 1:
        for values in (dict(zip(models, row, strict=True)) for row in found.values_list(*keys)):
            for model in models[1:]:
                remember_versions(
                    connection, table_of(connection, model), [document_id(model, values[model], connection)]
                )
    rows = found.annotate(**dict(zip(names, wrapped, strict=True))).values_list(*keys, *names)
    return [
        (dict(zip(models, row, strict=False)), dict(zip(expressions, row[len(keys) :], strict=True))) for row in rows
    ]


def _path_to_parent(model: Any, parent: Any) -> str:
    link = model._meta.get_ancestor_link(parent)
    name: str = link.name
    if link.remote_field.model._meta.concrete_model is parent:
        return name
    return f"{name}__{_path_to_parent(link.remote_field.model, parent)}"
