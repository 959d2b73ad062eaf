"""Inserting, updating and deleting the documents of a model: what its querysets and instances write with.

Everything goes through the unit of work, as the writes of ``env.storage`` do.
"""

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import DatabaseDefault
from django.db.models.sql import InsertQuery, Query

from kontract.exceptions import ConstraintError, PrimaryKeyTakenError
from kontract.mvcc import snapshot, versions
from kontract.mvcc.connections import fetch_all, get_connection
from kontract.mvcc.reading import read
from kontract.mvcc.steps import single_step
from kontract.mvcc.transaction import run_transaction
from kontract.mvcc.unit import Unit
from kontract.mvcc.units import collect, find_unit, require_unit, run_now, write_now
from kontract.mvcc.writes import Table, Write
from kontract.orm.columns import Encode, as_text, encoder
from kontract.orm.numbers import numbers
from kontract.orm.source import table_of
from kontract.tables.documents import check_id, check_text

_ATTEMPTS = 4  # to find a number that no other process has made in the same millisecond

quote = json.JSONEncoder(ensure_ascii=False).encode


def open_for_writing(using: str) -> BaseDatabaseWrapper:
    """Return the connection to write to.  Raises ``ReadOnlyError`` when looking at the past."""
    snapshot.check_writable()
    return get_connection(using)


# --- Documents -------------------------------------------------------------------------------------------------------


class Parts(NamedTuple):
    """A document in parts: JSON texts by column, and the columns that it is not to have (NULL in a ``JSONField``)."""

    present: dict[str, str]
    absent: tuple[str, ...]

    @classmethod
    def of(cls, values: Iterable[tuple[Any, Any]]) -> "Parts":
        """Return the parts that pairs of field and prepared value make."""
        present: dict[str, str] = {}
        absent: list[str] = []
        for field, value in values:
            _check_null(field, value)
            if value is None and field.get_internal_type() == "JSONField":
                absent.append(field.column)
            else:
                present[field.column] = encoder(field)(value)
        return cls(present, tuple(absent))

    def as_json(self) -> str:
        """Return the JSON text of a document of these parts alone."""
        return _join(self.present)

    def merged_into(self, data: str) -> str:
        """Return the JSON text of a document with these parts replaced."""
        if not self.present and not self.absent:
            return data
        kept = {name: text for name, text in _members(data) if name not in self.absent}
        return Parts(kept | self.present, ()).as_json()


def _join(texts: Mapping[str, str]) -> str:
    """Return the JSON text of a document with these members."""
    return check_text("{" + ",".join([f"{_quoted(name)}:{text}" for name, text in texts.items()]) + "}")


_quoted = functools.lru_cache(maxsize=4096)(quote)
_decoder = json.JSONDecoder()
_SPACE = re.compile(r"[\s,:]*")


def _members(text: str) -> Iterator[tuple[str, str]]:
    """Yield the names and values of a JSON object as they are written, so that no number is rounded."""
    position = 1
    while text[position := _SPACE.match(text, position).end()] != "}":  # type: ignore[union-attr]
        name, position = _decoder.raw_decode(text, position)
        start = _SPACE.match(text, position).end()  # type: ignore[union-attr]
        _, position = _decoder.raw_decode(text, start)
        yield name, text[start:position]


def prepare(field: Any, value: Any, connection: BaseDatabaseWrapper) -> Any:
    """Return a value as it is stored, also if it is an instance that a foreign key refers to."""
    if hasattr(value, "prepare_database_save"):
        if field.remote_field is None:
            raise TypeError(
                f"Tried to update field {field} with a model instance, {value!r}. "
                f"Use a value compatible with {field.__class__.__name__}."
            )
        value = value.prepare_database_save(field)
    return field.get_db_prep_save(value, connection)


def document_id(model: Any, value: Any, connection: BaseDatabaseWrapper) -> str:
    """Return the id of the document whose primary key is ``value``; a tuple where it has several fields."""
    fields = model._meta.pk_fields
    values = value if len(fields) > 1 else (value,)
    return _id_of(fields, [f.get_db_prep_save(v, connection) for f, v in zip(fields, values, strict=True)])


def _id_of(fields: Sequence[Any], prepared: Sequence[Any]) -> str:
    for field, value in zip(fields, prepared, strict=True):
        _check_null(field, value)
    return join_key([encoder(field)(value) for field, value in zip(fields, prepared, strict=True)])


def join_key(texts: Sequence[str]) -> str:
    """Return the id of a document whose primary key has these JSON texts."""
    return check_id(as_text(texts[0]) if len(texts) == 1 else f"[{','.join(texts)}]")


def _check_null(field: Any, value: Any) -> None:
    if value is None and not (field.null and not field.primary_key):
        raise ConstraintError(
            f'null value in column "{field.column}" of relation "{field.model._meta.db_table}" violates not-null '
            "constraint."
        )


# --- Inserting -------------------------------------------------------------------------------------------------------


class Column(NamedTuple):
    """What inserting needs to know of a field, looked up once for many objects."""

    field: Any
    attname: str
    name: str
    encode: Encode
    leaves_out_null: bool  # NULL is the absence of the key: JSON's null is a value; or it is a key to be made

    @classmethod
    def of(cls, field: Any) -> "Column":
        """Return what is known of ``field``."""
        makes_key = field.primary_key and field is field.model._meta.auto_field
        absent = makes_key or field.get_internal_type() == "JSONField"
        return cls(field, field.attname, field.column, encoder(field), absent)

    def put(self, texts: dict[str, str], value: Any) -> None:
        """Add a prepared value to the texts of a document."""
        if value is None:
            if not (self.leaves_out_null and (self.field.null or self.field.primary_key)):
                _check_null(self.field, value)
            if self.leaves_out_null:
                return
        texts[self.name] = self.encode(value)


class Inserter:
    """Makes the documents of new instances."""

    def __init__(self, model: Any, fields: Sequence[Any], objs: Sequence[Any], *, raw: bool, using: str) -> None:
        model = self.model = model._meta.concrete_model  # a proxy does not know that its key is automatic
        self.objs = objs
        self.raw = raw
        self.connection = open_for_writing(using)
        self.columns = [Column.of(field) for field in fields if not field.generated]
        self.keys = [field.column for field in model._meta.pk_fields]
        self.compiler = InsertQuery(model).get_compiler(using)
        self.makes_keys = model._meta.auto_field is model._meta.pk and not any(obj._is_pk_set() for obj in objs)
        self.returned: dict[int, dict[Any, Any]] = {}  # by the object's position, what the database would have made

    def writes(self, table: Table) -> list[Write]:
        """Return the writes that insert the objects, in their order."""
        return [self._write(table, position, obj) for position, obj in enumerate(self.objs)]

    def _write(self, table: Table, position: int, obj: Any) -> Write:
        texts = self._texts(position, obj)
        pk = self.model._meta.pk
        if pk is self.model._meta.auto_field and pk.column not in texts:
            number = numbers.draw()
            texts[pk.column] = f"{number}"
            self.returned.setdefault(position, {})[pk] = from_database(pk, number, self.connection)
        id_ = join_key([texts[column] for column in self.keys])
        texts.pop(pk.column, None)
        return Write(table, id_, "insert", _join(texts))

    def _texts(self, position: int, obj: Any) -> dict[str, str]:
        """Return the JSON texts of an object's fields by column, without those that are to be absent."""
        texts: dict[str, str] = {}
        computed = {}
        for column in self.columns:
            value = getattr(obj, column.attname) if self.raw else column.field.pre_save(obj, True)
            if hasattr(value, "resolve_expression"):
                value = self.compiler.prepare_value(column.field, value)
            else:
                value = column.field.get_db_prep_save(value, self.connection)
            if hasattr(value, "as_sql"):
                computed[column.field] = value
            else:
                column.put(texts, value)
        if computed:
            results = evaluate(computed, self.connection)
            self.returned[position] = dict(results)
            for field, result in results.items():
                Column.of(field).put(texts, field.get_db_prep_save(result, self.connection))
        return texts

    def rows(self, returning: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return, for each object, the values of ``returning``: those made here, and those that the object has."""
        rows = []
        for position, obj in enumerate(self.objs):
            made = self.returned.get(position, {})
            rows.append(tuple(made[f] if f in made else getattr(obj, f.attname) for f in returning))
        return rows


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


def from_database(field: Any, value: Any, connection: BaseDatabaseWrapper) -> Any:
    """Return a value as the field's own converters make it of the database's."""
    column = field.get_col(field.model._meta.db_table)
    for convert in field.get_db_converters(connection):
        value = convert(value, column, connection)
    return value


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
        found = model._base_manager.using(using).filter(pk=made.get(pk, obj.pk))
        made.update(zip(fields, found.values_list(*(field.attname for field in fields)).get(), strict=True))


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


def existing(connection: BaseDatabaseWrapper, table: Table, ids: Sequence[str]) -> set[str]:
    """Return which of ``ids`` there are documents of, in the eyes of the open transaction."""
    unit = find_unit(connection)
    collected = {id_: write for id_ in ids if unit is not None and (write := unit.find(table, id_)) is not None}
    found = {id_ for id_, write in collected.items() if write.data is not None}
    if rest := [id_ for id_ in ids if id_ not in collected]:
        rows = fetch_all(connection, versions.EXISTING, {"ns": table.ns, "ptr": table.ptr, "ids": rest})
        found.update(row[0] for row in rows)
    return found


# --- Updating --------------------------------------------------------------------------------------------------------


def merge_one(model: Any, pk: Any, values: Iterable[tuple[Any, Any]], *, using: str) -> bool:
    """Replace fields, given with prepared values, of the document whose primary key is ``pk``; return whether it is."""
    connection = open_for_writing(using)
    table = table_of(connection, model)
    parts = Parts.of(values)
    id_ = document_id(model, pk, connection)
    unit = find_unit(connection)
    if unit is None:
        merge = Write(table, id_, "merge", parts.as_json(), absent=parts.absent)
        return run_now(connection, single_step(merge)).extra is not None
    row = read(connection, table, [id_]).get(id_)
    if row is None:
        return False
    collect(connection, unit, Write(table, id_, "set", parts.merged_into(row.data), row.owner))
    return True


def merge_many(connection: BaseDatabaseWrapper, model: Any, changes: Mapping[str, Parts]) -> int:
    """Replace parts of documents, by id, in the open transaction; return how many of them there are.

    A document whose primary key is among them moves: its history stays under the old one.
    """
    table, unit = table_of(connection, model), require_unit(connection)
    rows = read(connection, table, list(changes))
    writes = []
    for id_, row in rows.items():
        parts = changes[id_]
        moved = _moved(model, id_, parts, row.data)
        if moved != id_:
            writes.append(Write(table, id_, "delete"))
        parts.present.pop(model._meta.pk.column, None)
        writes.append(Write(table, moved, "set" if moved == id_ else "insert", parts.merged_into(row.data), row.owner))
    collect(connection, unit, *writes)
    return len(rows)


def _moved(model: Any, id_: str, parts: Parts, data: str) -> str:
    """Return the id that a document has once ``parts`` of it are replaced."""
    columns = [field.column for field in model._meta.pk_fields]
    if not any(column in parts.present for column in columns):
        return id_
    if len(columns) == 1:
        return join_key([parts.present[columns[0]]])
    return join_key([(dict(_members(data)) | parts.present)[column] for column in columns])


# --- Deleting --------------------------------------------------------------------------------------------------------


def delete_ids(model: Any, ids: Sequence[str], *, using: str) -> int:
    """Delete documents; return how many of them there were."""
    connection = open_for_writing(using)

    def attempt() -> int:
        table, unit = table_of(connection, model), require_unit(connection)
        found = existing(connection, table, ids)
        collect(connection, unit, *(Write(table, id_, "delete") for id_ in ids if id_ in found))
        return len(found)

    if find_unit(connection) is not None:
        return attempt() if ids else 0
    if len(ids) == 1:
        table = table_of(connection, model)
        return int(run_now(connection, single_step(Write(table, ids[0], "delete"))).extra is not None)
    return run_transaction(attempt, using=using)[0] if ids else 0


def delete_keys(model: Any, keys: Iterable[Any], *, using: str) -> int:
    """Delete the documents with these primary keys; return how many of them there were."""
    connection = open_for_writing(using)
    return delete_ids(model, [document_id(model, key, connection) for key in dict.fromkeys(keys)], using=using)
