"""Which queries are worth preparing: those that look something up by its key, or by a text, again and again."""

import functools
from typing import Any, Final

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Col
from django.db.models.lookups import Exact
from django.db.models.sql.where import WhereNode


def is_plain(query: Any, connection: BaseDatabaseWrapper) -> bool:
    """Return whether every parameter of a query is a text that a text is compared with, or a number with a number.

    Of other values PostgreSQL could take a parameter to have another type than the literal that Django means.
    """
    if query.annotations or query.extra or query.combinator or query.explain_info or not query.where:
        return False
    if any(join.filtered_relation for join in query.alias_map.values()):
        return False
    return _is_plain(query.where, connection)


def _is_plain(node: Any, connection: BaseDatabaseWrapper) -> bool:
    if isinstance(node, WhereNode):
        return all(_is_plain(child, connection) for child in node.children)
    if not isinstance(node, Exact) or type(node.lhs) is not Col or type(node.rhs) not in _TYPES:
        return False
    return _type_of(node.lhs.target, connection.alias).startswith(_TYPES[type(node.rhs)])


_TYPES: Final[dict[type, tuple[str, ...]]] = {
    str: ("text", "varchar", "character varying"),
    int: ("integer", "bigint", "smallint"),
}


@functools.lru_cache(maxsize=4096)
def _type_of(field: Any, alias: str) -> str:
    return field.db_type(connections[alias]) or ""


def is_watched(connection: BaseDatabaseWrapper) -> bool:
    """Return whether somebody looks at the statements, who should see them as they are."""
    return connection.queries_logged or bool(connection.execute_wrappers)
