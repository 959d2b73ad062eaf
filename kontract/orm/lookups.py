"""Conditions on keys and moments, compared as the texts that they are stored as: what the indexes are made of."""

from datetime import date, datetime
from typing import Any, Final

from django.db import DatabaseError
from django.db.models import DateTimeField
from django.db.models.expressions import Col
from django.db.models.lookups import Exact, GreaterThan, GreaterThanOrEqual, In, LessThan, LessThanOrEqual

from kontract.orm.columns import as_text, encoder, is_moment
from kontract.orm.source import text_field

_EQUALITIES: Final[dict[str, Any]] = {"exact": Exact, "in": In}
_ORDERS: Final[dict[str, Any]] = {"gt": GreaterThan, "gte": GreaterThanOrEqual, "lt": LessThan, "lte": LessThanOrEqual}


def as_text_lookup(lookup: Any) -> Any:
    """Return the lookup that compares texts where there is one of the same meaning, else ``lookup`` itself."""
    if type(lookup.lhs) is not Col or (field := text_field(lookup.lhs.target)) is None:
        return lookup
    kind = _EQUALITIES.get(lookup.lookup_name) or (
        _ORDERS.get(lookup.lookup_name) if is_moment(lookup.lhs.target) else None
    )
    if kind is None or not lookup.rhs_is_direct_value() or lookup.bilateral_transforms:
        return lookup
    rhs = _as_texts(lookup.lhs.target, lookup.rhs)
    return lookup if rhs is None else kind(Col(lookup.lhs.alias, field), rhs)


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
    except (TypeError, ValueError, ArithmeticError, DatabaseError):
        return None  # it is no value of the field: let PostgreSQL compare, or refuse to


def _is_like_stored(field: Any, value: Any) -> bool:
    """Return whether a moment has the form that the field's are stored in."""
    if isinstance(field, DateTimeField):
        return isinstance(value, datetime) and value.tzinfo is not None
    return type(value) is date
