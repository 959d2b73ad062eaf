"""Which queries are worth preparing: those that look something up by its key, or by a text, again and again."""

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Col
from django.db.models.lookups import Exact
from django.db.models.sql.where import WhereNode


def is_plain(query: Any) -> bool:
    """Return whether every parameter of a query is a text that a text is compared with, or a number with a number.

    Of other values PostgreSQL could take a parameter to have another type than the literal that Django means.
    """
    if query.annotations or query.extra or query.combinator or query.explain_info or not query.where:
        return False
    if any(join.filtered_relation for join in query.alias_map.values()):
        return False
    return _is_plain(query.where)


def _is_plain(node: Any) -> bool:
    if isinstance(node, WhereNode):
        return all(map(_is_plain, node.children))
    if not isinstance(node, Exact) or type(node.lhs) is not Col:
        return False
    if type(node.rhs) is int:
        return isinstance(node.lhs.target, models.IntegerField)
    return isinstance(node.rhs, str) and isinstance(node.lhs.target, (models.CharField, models.TextField))


def is_watched(connection: BaseDatabaseWrapper) -> bool:
    """Return whether somebody looks at the statements, who should see them as they are."""
    return connection.queries_logged or bool(connection.execute_wrappers)
