"""Django's query, whose FROM entries are logical tables, and its compiler, which knows what moment it shows."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from django.db import connections
from django.db.models.expressions import Col
from django.db.models.lookups import GreaterThan
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler
from django.db.models.sql.constants import MULTI
from django.db.models.sql.where import AND
from django.db.transaction import TransactionManagementError

from kontract.mvcc.errors import translated
from kontract.mvcc.prepared import prepare_read
from kontract.mvcc.snapshot import AsOf
from kontract.orm.locks import lock_rows
from kontract.orm.lookups import as_text_lookup, as_text_node, as_text_order
from kontract.orm.plain import is_plain, is_watched
from kontract.orm.source import VersionedJoin, VersionedTable, checking_past, metadata_field


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
        column = Col(self.get_initial_alias(), metadata_field("$txid", self.model))
        self.where.add(GreaterThan(column, txid), AND)

    def get_compiler(self, using: Any = None, connection: Any = None, elide_empty: bool = True) -> Any:
        """Return a compiler."""
        return VersionedCompiler(self, connection or connections[using], using, elide_empty)

    def get_aggregation(self, using: Any, aggregate_exprs: Any) -> Any:
        """Return the aggregates, having made sure that a past that was read is whole."""
        with _reading(using):
            return super().get_aggregation(using, aggregate_exprs)


class VersionedCompiler(SQLCompiler):
    """Compiles a query, and every query in it that does not say otherwise, at the query's moment."""

    query: Any
    connection: Any

    def as_sql(self, with_limits: bool = True, with_col_aliases: bool = False) -> Any:
        """Return the SQL and its parameters; rows are never locked, see ``kontract.orm.locks``."""
        if self.query.select_for_update:
            if self.connection.get_autocommit():
                raise TransactionManagementError("select_for_update cannot be used outside of a transaction.")
            self.query = self.query.clone()
            self.query.select_for_update = False
        moment: AbstractContextManager[Any] = self.query.moment or nullcontext()
        with moment:
            sql, params = super().as_sql(with_limits, with_col_aliases)
        if self._prepares:
            sql = prepare_read(self.connection, sql, len(params))
        return sql, params

    def compile(self, node: Any) -> Any:
        """Return the SQL and the parameters of a part of the query; two keys are compared as their texts."""
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
            if self.query.select_for_update:
                self.query = lock_rows(self.connection, self.query)
            self._prepares = not chunked_fetch and not is_watched(self.connection) and is_plain(self.query)
            return super().execute_sql(result_type, chunked_fetch, *args, **kwargs)


@contextmanager
def _reading(using: str) -> Iterator[None]:
    """Translate errors, and check afterwards that a past that was read is whole."""
    with translated(), checking_past(connections[using]):
        yield
