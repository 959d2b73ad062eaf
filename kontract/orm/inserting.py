"""Inserting instances as new documents."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import DatabaseDefault, Value
from django.db.models.sql import InsertQuery, Query

from kontract.exceptions import PrimaryKeyTakenError
from kontract.mvcc.unit import Unit
from kontract.mvcc.units import collect, find_unit, write_now
from kontract.mvcc.writes import Table, Write
from kontract.orm.numbers import numbers
from kontract.orm.parts import Column, check_null, join, join_key
from kontract.orm.permitted import new_texts
from kontract.orm.source import table_of
from kontract.orm.writing import existing, open_for_writing

_ATTEMPTS = 4  # to find a number that no other process has made in the same millisecond


class Inserter:
    """Makes the documents of new instances."""

    def __init__(self, model: Any, fields: Sequence[Any], objs: Sequence[Any], *, raw: bool, using: str) -> None:
        model = self.model = model._meta.concrete_model  # a proxy does not know that its key is automatic
        self.objs = objs
        self.raw = raw
        self.using = using
        self.connection = open_for_writing(using)
        self.columns = [Column.of(field) for field in fields if not field.generated]
        self.keys = [field.column for field in model._meta.pk_fields]
        self.auto_field = model._meta.auto_field
        self.converters = self.auto_field.get_db_converters(self.connection) if self.auto_field is not None else []
        self.makes_keys = model._meta.auto_field is model._meta.pk and not any(obj._is_pk_set() for obj in objs)
        self.returned: dict[int, dict[str, Any]] = {}  # by the object's position, what the database would have made

    @cached_property
    def compiler(self) -> Any:
        """What resolves the expressions among the values."""
        return InsertQuery(self.model).get_compiler(self.using)

    def writes(self, table: Table) -> list[Write]:
        """Return the writes that insert the objects, in their order."""
        return [self._write(table, position, obj) for position, obj in enumerate(self.objs)]

    def _write(self, table: Table, position: int, obj: Any) -> Write:
        texts = self._texts(position, obj)
        new_texts(self.model, texts, obj, self.connection, raw=self.raw)
        pk = self.model._meta.pk
        if pk is self.auto_field and pk.column not in texts:
            number = numbers.draw()
            texts[pk.column] = f"{number}"
            self.returned.setdefault(position, {})[pk.attname] = self._from_database(pk, number)
        id_ = join_key([texts[column] for column in self.keys])
        texts.pop(pk.column, None)
        return Write(table, id_, "insert", join(texts))

    def _from_database(self, field: Any, value: Any) -> Any:
        """Return a key that was made here as the field's own converters make it of the database's."""
        for convert in self.converters:
            value = convert(value, field.get_col(field.model._meta.db_table), self.connection)
        return value

    def _texts(self, position: int, obj: Any) -> dict[str, str]:
        """Return the JSON texts of an object's fields by column, without those that are to be absent."""
        texts: dict[str, str] = {}
        computed = {}
        for column in self.columns:
            field, attname, name, encode, unchanged = column
            if unchanged is not None and type(value := getattr(obj, attname)) is unchanged:
                texts[name] = encode(value)
                continue
            value = getattr(obj, attname) if self.raw else field.pre_save(obj, True)
            if unchanged is not None and type(known := _known_default(value)) is unchanged:
                self.returned.setdefault(position, {})[attname] = known
                texts[name] = encode(known)
                continue
            if hasattr(value, "resolve_expression"):
                value = self.compiler.prepare_value(field, value)
            else:
                value = field.get_db_prep_save(value, self.connection)
            if hasattr(value, "as_sql"):
                computed[field] = value
            else:
                self._put(texts, column, value)
        if computed:
            results = evaluate(computed, self.connection)
            self.returned.setdefault(position, {}).update({f.attname: result for f, result in results.items()})
            for field, result in results.items():
                self._put(texts, Column.of(field), field.get_db_prep_save(result, self.connection))
        return texts

    def _put(self, texts: dict[str, str], column: Column, value: Any) -> None:
        """Add a prepared value to the texts of a document; a key to be made is absent, and so is NULL among JSON."""
        if value is None:
            field = column.field
            if field is self.auto_field and field.primary_key:
                return
            check_null(field, value)
            if field.get_internal_type() == "JSONField":
                return
        texts[column.name] = column.encode(value)

    def rows(self, returning: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return, for each object, the values of ``returning``: those made here, and those that the object has."""
        names = [field.attname for field in returning]
        nothing: dict[str, Any] = {}
        rows = []
        for position, obj in enumerate(self.objs):
            made = self.returned.get(position, nothing)
            rows.append(tuple([made[name] if name in made else getattr(obj, name) for name in names]))
        return rows


def _known_default(value: Any) -> Any:
    """Return the constant that a ``db_default`` is; None for anything else."""
    expression = value.expression if isinstance(value, DatabaseDefault) else None
    return expression.value if type(expression) is Value else None


def evaluate(expressions: Mapping[Any, Any], connection: BaseDatabaseWrapper) -> dict[Any, Any]:
    """Return the values of expressions without columns, by field, as PostgreSQL computes them."""
    compiler = Query(None).get_compiler(connection=connection)
    selected, params = [], []
    for field, expression in expressions.items():
        if isinstance(expression, DatabaseDefault):
            expression = expression.expression
        sql, values = compiler.compile(expression)
        selected.append(f"({sql})::{(field.db_type(connection) or 'text')}")
        params.extend(values)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(selected)}", params)
        row = list(cursor.fetchone())
    results = {}
    for field, value in zip(expressions, row, strict=True):
        column = field.get_col(field.model._meta.db_table)
        for convert in [*connection.ops.get_db_converters(column), *field.get_db_converters(connection)]:
            value = convert(value, column, connection)
        results[field] = value
    return results


def insert(
    model: Any,
    objs: Sequence[Any],
    fields: Sequence[Any],
    *,
    using: str,
    raw: bool,
    returning: Sequence[Any] | None,
    checked: bool,
) -> list[tuple[Any, ...]]:
    """Insert instances as new documents; return the values of ``returning`` for each.

    ``checked``: whether the caller makes sure that the flush comes at once, so that keys need not be looked up first.
    Raises ``ConstraintError`` where a primary key or a unique value is taken.
    """
    inserter = Inserter(model, fields, objs, raw=raw, using=using)
    connection = inserter.connection
    for attempt in range(_ATTEMPTS):
        try:
            _insert(connection, model, inserter, checked)
            break
        except PrimaryKeyTakenError:
            if not inserter.makes_keys or attempt == _ATTEMPTS - 1 or connection.in_atomic_block:
                raise
            numbers.reroll()
    if returning and any(field.generated for field in returning):
        _read_generated(model, inserter, [field for field in returning if field.generated], using)
    return inserter.rows(returning) if returning else []


def _read_generated(model: Any, inserter: Inserter, fields: Sequence[Any], using: str) -> None:
    """Read back what the server computes of the other fields."""
    pk = model._meta.pk
    for position, obj in enumerate(inserter.objs):
        made = inserter.returned.setdefault(position, {})
        found = model._base_manager.using(using).filter(pk=made.get(pk.attname, obj.pk))
        names = [field.attname for field in fields]
        made.update(zip(names, found.values_list(*names).get(), strict=True))


def _insert(connection: BaseDatabaseWrapper, model: Any, inserter: Inserter, checked: bool) -> None:
    table = table_of(connection, model)
    writes = inserter.writes(table)
    unit = find_unit(connection)
    _check_own_keys(table, unit, writes)
    if unit is None:
        write_now(connection, writes)
        return
    look_up = not (inserter.makes_keys or checked or _makes_unique_keys(model))
    if look_up and (taken := existing(connection, table, [write.id for write in writes])):
        raise _taken(table, min(taken))
    collect(connection, unit, *writes)


def _check_own_keys(table: Table, unit: Unit | None, writes: Iterable[Write]) -> None:
    """Raise where two of the new documents, or one and another that this transaction has written, have one key."""
    seen: set[str] = set()
    for write in writes:
        before = unit.find(table, write.id) if unit is not None else None
        if write.id in seen or (before is not None and before.op != "delete"):
            raise _taken(table, write.id)
        seen.add(write.id)


def _taken(table: Table, document: str) -> PrimaryKeyTakenError:
    return PrimaryKeyTakenError(
        f'duplicate key value violates unique constraint "{table.name}_pkey": {table.name!r} has a document '
        f"{document!r} already."
    )


def _makes_unique_keys(model: Any) -> bool:
    """Return whether keys are made at random, so that looking for one first is not worth a round trip."""
    pk = model._meta.pk
    return pk.get_internal_type() == "UUIDField" and callable(pk.default)
