"""The indexes that models ask for, as partial expression indexes on ``storage``.

PostgreSQL uses an index for a condition only if both have the same expression, so both are made of what ``columns``
gives: a key or a moment is indexed by the text that it is compared as, an array by its JSON, all else by its typed
value.  One index serves one logical table in one namespace: its own condition says which.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import OpClass
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, UniqueConstraint
from django.db.models.expressions import Col, ExpressionList, OrderBy
from django.db.models.functions import Collate
from django.db.models.indexes import IndexExpression

from kontract.exceptions import UnsupportedError
from kontract.mvcc.writes import Table
from kontract.orm.columns import has_text, is_reference, stored_json, stored_type, text, typed
from kontract.orm.query import VersionedQuery
from kontract.orm.source import TextField, is_versioned

NAME: Final = re.compile(r"kontract_\d+_\d+_.*_[0-9a-f]{8}")  # what the indexes are called that kontract looks after
_NAME_BYTES: Final = 63  # of an identifier of PostgreSQL's
_ROW: Final = "storage"
_AROUND: Final = (IndexExpression, ExpressionList, OrderBy, Collate, OpClass)  # what stands around an indexed column
_VOLATILE: Final = (
    "interval",
    "date",
    "time",
    "range",
)  # types whose values PostgreSQL reads differently by its settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """An index that a model asks for, wherever its table lies.

    ``asked_by`` names the field, constraint or index; ``columns`` and ``condition`` are SQL over ``storage``, and
    ``options`` what stands between the two.  ``automatic``: the model does not ask for the index itself, but for
    something that is faster with it.
    """

    asked_by: str
    label: str
    method: str
    columns: tuple[str, ...]
    condition: str = ""
    options: str = ""
    automatic: bool = False

    def covers(self, other: "Definition") -> bool:
        """Return whether this index finds all that ``other`` finds, because it begins with the same columns."""
        same = (self.method, self.condition) == (other.method, other.condition)
        return same and self.columns[: len(other.columns)] == other.columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index of one logical table in one namespace, with the statement that makes it."""

    name: str
    asked_by: str
    sql: str


def versioned_models() -> list[Any]:
    """Return the models that have a logical table, those between two others included."""
    models = apps.get_models(include_auto_created=True)
    return [model for model in models if is_versioned(model) and not (model._meta.proxy or model._meta.swapped)]


def place(definition: Definition, table: Table) -> Index:
    """Return the index of a logical table that its model asks for."""
    condition = f"ns = {table.ns} AND ptr = {table.ptr} AND _deleted_txid IS NULL"
    if definition.condition:
        condition += f" AND ({definition.condition})"
    body = (
        f"ON storage USING {definition.method} ({', '.join(definition.columns)}){definition.options} WHERE {condition}"
    )
    name = _name(f"kontract_{table.ns}_{table.ptr}_{definition.label}", body)
    return Index(
        name=name,
        asked_by=definition.asked_by,
        sql=f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} {body}",
    )


def _name(label: str, body: str) -> str:
    """Return a name that changes with what the index is: then the new one is built and the old one dropped."""
    digest = hashlib.sha256(body.encode()).hexdigest()[:8]
    plain = re.sub(r"[^a-z0-9]+", "_", label.lower())
    return f"{plain[: _NAME_BYTES - 9].rstrip('_')}_{digest}"


def definitions(model: Any, connection: BaseDatabaseWrapper) -> list[Definition]:
    """Return the indexes that a model asks for: those of ``Meta.indexes``, of unique values, and of its fields.

    Raises ``UnsupportedError`` for one that cannot be made.
    """
    found: list[Definition] = []
    for definition in (*_explicit(model, connection), *_unique(model, connection), *_of_fields(model, connection)):
        if not any(other == definition or (definition.automatic and other.covers(definition)) for other in found):
            found.append(definition)
    return found


def find_unsupported(model: Any, connection: BaseDatabaseWrapper) -> list[str]:
    """Return why indexes of ``Meta.indexes`` cannot be made, as far as can be told without asking PostgreSQL."""
    reasons = []
    for index in model._meta.indexes:
        try:
            method = _method(model, index)
            if not index.expressions:
                _columns(model, index, method, connection)
        except UnsupportedError as error:
            reasons.append(str(error))
    return reasons


# --- What models declare ---------------------------------------------------------------------------------------------


def _explicit(model: Any, connection: BaseDatabaseWrapper) -> Iterator[Definition]:
    for index in model._meta.indexes:
        method = _method(model, index)
        yield Definition(
            asked_by=f"{model._meta.label}.Meta.indexes: {index.name}",
            label=f"{model._meta.db_table}_{index.name}",
            method=method,
            columns=_columns(model, index, method, connection),
            condition=_condition(model, index.condition, connection),
            options=_options(index, connection),
        )


def _method(model: Any, index: Any) -> str:
    """Return the access method of an index."""
    method: str = index.suffix if hasattr(index, "get_with_params") else "btree"
    if method == "brin":
        raise UnsupportedError(
            f"{model._meta.label} cannot have {index.name}, a BRIN index: those need rows that lie in the order of the "
            "indexed values, but the rows of all logical tables lie in the order of their writing. Use Index."
        )
    return method


def _unique(model: Any, connection: BaseDatabaseWrapper) -> Iterator[Definition]:
    """Yield the indexes that tables have of what is unique together; here key rows keep it so, and these find it."""
    constraints = [constraint for constraint in model._meta.constraints if isinstance(constraint, UniqueConstraint)]
    together = [*model._meta.unique_together]
    if len(model._meta.pk_fields) > 1:
        together.append([field.name for field in model._meta.pk_fields])
    constraints += [UniqueConstraint(fields=names, name="_".join(names)) for names in together]
    for constraint in constraints:
        if all(is_indexable(model._meta.get_field(name), connection) for name in constraint.fields):
            yield Definition(
                asked_by=f"{model._meta.label}.Meta.constraints: {constraint.name}",
                label=f"{model._meta.db_table}_{constraint.name}",
                method="btree",
                columns=_columns(model, constraint, "btree", connection),
                condition=_condition(model, constraint.condition, connection),
                automatic=True,
            )


def _of_fields(model: Any, connection: BaseDatabaseWrapper) -> Iterator[Definition]:
    for field in model._meta.local_concrete_fields:
        if field.primary_key or not (field.db_index or field.unique) or not is_indexable(field, connection):
            continue
        column = _indexed(field, connection)
        for opclass in _opclasses(field, connection):
            yield Definition(
                asked_by=f"{model._meta.label}.{field.name}",
                label=f"{model._meta.db_table}_{field.column}{'_like' if opclass else ''}",
                method="btree",
                columns=(_element(column, opclass, ""),),
                automatic=True,
            )


def is_indexable(field: Any, connection: BaseDatabaseWrapper) -> bool:
    """Return whether an ordinary index can hold the field's values."""
    if field.generated or isinstance(field, ArrayField):
        return False
    if has_text(field):
        return True
    type_name = stored_type(field).db_type(connection) or "text"
    return not any(volatile in type_name for volatile in _VOLATILE)


def _opclasses(field: Any, connection: BaseDatabaseWrapper) -> tuple[str, ...]:
    """Return the operator classes that Django indexes a column with: text once more for LIKE.

    What is unique is looked up, rarely sorted, and an index for LIKE finds equal values, too.
    """
    type_name = stored_type(field).db_type(connection) or ""
    if is_reference(field) or not type_name.startswith(("varchar", "text")) or getattr(field, "db_collation", None):
        return ("",)
    return ("", "text_pattern_ops") if field.db_index else ("text_pattern_ops",)


# --- Their SQL -------------------------------------------------------------------------------------------------------


def _columns(model: Any, index: Any, method: str, connection: BaseDatabaseWrapper) -> tuple[str, ...]:
    """Return the columns of an ``Index`` or a ``UniqueConstraint``."""
    if index.expressions:
        return tuple(_expression(model, expression, connection) for expression in index.expressions)
    opclasses = index.opclasses or [""] * len(index.fields)
    orders = getattr(index, "fields_orders", None) or [(name, "") for name in index.fields]
    columns = []
    for (name, order), opclass in zip(orders, opclasses, strict=True):
        field = model._meta.get_field(name)
        if isinstance(field, ArrayField) and method == "gin":
            columns.append(_element(stored_json(field, _ROW), "" if opclass == "array_ops" else opclass, order))
        elif is_indexable(field, connection):
            columns.append(_element(_indexed(field, connection), _text_opclass(opclass), order))
        else:
            raise UnsupportedError(
                f"{model._meta.label}.{name} cannot be indexed with {method}: what value a {type(field).__name__} has "
                "is not in the document alone. Arrays can be indexed with GinIndex."
            )
    return tuple(columns)


def _text_opclass(opclass: str) -> str:
    """Return the operator class for text in place of that for varchar, which documents do not have."""
    return opclass.replace("varchar_", "text_") if opclass.startswith("varchar_") else opclass


def _element(column: str, opclass: str, order: str) -> str:
    return " ".join(filter(None, (f"({column})", opclass, order)))


def _indexed(field: Any, connection: BaseDatabaseWrapper) -> str:
    """Return SQL for what a field is looked up by; a primary key's text has an index, so that its value gets one."""
    return text(field, _ROW) if has_text(field) and not field.primary_key else typed(field, connection, _ROW)


def _expression(model: Any, expression: Any, connection: BaseDatabaseWrapper) -> str:
    wrapped = WrappedExpression(F(expression) if isinstance(expression, str) else expression)
    query = VersionedQuery(model, alias_cols=False)
    return _compile(query, wrapped.resolve_expression(query), connection)


def _condition(model: Any, condition: Any, connection: BaseDatabaseWrapper) -> str:
    if condition is None:
        return ""
    query = VersionedQuery(model, alias_cols=False)
    return _compile(query, query.build_where(condition), connection, inside=True)


def _options(index: Any, connection: BaseDatabaseWrapper) -> str:
    parameters = index.get_with_params() if hasattr(index, "get_with_params") else []
    options = f" WITH ({', '.join(parameters)})" if parameters else ""
    if index.db_tablespace:
        options += f" TABLESPACE {connection.ops.quote_name(index.db_tablespace)}"
    return options


def _compile(query: Any, expression: Any, connection: BaseDatabaseWrapper, *, inside: bool = False) -> str:
    compiler = query.get_compiler(connection=connection)
    sql, params = compiler.compile(_over_storage(expression, inside=inside))
    composed = cast(Any, connection.ops).compose_sql(sql, params)
    return composed if isinstance(composed, str) else composed.decode()


class WrappedExpression(IndexExpression):
    """Knows of operator classes, as Django's own does where ``django.contrib.postgres`` is installed."""

    wrapper_classes = (OrderBy, OpClass, Collate)


class StoredColumn(Col):
    """A column, read from a row of ``storage`` itself; ``inside`` an expression or a condition, or indexed alone."""

    def __init__(self, target: Any, output_field: Any, *, inside: bool) -> None:
        super().__init__(None, target, output_field)
        self.inside = inside

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Return the SQL that a query has for the column once PostgreSQL has flattened its subselects."""
        if isinstance(self.target, TextField):
            sql = text(self.target.stored, _ROW)
        elif self.inside:
            sql = typed(self.target, connection, _ROW)
        else:
            sql = _indexed(self.target, connection)
        return f"({sql.replace('%', '%%')})", []


def _over_storage(expression: Any, *, inside: bool) -> Any:
    """Return an expression with its columns read from ``storage``."""
    if isinstance(expression, Col):
        return StoredColumn(expression.target, expression.output_field, inside=inside)
    if not hasattr(expression, "get_source_expressions"):
        return expression
    inside = inside or not isinstance(expression, _AROUND)
    read = expression.copy()
    read.set_source_expressions(
        [source and _over_storage(source, inside=inside) for source in expression.get_source_expressions()]
    )
    return read
