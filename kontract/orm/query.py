"""Django's query, whose FROM entries are logical tables, and its compiler, which knows what moment it shows."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import Any

from django.db import connections
from django.db.backends.postgresql.operations import DatabaseOperations
from django.db.models.expressions import Col
from django.db.models.lookups import GreaterThan
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler as DjangoCompiler
from django.db.models.sql.constants import MULTI
from django.db.models.sql.where import AND
from django.db.transaction import TransactionManagementError

from kontract.mvcc import access
from kontract.mvcc.errors import translated
from kontract.mvcc.prepared import prepare_read
from kontract.mvcc.snapshot import AsOf
from kontract.orm.columns import METADATA
from kontract.orm.locks import lock_rows
from kontract.orm.lookups import as_text_lookup, as_text_node, as_text_order
from kontract.orm.permitted import check_named, is_readable
from kontract.orm.plain import is_plain, is_watched
from kontract.orm.source import (
    VersionedJoin,
    VersionedTable,
    checking_past,
    is_versioned,
    metadata_field,
    model_of,
    text_field,
)


class VersionedQuery(Query):
    """A query on versioned models, and on ordinary ones that they refer to.

    ``moment`` is the past that it shows; None: the one of the block around it, or the present.
    """

    base_table_class = VersionedTable
    join_class = VersionedJoin
    moment: AsOf | None = None

    def build_lookup(self, lookups: Any, lhs: Any, rhs: Any) -> Any:
        """Return a lookup; keys and moments are compared as the texts that are indexed."""
        lookup = super().build_lookup(lookups, lhs, rhs)
        return lookup and as_text_lookup(lookup)

    def add_written_after(self, txid: int) -> None:
        """Keep the objects whose version a later transaction than ``txid`` wrote."""
        column = Col(self.get_initial_alias(), metadata_field(":txid", self.model))
        self.where.add(GreaterThan(column, txid), AND)

    def set_values(self, fields: Any) -> None:
        """Select these fields, or all; in a call, all that it may read."""
        if not fields and access.in_call():
            fields = [f.attname for f in self.get_meta().concrete_fields if _is_readable(f)]
        super().set_values(fields)

    def get_compiler(self, using: Any = None, connection: Any = None, elide_empty: bool = True) -> Any:
        """Return a compiler."""
        return VersionedCompiler(self, connection or connections[using], using, elide_empty)

    def get_aggregation(self, using: Any, aggregate_exprs: Any) -> Any:
        """Return the aggregates, having made sure that a past that was read is whole."""
        with _reading(using):
            return super().get_aggregation(using, aggregate_exprs)


# PostgreSQL's own, which also guards aliases against injection.
SQLCompiler: type[DjangoCompiler] = import_module(DatabaseOperations.compiler_module).SQLCompiler


class VersionedCompiler(SQLCompiler):  # type: ignore[valid-type]
    """Compiles a query, and every query in it that does not say otherwise, at the query's moment."""

    query: Any
    connection: Any

    def as_sql(self, with_limits: bool = True, with_col_aliases: bool = False) -> Any:
        """Return the SQL and its parameters; rows are never locked, see ``kontract.orm.locks``."""
        if self.query.select_for_update:
            self._check_locking()
            self.query = self.query.clone()
            self.query.select_for_update = False
        moment: AbstractContextManager[Any] = self.query.moment or nullcontext()
        with moment:
            sql, params = super().as_sql(with_limits, with_col_aliases)
        if self._prepares:
            sql = prepare_read(self.connection, sql, params)
        return sql, params

    def get_group_by(self, select: Any, order_by: Any) -> Any:
        """Return what to group by: with a key also its text, because conditions on groups compare that."""
        grouped = super().get_group_by(select, order_by)
        if not grouped or (self.having is None and not any(map(_has_subquery, self.query.annotations.values()))):
            return grouped
        texts = {
            super(VersionedCompiler, self).compile(Col(alias, field))[0]: super(VersionedCompiler, self).compile(
                Col(alias, text)
            )
            for alias, field, text in _keys_of(self.query)
        }
        return [*grouped, *(texts[sql] for sql, _ in grouped if sql in texts)]

    def get_default_columns(self, select_mask: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the columns of instances; in a call, those that it may read and those that only() names."""
        columns = super().get_default_columns(select_mask, *args, **kwargs)
        if not access.in_call() or (select_mask and not self.query.deferred_loading[1]):
            return columns
        return [column for column in columns if _is_readable(column.target)]

    def _check_locking(self) -> None:
        if self.connection.get_autocommit():
            raise TransactionManagementError("select_for_update cannot be used outside of a transaction.")

    def compile(self, node: Any) -> Any:
        """Return the SQL and the parameters of a part of the query; two keys are compared as their texts.

        Raises ``PermissionDeniedError`` for a column that the running call may not read.
        """
        if type(node) is Col and access.in_call():
            _check_named(node.target)
        return super().compile(as_text_node(node, self.connection))

    def _order_by_pairs(self) -> Iterator[tuple[Any, bool]]:
        """Yield what to order by, moments by their texts: but not where SQL wants what is selected."""
        query = self.query
        if query.distinct or query.combinator or query.group_by is not None:
            yield from super()._order_by_pairs()
            return
        for order, is_reference in super()._order_by_pairs():
            by_text = as_text_order(order)
            yield by_text, is_reference and by_text is order

    _prepares = False  # whether as_sql() is asked for what execute_sql() is to run

    def execute_sql(self, result_type: Any = MULTI, chunked_fetch: bool = False, *args: Any, **kwargs: Any) -> Any:
        """Run the query, having locked what it was asked to lock."""
        with _reading(self.connection.alias):
            if self.query.select_for_update and not self.query.explain_info:
                self._check_locking()
                self.query = lock_rows(self.connection, self.query)
            self._prepares = (
                not chunked_fetch and not is_watched(self.connection) and is_plain(self.query, self.connection)
            )
            return super().execute_sql(result_type, chunked_fetch, *args, **kwargs)


def _is_readable(field: Any) -> bool:
    return not is_versioned(field.model) or is_readable(field)


def _check_named(field: Any) -> None:
    """Raise ``PermissionDeniedError`` where the running call may not read a field, or the one it stands for."""
    field = getattr(field, "stored", field)
    if is_versioned(field.model) and field.column not in METADATA:
        check_named(field)


def _has_subquery(expression: Any) -> bool:
    """Return whether there is a query in an expression, which may compare the keys that are grouped by."""
    if isinstance(expression, Query):
        return True
    return any(map(_has_subquery, filter(None, getattr(expression, "get_source_expressions", list)())))


def _keys_of(query: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield the keys of the versioned models in a query: alias, field, and the field of its text."""
    for alias, join in query.alias_map.items():
        if (model := model_of(join, query)) is not None:
            for field in model._meta.local_concrete_fields:
                if (text := text_field(field)) is not None:
                    yield alias, field, text


@contextmanager
def _reading(using: str) -> Iterator[None]:
    """Translate errors, and check afterwards that a past that was read is whole."""
    with translated(), checking_past(connections[using]):
        yield
