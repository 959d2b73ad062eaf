"""Conditions on what is stored, where they mean the same as those on typed values: what the indexes are made of.

Keys and moments are compared as the texts, and arrays searched as the JSON, that they are stored as.
"""

from datetime import date, datetime, time
from typing import Any, Final
from uuid import UUID

import psycopg
from django.contrib.postgres.fields import ArrayField
from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import DateTimeField, TimeField, Value
from django.db.models.expressions import Col, OrderBy
from django.db.models.fields.json import DataContains, HasAnyKeys
from django.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    IsNull,
    LessThan,
    LessThanOrEqual,
    Range,
    YearLookup,
)
from django.db.models.sql import Query

from kontract.orm.columns import as_text, encoder, is_moment, stored_type
from kontract.orm.source import json_field, text_field

_EQUALITIES: Final[dict[str, Any]] = {"exact": Exact, "in": In}
_ORDERS: Final[dict[str, Any]] = {
    "gt": GreaterThan,
    "gte": GreaterThanOrEqual,
    "lt": LessThan,
    "lte": LessThanOrEqual,
    "range": Range,
}


def as_text_lookup(lookup: Any) -> Any:
    """Return the lookup that compares what is stored where there is one of the same meaning, else ``lookup`` itself."""
    if type(lookup.lhs) is not Col:
        return lookup
    if isinstance(lookup.lhs.target, ArrayField):
        return _as_json_lookup(lookup)
    if (field := text_field(lookup.lhs.target)) is None:
        return lookup
    if isinstance(lookup, IsNull):
        return IsNull(Col(lookup.lhs.alias, field), lookup.rhs)
    kind = _EQUALITIES.get(lookup.lookup_name) or (
        _ORDERS.get(lookup.lookup_name) if is_moment(lookup.lhs.target) else None
    )
    if kind is None or not lookup.rhs_is_direct_value() or lookup.bilateral_transforms:
        return lookup
    rhs = _as_texts(lookup.lhs.target, lookup.rhs)
    if rhs is None or (kind is Range and len(rhs) != 2):
        return lookup
    return kind(Col(lookup.lhs.alias, field), rhs)


def _as_texts(field: Any, rhs: Any) -> Any:
    """Return a value or values as stored texts; None where any of them cannot be one."""
    if isinstance(rhs, (list, tuple, set, frozenset)):
        texts = [_as_text(field, value) for value in rhs if value is not None]
        return None if any(text is None for text in texts) else texts
    return _as_text(field, rhs)


def _as_text(field: Any, value: Any) -> str | None:
    if hasattr(value, "resolve_expression") or (is_moment(field) and not _is_like_stored(field, value)):
        return None
    try:
        return as_text(encoder(field)(value))
    except (TypeError, ValueError, ArithmeticError, DatabaseError, psycopg.Error):
        return None  # it is no value of the field: let PostgreSQL compare, or refuse to


def _is_like_stored(field: Any, value: Any) -> bool:
    """Return whether a moment has the form that the field's are stored in."""
    if isinstance(field, DateTimeField):
        return isinstance(value, datetime) and value.tzinfo is not None
    if isinstance(field, TimeField):
        return isinstance(value, time) and value.tzinfo is None
    return type(value) is date


def _as_json_lookup(lookup: Any) -> Any:
    """Return the lookup that searches the JSON of an array, where its elements are texts or whole numbers."""
    field = json_field(lookup.lhs.target)
    if field is None or lookup.lookup_name not in ("contains", "overlap"):
        return lookup
    sources = lookup.rhs.get_source_expressions() if hasattr(lookup.rhs, "get_source_expressions") else [lookup.rhs]
    if not sources or not all(type(source) is Value for source in sources):
        return lookup
    values = [str(source.value) if isinstance(source.value, UUID) else source.value for source in sources]
    column = Col(lookup.lhs.alias, field)
    if all(isinstance(value, str) for value in values):
        return DataContains(column, values) if lookup.lookup_name == "contains" else HasAnyKeys(column, values)
    whole = all(isinstance(value, int) for value in values)
    return DataContains(column, values) if whole and lookup.lookup_name == "contains" else lookup


# --- What is known only when the query is compiled: columns on both sides, the time zone -----------------------------


def as_text_node(node: Any, connection: BaseDatabaseWrapper) -> Any:
    """Return a comparison of two keys, or of a moment's year, as one of texts, and any other node itself."""
    if isinstance(node, YearLookup):
        return _as_text_year(node, connection)
    if not isinstance(node, (Exact, In)) or (lhs := _key_text(node.lhs)) is None:
        return node
    if isinstance(node, Exact):
        rhs = _key_text(node.rhs, like=node.lhs)
        return node if rhs is None else Exact(lhs, rhs)
    query = node.rhs
    if not isinstance(query, Query) or query.combinator or query.group_by is not None or query.annotation_select:
        return node
    if len(query.select) != 1 or query.distinct_fields or (rhs := _key_text(query.select[0], like=node.lhs)) is None:
        return node
    found = In(lhs, query.clone())
    found.rhs.select = (rhs,)
    return found


def _as_text_year(lookup: Any, connection: BaseDatabaseWrapper) -> Any:
    """Return the comparison of a moment's text with the first or the last one of a year."""
    column = lookup.lhs.lhs
    if type(column) is not Col or not lookup.rhs_is_direct_value() or (field := text_field(column.target)) is None:
        return lookup
    bounds = _as_texts(column.target, lookup.year_lookup_bounds(connection, lookup.rhs))
    if bounds is None:
        return lookup
    if lookup.lookup_name == "exact":
        return Range(Col(column.alias, field), bounds)
    return _ORDERS[lookup.lookup_name](Col(column.alias, field), bounds[lookup.lookup_name in ("gt", "lte")])


def _key_text(column: Any, like: Any = None) -> Col | None:
    """Return the text of a column that is a key, None for anything else or where its type is not that of ``like``."""
    if type(column) is not Col or is_moment(column.target) or (field := text_field(column.target)) is None:
        return None
    if like is not None and type(stored_type(like.target)) is not type(stored_type(column.target)):
        return None
    return Col(column.alias, field)


def as_text_order(order: OrderBy) -> OrderBy:
    """Return the order of moments as that of their texts, and any other order itself."""
    column = getattr(order.expression, "source", order.expression)
    if type(column) is not Col or not is_moment(column.target) or (field := text_field(column.target)) is None:
        return order
    by_text = order.copy()
    by_text.expression = Col(column.alias, field)
    return by_text
