"""The FROM entry of a versioned model: its typed columns, selected from the documents of its logical table.

PostgreSQL flattens the subselects, so that a condition on a column is a condition on the expression that reads it, and
an index on that expression serves it.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.datastructures import BaseTable, Join

from kontract.context import get_namespace
from kontract.exceptions import ConfigurationError
from kontract.mvcc import reads
from kontract.mvcc.connections import get_connection
from kontract.mvcc.reading import Source, resolve_moment, source
from kontract.mvcc.snapshot import check_intact, current
from kontract.mvcc.versions import reading
from kontract.mvcc.writes import Table
from kontract.orm.columns import JSON_SUFFIX, TEXT_SUFFIX, generated_columns, has_json, has_text, select_list
from kontract.orm.permitted import hidden_columns
from kontract.orm.reads import conditions_on
from kontract.tables.catalog import resolve, resolve_namespace


def is_versioned(model: Any) -> bool:
    """Return whether instances of ``model`` are documents."""
    return getattr(model, "_is_versioned", False)


def table_of(connection: BaseDatabaseWrapper, model: Any) -> Table:
    """Return the logical table of a model in the current namespace."""
    return resolve(connection, resolve_namespace(connection, get_namespace()), model._meta.db_table)


_models: dict[str, Any] = {}  # every versioned model by its table's name: a FROM entry may know no more than that


def register(model: Any) -> None:
    """Remember which model a logical table belongs to."""
    _models.setdefault(model._meta.db_table, model)


def find_model(table_name: str) -> Any:
    """Return the versioned model whose logical table this is; None where there is none."""
    return _models.get(table_name)


def _model_of(table_name: str, likely: Any) -> Any:
    """Return the versioned model of a table, or None for an ordinary table; ``likely`` is a model it may be."""
    if likely is not None and likely._meta.db_table == table_name:
        return likely._meta.concrete_model if is_versioned(likely) else None
    return _models.get(table_name)


def find_column(table_name: str, name: str) -> str:
    """Return the key under which the documents of a table have ``name``: its column, if it is a field of its model."""
    model = _models.get(table_name)
    fields = model._meta.local_concrete_fields if model is not None else ()
    return next((field.column for field in fields if name in (field.name, field.attname)), name)


def model_of(join: Any, query: Any) -> Any:
    """Return the versioned model behind an entry of a query's FROM clause, or None for an ordinary table."""
    return _model_of(join.table_name, join.join_field.related_model if join.join_type else query.model)


@functools.lru_cache(maxsize=1024)
def _columns(model: Any, alias: str, hidden: frozenset[str], touched: frozenset[str]) -> tuple[str, str]:
    connection = connections[alias]
    return select_list(model, connection, hidden, touched), generated_columns(model, connection)


_past: ContextVar[set[tuple[Table, int]] | None] = ContextVar("kontract_orm_past", default=None)


@contextmanager
def checking_past(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Check, at the end of the outermost of these blocks, that the snapshots read in it are whole."""
    if _past.get() is not None:
        yield
        return
    read: set[tuple[Table, int]] = set()
    token = _past.set(read)
    try:
        yield
    finally:
        _past.reset(token)
    for table, snapshot in read:
        check_intact(connection, table, snapshot)


def entry(connection: BaseDatabaseWrapper, model: Any) -> str:
    """Return the subselect that shows a model's rows, as SQL with its values in it."""
    connection = get_connection(connection.alias)
    table, moment = table_of(connection, model), current()
    if moment is not None and (read := _past.get()) is not None:
        read.add((table, resolve_moment(connection, table, moment)))
    found = source(connection, table, moment)
    hidden = hidden_columns(model)
    if found.data is not None:
        return _typed_entry(model, connection.alias, _with_cast(connection, found), hidden, found.touched)
    if found.sql == reading.SOURCE_LIVE:
        return _live_entry(model, connection.alias, table.ns, table.ptr, hidden)
    return _typed_entry(model, connection.alias, f"({_composed(connection, found.sql, found.params)}) s", hidden)


def _composed(connection: BaseDatabaseWrapper, sql: str, params: dict[str, Any]) -> str:
    composed = cast(Any, connection.ops).compose_sql(sql, params)
    text_sql: str = composed if isinstance(composed, str) else composed.decode()
    return text_sql


def _with_cast(connection: BaseDatabaseWrapper, found: Source) -> str:
    """Return a FROM clause with the rows as they are stored, ``s``, and beside each its document cast, ``u``."""
    sql = f"({found.sql}) s CROSS JOIN LATERAL (SELECT {found.data} AS data) u"
    return _composed(connection, sql, found.params)


def _typed_entry(
    model: Any, alias: str, rows: str, hidden: frozenset[str], touched: frozenset[str] = frozenset()
) -> str:
    columns, generated = _columns(model, alias, hidden, touched)
    sql = f"SELECT {columns} FROM {rows}"
    if generated:
        sql = f"SELECT g.*, {generated} FROM ({sql}) g"
    return f"({sql.replace('%', '%%')})"


@functools.lru_cache(maxsize=4096)
def _live_entry(model: Any, alias: str, ns: int, ptr: int, hidden: frozenset[str]) -> str:
    return _typed_entry(model, alias, f"({reading.SOURCE_LIVE % {'ns': ns, 'ptr': ptr}}) s", hidden)


def quote_of(compiler: Any) -> Any:
    """Return what quotes a name in a query; Django 6.1 has given it another name."""
    return getattr(compiler, "quote_name", None) or compiler.quote_name_unless_alias


class VersionedTable(BaseTable):
    """A FROM entry that is a logical table where the model is versioned, else an ordinary one."""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return the FROM entry; see ``entry``."""
        model = _model_of(self.table_name, compiler.query.model)
        if model is None:
            return super().as_sql(compiler, connection)
        alias = quote_of(compiler)(self.table_alias)
        with reads.narrowed(functools.partial(conditions_on, compiler.query, self.table_alias)):
            return f"{entry(connection, model)} {alias}", []


class MetadataField(models.TextField):
    """Stands for a column of ``storage`` itself: ``:id``, ``:data`` (JSON text), ``:txid``, ``:owner``."""

    def __init__(self, name: str, model: Any) -> None:
        super().__init__(null=True)
        self.set_attributes_from_name(name)
        self.model = model


class TxidField(models.BigIntegerField):
    """Stands for ``:txid``, the transaction that wrote the version."""

    def __init__(self, model: Any) -> None:
        super().__init__(null=True)
        self.set_attributes_from_name(":txid")
        self.model = model


@functools.cache
def metadata_field(name: str, model: Any) -> Any:
    """Return the stand-in for a column of ``storage`` in the FROM entry of a versioned model."""
    return TxidField(model) if name == ":txid" else MetadataField(name, model)


class TextField(models.TextField):
    """Stands for the text that a column is stored as."""

    def __init__(self, field: Any) -> None:
        super().__init__(null=True)
        self.set_attributes_from_name(field.column + TEXT_SUFFIX)
        self.model = field.model
        self.stored = field

    def __reduce__(self) -> tuple[Any, ...]:
        return text_field, (self.stored,)


@functools.cache
def text_field(field: Any) -> TextField | None:
    """Return the stand-in for the text of a versioned model's key or moment, None where the field has none."""
    if not is_versioned(field.model) or field.generated or not has_text(field):
        return None
    return TextField(field)


class JsonField(models.JSONField):
    """Stands for the JSON that an array is stored as."""

    def __init__(self, field: Any) -> None:
        super().__init__(null=True)
        self.set_attributes_from_name(field.column + JSON_SUFFIX)
        self.model = field.model
        self.stored = field

    def __reduce__(self) -> tuple[Any, ...]:
        return json_field, (self.stored,)


@functools.cache
def json_field(field: Any) -> JsonField | None:
    """Return the stand-in for the JSON of a versioned model's array, None for any other field."""
    return JsonField(field) if is_versioned(field.model) and has_json(field) else None


class VersionedJoin(Join):
    """A join whose target may be versioned; keys of two versioned models are compared as texts, which are indexed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.join_fields = tuple(_as_texts(lhs, rhs) for lhs, rhs in self.join_fields or ())

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return the JOIN clause."""
        sql, params = super().as_sql(compiler, connection)
        model = _model_of(self.table_name, self.join_field.related_model)
        if model is None:
            return sql, params
        quote = quote_of(compiler)
        condition = self._condition_of(sql, quote)
        with reads.narrowed(functools.partial(conditions_on, compiler.query, self.table_alias)):
            subselect = entry(connection, model)
        return f"{self.join_type} {subselect} {quote(self.table_alias)} ON {condition}", params

    def _condition_of(self, sql: str, quote: Callable[[str], str]) -> str:
        """Return what stands behind ON in Django's clause, where aliases are quoted from Django 6.1 on."""
        alias = self.table_alias
        aliases = [""] if alias == self.table_name else [f" {alias}", f" {quote(alias)}"]
        for head in (f"{self.join_type} {quote(self.table_name)}{shown} ON " for shown in aliases):
            if sql.startswith(head):
                return sql.removeprefix(head)
        raise ConfigurationError(f"Django has compiled a join in an unknown form: {sql}")


def _as_texts(lhs: Any, rhs: Any) -> tuple[Any, Any]:
    texts = text_field(lhs), text_field(rhs)
    return cast(tuple[Any, Any], texts) if all(texts) else (lhs, rhs)
