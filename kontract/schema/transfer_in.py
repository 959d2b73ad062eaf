"""Copying the rows of an ordinary table into a versioned model, in batches by primary key.

Each batch is a transaction that also notes the last key, so that a run that was stopped goes on behind it.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.sql import Identifier

from kontract.exceptions import ConfigurationError
from kontract.mvcc.connections import fetch_all, fetch_one
from kontract.schema.ledger import Ledger
from kontract.schema.progress import Progress
from kontract.tables.catalog import locate

_BATCH: Final = 1000  # rows in one transaction

_COLUMNS: Final = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod),
  EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY(i.indkey))
FROM pg_attribute a WHERE a.attrelid = to_regclass(%(table)s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An ordinary table: its columns, and its primary key with the key's type."""

    connection: BaseDatabaseWrapper
    name: str
    columns: tuple[str, ...]
    key: str
    key_type: str

    @classmethod
    def find(cls, connection: BaseDatabaseWrapper, name: str) -> "Source":
        """Return the table of a model, ``app_label.Model``, or of this name.

        Raises ``ConfigurationError`` for a table that is not there or has no primary key of one column.
        """
        table = _table_name(name)
        columns = fetch_all(connection, _COLUMNS, {"table": Identifier(table).as_string()})
        keys = [(column, kind) for column, kind, is_key in columns if is_key]
        if len(keys) != 1:
            trouble = "has no primary key of one column" if columns else "is not in the database"
            raise ConfigurationError(f"The table {table!r} {trouble}, so that its rows cannot be copied.")
        ((key, kind),) = keys
        return cls(connection=connection, name=table, columns=tuple(c for c, *_ in columns), key=key, key_type=kind)

    def read(self, after: str | None, limit: int) -> list[Sequence[Any]]:
        """Return the rows after a key, given as text, in the order of keys; the key's text is their last column."""
        key = _quote(self.key)
        columns = ", ".join(map(_quote, self.columns))
        condition = "" if after is None else f"WHERE {key} > CAST(%(after)s AS {self.key_type})"
        rows = f"FROM {_quote(self.name)} {condition} ORDER BY {key} LIMIT %(limit)s"
        sql = f'SELECT {columns}, {key}::text AS ":key" {rows}'
        return fetch_all(self.connection, sql, {"after": after, "limit": limit})

    def count(self) -> int:
        """Return how many rows there are."""
        sql = f"SELECT count(*) FROM {_quote(self.name)}"  # noqa: S608 - the name is quoted
        found: int = fetch_one(self.connection, sql, {})[0]
        return found


def _quote(name: str) -> str:
    """Return a name in a statement with parameters; others than Django's have quotation and per cent marks in it."""
    return Identifier(name).as_string().replace("%", "%%")


def _table_name(name: str) -> str:
    app_label, _, model_name = name.partition(".")
    try:
        table: str = apps.get_model(app_label, model_name)._meta.db_table
    except (LookupError, ValueError):
        return name
    return table


def find_fields(source: Source, model: Any, names: Mapping[str, str], skipped: Sequence[str]) -> dict[str, Any]:
    """Return the model's fields by the columns that they are copied from.

    ``names`` are columns of the model by those of the table, where they differ.  Raises ``ConfigurationError`` where a
    column has no field.
    """
    fields = {field.column: field for field in model._meta.local_concrete_fields if not field.generated}
    wanted = {column: names.get(column, column) for column in source.columns if column not in skipped}
    unknown = [column for column, name in wanted.items() if name not in fields]
    if unknown:
        raise ConfigurationError(
            f"{model._meta.label} has no field for {', '.join(map(repr, unknown))} of {source.name!r}. Say which with "
            "--map column=field_column, or leave them out with --skip column."
        )
    return {column: fields[name] for column, name in wanted.items()}


def copy_rows(source: Source, model: Any, fields: Mapping[str, Any], *, restart: bool, out: Any) -> int:
    """Copy the rows of ``source`` that are not copied yet into a versioned model; return how many are.

    ``restart`` begins with the first row again.  Raises ``PrimaryKeyTakenError`` for a row that is there already.
    """
    connection, ns = locate()
    ledger, entry = Ledger(connection, ns, out), f"import/{model._meta.db_table}/{source.name}"
    label = f"import {source.name}"
    if restart:
        ledger.put(label, entry, None)
    progress = Progress(out, f"Rows of {source.name}", source.count())
    convert = _Converter(source, fields)

    def copy() -> tuple[int, int]:
        position = ledger.read(entry) or {"after": None, "done": 0}
        rows = source.read(position["after"], _BATCH)
        if rows:
            model._base_manager.using(connection.alias).bulk_create([convert(model, row) for row in rows])
            ledger.write(entry, {"after": rows[-1][-1], "done": position["done"] + len(rows)})
        return len(rows), position["done"] + len(rows)

    for _ in itertools.count():
        count, done = ledger.run(label, copy)
        if count < _BATCH:
            break
        progress.tell(done)
    progress.finish(done)
    total: int = done
    return total


class _Converter:
    """Makes instances of rows, with the converters that Django has for columns of the fields' types."""

    def __init__(self, source: Source, fields: Mapping[str, Any]) -> None:
        self.connection = source.connection
        self.positions = [(source.columns.index(column), field) for column, field in fields.items()]
        ops: Any = source.connection.ops
        self.converters = {
            field: (column, [*ops.get_db_converters(column), *field.get_db_converters(source.connection)])
            for field in fields.values()
            for column in [field.get_col(field.model._meta.db_table)]
        }

    def __call__(self, model: Any, row: Sequence[Any]) -> Any:
        return model(**{field.attname: self._value(field, row[position]) for position, field in self.positions})

    def _value(self, field: Any, value: Any) -> Any:
        column, converters = self.converters[field]
        for convert in converters:
            value = convert(value, column, self.connection)
        return value
