"""What a model's ``Meta`` and fields demand of its documents, as rules of the logical table."""

from collections.abc import Iterator
from typing import Any, cast

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CheckConstraint, F, Q, UniqueConstraint
from django.db.models.sql import Query

from kontract.mvcc.rules import Check, Key, KeyReferrer, Reference, Referrer, Rules
from kontract.mvcc.versions.references import key_of
from kontract.orm.columns import is_reference, raw_text, typed
from kontract.orm.source import is_versioned


def make_rules(model: Any, connection: BaseDatabaseWrapper) -> Rules | None:
    """Return the rules of a model's table; None where it has none."""
    rules = Rules(
        keys=tuple(_keys(model, connection)),
        checks=tuple(_checks(model, connection)),
        references=tuple(_references(model, connection)),
        referrers=tuple(_referrers(model)),
        key_referrers=tuple(_key_referrers(model)),
    )
    return rules if rules != Rules() else None


def _keys(model: Any, connection: BaseDatabaseWrapper) -> Iterator[Key]:
    opts = model._meta
    for field in opts.local_concrete_fields:
        if field.unique and not field.primary_key and not field.generated:
            yield _plain_key(unique_name(field), [field])
    for names in opts.unique_together:
        fields = [opts.get_field(name) for name in names]
        yield _plain_key(f"{opts.db_table}_{'_'.join(field.column for field in fields)}_uniq", fields)
    for constraint in opts.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield _constraint_key(model, constraint, connection)


def _constraint_key(model: Any, constraint: UniqueConstraint, connection: BaseDatabaseWrapper) -> Key:
    fields = [model._meta.get_field(name) for name in constraint.fields]
    distinct = constraint.nulls_distinct is not False
    if constraint.condition is None and not constraint.expressions and not any(field.generated for field in fields):
        return _plain_key(constraint.name, fields, nulls_distinct=distinct)
    expressions = list(constraint.expressions) or [F(field.name) for field in fields]
    values = [_compile(model, expression, connection) for expression in expressions]
    present = [f"({value}) IS NOT NULL" for value in values] if distinct else []
    if constraint.condition is not None:
        present.append(_compile_condition(model, constraint.condition, connection))
    key = f"jsonb_build_array({', '.join(values)})::text"
    sql = f"CASE WHEN {' AND '.join(present)} THEN {key} END" if present else key
    return Key(constraint.name, _over_row(model, sql, connection), None)


def _plain_key(name: str, fields: list[Any], *, nulls_distinct: bool = True) -> Key:
    """Return the key of plain fields: their texts, which are equal where the values are."""
    texts = [_text(field) for field in fields]
    key = f"jsonb_build_array({', '.join(texts)})::text"
    if nulls_distinct:
        key = f"CASE WHEN {' AND '.join(f'{value} IS NOT NULL' for value in texts)} THEN {key} END"
    return Key(name, key, frozenset(field.column for field in fields))


def _text(field: Any) -> str:
    return raw_text(field, "{row}").replace("%", "%%")


def _checks(model: Any, connection: BaseDatabaseWrapper) -> Iterator[Check]:
    for constraint in model._meta.constraints:
        if isinstance(constraint, CheckConstraint):
            sql = _compile_condition(model, constraint.condition, connection)
            yield Check(constraint.name, _over_row(model, sql, connection), None)


def _over_row(model: Any, sql: str, connection: BaseDatabaseWrapper) -> str:
    """Return ``sql`` over a model's columns as SQL over a row with ``id`` and ``data``."""
    quote = connection.ops.quote_name
    columns = ", ".join(
        f"{typed(field, connection)} AS {quote(field.column)}"
        for field in model._meta.local_concrete_fields
        if not field.generated
    )
    columns = columns.replace("%", "%%")
    return f"(SELECT {sql} FROM (SELECT {columns} FROM (SELECT {{row}}.id, {{row}}.data) s) x)"


def _compile_condition(model: Any, condition: Q, connection: BaseDatabaseWrapper) -> str:
    query = Query(model, alias_cols=False)
    where = query.build_where(condition)
    return _composed(query, where, connection)


def _compile(model: Any, expression: Any, connection: BaseDatabaseWrapper) -> str:
    query = Query(model, alias_cols=False)
    resolved = (F(expression) if isinstance(expression, str) else expression).resolve_expression(query, for_save=True)
    return _composed(query, resolved, connection)


def _composed(query: Query, expression: Any, connection: BaseDatabaseWrapper) -> str:
    compiler = query.get_compiler(connection=connection)
    sql, params = compiler.compile(expression)
    composed = cast(Any, connection.ops).compose_sql(sql, params)
    text_sql: str = composed if isinstance(composed, str) else composed.decode()
    return text_sql.replace("%", "%%")


def _references(model: Any, connection: BaseDatabaseWrapper) -> Iterator[Reference]:
    for field in _constrained(model):
        target, to = field.remote_field.model._meta, field.target_field
        name = f"{model._meta.db_table}_{field.column}_fk"
        if is_versioned(target.model):
            table = target.concrete_model._meta.db_table
            if to.primary_key:
                yield Reference(name, _text(field), table)
            elif to.unique:
                yield Reference(name, *key_of(table, unique_name(to), _text(field)))
        elif target.managed:
            quote = connection.ops.quote_name
            column = f"{quote(target.db_table)}.{quote(to.column)}"
            yield Reference(name, _text(field), f"SELECT FROM {quote(target.db_table)} WHERE {column}::text")


def _referrers(model: Any) -> Iterator[Referrer]:
    for field in _pointing_at(model):
        if field.target_field.primary_key:
            table = field.model._meta.db_table
            yield Referrer(f"{table}_{field.column}_fk", table, _text(field))


def _key_referrers(model: Any) -> Iterator[KeyReferrer]:
    for field in _pointing_at(model):
        to = field.target_field
        if to.unique and not to.primary_key:
            table = field.model._meta.db_table
            key, _ = key_of(model._meta.db_table, unique_name(to), _text(field))
            yield KeyReferrer(f"{table}_{field.column}_fk", table, _text(field), key, _text(to))


def _pointing_at(model: Any) -> Iterator[Any]:
    """Yield the foreign keys of versioned models that demand that the object of ``model`` exists."""
    for relation in model._meta.get_fields(include_hidden=True):
        if not (relation.auto_created and not relation.concrete and (relation.one_to_many or relation.one_to_one)):
            continue
        field = relation.field
        if not is_versioned(field.model) or field.remote_field.model._meta.concrete_model is not model:
            continue
        if field in _constrained(field.model):
            yield field


def keyed_references(model: Any) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Yield the references by a unique value from and to a model (None: there is none), as tables and columns."""
    if model is None:
        return
    pointing = [field for field in _constrained(model) if is_versioned(field.remote_field.model)]
    for field in dict.fromkeys([*pointing, *_pointing_at(model)]):
        if not (to := field.target_field).primary_key:
            yield (field.model._meta.db_table, field.column), (to.model._meta.db_table, to.column)


def unique_name(field: Any) -> str:
    """Return the name of the constraint of a unique field."""
    return f"{field.model._meta.db_table}_{field.column}_key"


def _constrained(model: Any) -> list[Any]:
    """Return the local foreign keys that demand that what they refer to exists."""
    return [
        field
        for field in model._meta.local_concrete_fields
        if is_reference(field)
        and getattr(field, "db_constraint", False)
        and not isinstance(field.remote_field.model, str)
    ]
