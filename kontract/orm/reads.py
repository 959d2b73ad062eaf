"""What conditions a query lays on the documents behind one of its FROM entries, for ``kontract.mvcc.reads``.

Only what stands at the top of WHERE and is joined by AND, compares a column with a constant, and is false of NULL: so
that no row of the result comes from a document of which it is false, also not through an outer join.
"""

from collections.abc import Iterator
from typing import Any, Final

from django.db.models.expressions import Col
from django.db.models.lookups import Exact, GreaterThan, GreaterThanOrEqual, In, LessThan, LessThanOrEqual
from django.db.models.sql.where import AND, WhereNode

from kontract.mvcc.matching import ID, Comparison

_EQUALITIES: Final = (Exact, In)
_ORDERS: Final = (GreaterThan, GreaterThanOrEqual, LessThan, LessThanOrEqual)
_TEXTS: Final = frozenset({"CharField", "TextField", "SlugField"})
_NUMBERS: Final = frozenset(
    {"IntegerField", "BigIntegerField", "SmallIntegerField", "PositiveIntegerField", "PositiveBigIntegerField"}
    | {"PositiveSmallIntegerField"}
)


def conditions_on(query: Any, alias: str) -> tuple[Comparison, ...]:
    """Return the conditions on the documents that the FROM entry ``alias`` of ``query`` shows."""
    return tuple(_find(query.where, alias))


def _find(node: WhereNode, alias: str) -> Iterator[Comparison]:
    if node.negated or (node.connector != AND and len(node.children) > 1):
        return
    for child in node.children:
        if isinstance(child, WhereNode):
            yield from _find(child, alias)
        elif (found := _compare(child, alias)) is not None:
            yield found


def _compare(lookup: Any, alias: str) -> Comparison | None:
    column, value = getattr(lookup, "lhs", None), getattr(lookup, "rhs", None)
    if type(column) is not Col or column.alias != alias or getattr(lookup, "bilateral_transforms", None):
        return None
    values = list(value) if isinstance(value, (list, tuple, set, frozenset)) else [value]
    if isinstance(lookup, _EQUALITIES) and _is_id(column.target):
        return _make((ID,), lookup, values) if _are(values, str) else None
    kind = {**dict.fromkeys(_TEXTS, str), **dict.fromkeys(_NUMBERS, int)}.get(column.target.get_internal_type())
    if kind is None or not _are(values, kind) or _has_collation(column.target) or _is_stand_in(column.target):
        return None
    is_comparable = isinstance(lookup, _EQUALITIES) or (kind is int and isinstance(lookup, _ORDERS))
    return _make((column.target.column,), lookup, values) if is_comparable else None


def _make(path: tuple[str, ...], lookup: Any, values: list[Any]) -> Comparison:
    if isinstance(lookup, In):
        return Comparison(path=path, lookup="in", value=tuple(values))
    return Comparison(path=path, lookup=lookup.lookup_name, value=values[0])


def _is_id(field: Any) -> bool:
    """Return whether a stand-in is for the text of a primary key of one field, which is the document's id."""
    stored = getattr(field, "stored", None)
    return stored is not None and stored.primary_key and len(stored.model._meta.pk_fields) == 1


def _is_stand_in(field: Any) -> bool:
    return hasattr(field, "stored") or field.column.startswith(":") or field.primary_key or field.generated


def _has_collation(field: Any) -> bool:
    return bool(getattr(field, "db_collation", None))


def _are(values: list[Any], kind: type) -> bool:
    return all(type(value) is kind for value in values)
