"""What code declares: the state of the logical tables that versioned models and the settings describe."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from django.contrib.postgres.fields import ArrayField
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CheckConstraint, UniqueConstraint, Value
from django.db.models.fields import NOT_PROVIDED

from kontract.conf import get_settings
from kontract.orm.columns import encoder, is_reference, stored_type
from kontract.orm.indexes import versioned_models
from kontract.orm.rules import unique_name
from kontract.orm.source import find_model
from kontract.perms import show
from kontract.schema.describing import describe
from kontract.schema.state import STATELESS, ConstraintState, FieldState, IndexState, State, TableState
from kontract.tables.keys import access_options

_NOW: Final = "django.utils.timezone.now"
_PLAIN_CALLABLES: Final[dict[Any, Any]] = {list: [], tuple: [], dict: {}, str: "", int: 0, float: 0.0, bool: False}


def from_models(connection: BaseDatabaseWrapper) -> State:
    """Return the state that the code wants: of all versioned models, and of the tables that only settings declare.

    ``connection`` says how values are stored; it need not be open.
    """
    state = {name: _from_settings(name) for name in get_settings().TABLES}
    return state | {model._meta.db_table: from_model(model, connection) for model in versioned_models()}


def from_model(model: Any, connection: BaseDatabaseWrapper) -> TableState:
    """Return the state of a model's table."""
    opts = model._meta
    options = access_options(opts.db_table)
    stored = [field for field in opts.local_concrete_fields if not field.generated and not _is_key(field)]
    permissions = {name: show(bits) for name, bits in options.fields.items()}
    fields = [_describe_field(field, connection, permissions.get(field.column, "RWX")) for field in stored]
    return TableState(
        name=opts.db_table,
        primary_key=_primary_key(opts, connection),
        fields={field.name: field for field in fields},
        perm=show(options.perm),
        owner_scoped=options.owner_scoped,
        indexes={index.name: index for index in _indexes(opts)},
        constraints={constraint.name: constraint for constraint in _constraints(opts)},
    )


def describe_table(name: str, connection: BaseDatabaseWrapper) -> TableState:
    """Return the state that code wants for the table ``name``, which need not be declared."""
    model = find_model(name)
    return _from_settings(name) if model is None else from_model(model, connection)


def _from_settings(name: str) -> TableState:
    options = access_options(name)
    fields = {
        column: FieldState(name=column, type=STATELESS, null=True, perm=show(bits))
        for column, bits in options.fields.items()
    }
    return TableState(name=name, fields=fields, perm=show(options.perm), owner_scoped=options.owner_scoped)


# --- Fields ----------------------------------------------------------------------------------------------------------


def _is_key(field: Any) -> bool:
    return bool(field.primary_key)


def _primary_key(opts: Any, connection: BaseDatabaseWrapper) -> FieldState:
    if len(opts.pk_fields) > 1:
        return FieldState(name=",".join(field.column for field in opts.pk_fields), type="CompositePrimaryKey")
    return _describe_field(opts.pk, connection, "RWX", default=False)


def _describe_field(field: Any, connection: BaseDatabaseWrapper, perm: str, *, default: bool = True) -> FieldState:
    stored = stored_type(field)
    element = _element(stored)
    return FieldState(
        name=field.column,
        type=_type_name(stored),
        null=field.null,
        perm=perm,
        choices=tuple(_encoded(field, value, connection) for value, _ in field.flatchoices or ()),
        max_length=getattr(element, "max_length", None),
        max_digits=getattr(element, "max_digits", None),
        decimal_places=getattr(element, "decimal_places", None),
        target=field.remote_field.model._meta.db_table if is_reference(field) else "",
        constrained=is_reference(field) and bool(getattr(field, "db_constraint", False)),
        **(_default(field, connection) if default else {}),
    )


def _element(stored: Any) -> Any:
    return _element(stored.base_field) if isinstance(stored, ArrayField) else stored


def _type_name(stored: Any) -> str:
    if isinstance(stored, ArrayField):
        return f"ArrayField[{_type_name(stored.base_field)}]"
    name: str = stored.get_internal_type()
    return name


def _default(field: Any, connection: BaseDatabaseWrapper) -> dict[str, Any]:
    """Return what is known of the value that a document without the field has: as Django fills a new column."""
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        return {"has_default": True, "default_from": _NOW}
    if field.has_db_default():
        expression = field._db_default_expression
        if isinstance(expression, Value):
            return {"has_default": True, "default": _encoded(field, expression.value, connection)}
        return {"has_default": True, "default_from": describe(expression)}
    if field.default is not NOT_PROVIDED:
        if callable(field.default) and field.default not in _PLAIN_CALLABLES:
            return {"has_default": True, "default_from": _path(field.default)}
        return {"has_default": True, "default": _encoded(field, field.get_default(), connection)}
    if not field.null and field.blank and field.empty_strings_allowed:
        return {"has_default": True, "default": ""}
    return {}


def _path(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def _encoded(field: Any, value: Any, connection: BaseDatabaseWrapper) -> Any:
    """Return the JSON value that a document has for a value of the field."""
    return json.loads(encoder(field)(field.get_db_prep_save(value, connection)))


def make_value(field: Any, connection: BaseDatabaseWrapper) -> Any:
    """Return the JSON value that documents get which lack the field, made now; None where it has no default."""
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        return _encoded(field, field.pre_save(field.model(), add=True), connection)
    if field.has_db_default():
        return _encoded(field, _ask(field._db_default_expression, field, connection), connection)
    return _encoded(field, field.get_default(), connection)


def _ask(expression: Any, field: Any, connection: BaseDatabaseWrapper) -> Any:
    """Return the value of an expression without columns, as PostgreSQL gives it."""
    if isinstance(expression, Value):
        return expression.value
    compiler = field.model.objects.all().query.get_compiler(connection=connection)
    sql, params = compiler.compile(expression.resolve_expression(compiler.query, allow_joins=False))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql}", params)
        return cursor.fetchone()[0]


# --- Indexes and constraints -----------------------------------------------------------------------------------------


def _indexes(opts: Any) -> Iterator[IndexState]:
    for index in opts.indexes:
        yield IndexState(name=index.name, definition=describe(index))
    for field in opts.local_concrete_fields:
        if field.db_index and not field.primary_key and not field.unique and not field.generated:
            yield IndexState(name=f"{opts.db_table}_{field.column}", definition=f"db_index({field.column!r})")


def _constraints(opts: Any) -> Iterator[ConstraintState]:
    for field in opts.local_concrete_fields:
        if field.unique and not field.primary_key and not field.generated:
            yield ConstraintState(name=unique_name(field), kind="unique", columns=(field.column,))
    for names in opts.unique_together:
        columns = tuple(opts.get_field(name).column for name in names)
        yield ConstraintState(name=f"{opts.db_table}_{'_'.join(columns)}_uniq", kind="unique", columns=columns)
    for constraint in opts.constraints:
        if isinstance(constraint, UniqueConstraint):
            columns = tuple(opts.get_field(name).column for name in constraint.fields)
            plain = constraint.condition is None and not constraint.expressions and constraint.nulls_distinct is None
            definition = "" if plain else describe(constraint)
            yield ConstraintState(name=constraint.name, kind="unique", columns=columns, definition=definition)
        elif isinstance(constraint, CheckConstraint):
            yield ConstraintState(name=constraint.name, kind="check", definition=describe(constraint))
