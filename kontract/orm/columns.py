"""Fields and the JSON they are stored as: one canonical text for each value, and the SQL that reads it back typed.

A document holds a field under its column's name; the primary key is the document's id.  What JSON has no type for is
text that PostgreSQL reads: decimals, dates and times (ISO 8601, moments in UTC with microseconds), UUIDs, durations,
bytes in base64.  Equal values have equal texts, so that keys are compared as texts, and moments order as texts do.
"""

import base64
import datetime
import decimal
import functools
import ipaddress
import json
import math
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import psycopg
from django.contrib.postgres.fields import ArrayField
from django.db import DataError, IntegrityError, models
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import Binary
from psycopg.adapt import PyFormat, Transformer
from psycopg.types.json import Jsonb

from kontract.exceptions import UnsupportedError

Encode = Callable[[Any], str]  # a value prepared for the database -> JSON text

TEXT_SUFFIX: Final = ":text"  # the column that shows a key or a moment as the text it is stored as
JSON_SUFFIX: Final = ":json"  # the column that shows an array as the JSON it is stored as
METADATA: Final = {":id": "id", ":data": "data::text", ":txid": "_txid", ":owner": "_owner"}

_quote = json.encoder.encode_basestring  # what JSONEncoder(ensure_ascii=False) does with a string
_MICROSECOND: Final = datetime.timedelta(microseconds=1)


def stored_type(field: Any) -> Any:
    """Return the field whose type ``field`` has: that of the referenced key for a foreign key."""
    while field.remote_field is not None and getattr(field, "target_field", None) is not None:
        field = field.target_field
    return field


def type_name(stored: Any) -> str:
    """Return Django's name of a stored type, with that of its elements in brackets for an array."""
    if isinstance(stored, ArrayField):
        return f"ArrayField[{type_name(stored.base_field)}]"
    name: str = stored.get_internal_type()
    return name


@functools.cache
def shape_of(model: Any) -> str:
    """Return a text that tells what a model's documents look like: the names and types of their keys."""
    fields = [field for field in model._meta.local_concrete_fields if not field.generated and not field.primary_key]
    return join_shape((field.column, type_name(stored_type(field))) for field in fields)


def join_shape(types: Iterable[tuple[str, str]]) -> str:
    """Return the shape that pairs of key and type make."""
    return ",".join(sorted(f"{column}:{name}" for column, name in types))


# --- From Python to JSON ---------------------------------------------------------------------------------------------


@functools.cache
def encoder(field: Any) -> Encode:
    """Return the function that makes JSON text of the field's prepared values.

    It raises what PostgreSQL would for a column of this type: ``DataError`` for a value that is too long or too large,
    ``IntegrityError`` for a negative one of a positive field.
    """
    stored = stored_type(field)
    internal = stored.get_internal_type()
    if internal == "DecimalField" and stored.max_digits is not None:
        return functools.partial(_encode_decimal, stored.max_digits, stored.decimal_places)
    if internal in _RANGES:
        limit = 1 << 63 if is_wide(stored) else _RANGES[internal]
        return functools.partial(_encode_integer, limit, internal.startswith("Positive"))
    if internal == "FloatField":
        return lambda value: encode(None if value is None else float(value))
    if isinstance(stored, models.CharField) or internal in ("CharField", "FileField", "FilePathField", "SlugField"):
        return functools.partial(_encode_text, stored.max_length)
    if internal == "TextField":
        return functools.partial(_encode_text, None)
    if internal == "JSONField":
        return encode_json
    if isinstance(stored, ArrayField):
        return functools.partial(_encode_array, encoder(stored.base_field))
    return encode


_RANGES: Final = {
    "SmallIntegerField": 1 << 15,
    "PositiveSmallIntegerField": 1 << 15,
    "IntegerField": 1 << 31,
    "PositiveIntegerField": 1 << 31,
    "BigIntegerField": 1 << 63,
    "PositiveBigIntegerField": 1 << 63,
    "AutoField": 1 << 63,
    "SmallAutoField": 1 << 63,
    "BigAutoField": 1 << 63,
}
_AUTOMATIC: Final = ("AutoField", "SmallAutoField")  # of classes of a project's own; ours is a BigIntegerField


def is_wide(field: Any) -> bool:
    """Return whether the field holds numbers of 53 bits whatever its type says: keys, and what refers to any key."""
    internal = field.get_internal_type()
    return internal in _AUTOMATIC or (internal in _RANGES and _refers_to_any_key(field))


def _refers_to_any_key(field: Any) -> bool:
    """Return whether the field holds the keys of a ``GenericForeignKey``."""
    return getattr(field, "refers_to_any_key", False)


def _encode_integer(limit: int, positive: bool, value: Any) -> str:
    if value is None:
        return "null"
    value = int(value)
    if not -limit <= value < limit:
        raise DataError(f"The integer {value} is out of range: a column of this type goes up to {limit - 1}.")
    if positive and value < 0:
        raise IntegrityError(f"The number {value} is negative, which the field does not allow.")
    return f"{value:d}"


def _encode_array(encode_element: Encode, value: Any) -> str:
    if not isinstance(value, (list, tuple)):
        return encode(value)
    return f"[{','.join(map(encode_element, value))}]"


def _encode_text(limit: int | None, value: Any) -> str:
    if isinstance(value, str) and limit is not None and len(value) > limit:
        raise DataError(f"value too long for type character varying({limit}): it has {len(value)} characters.")
    return _quote(value) if type(value) is str else encode(value)


def _encode_decimal(digits: int, places: int, value: Any) -> str:
    if value is None:
        return "null"
    number = decimal.Decimal(value)
    if number.is_nan():
        return '"NaN"'
    context, unit = _rounding(max(digits + 2, number.adjusted() + places + 2, 1), places)
    if number.is_infinite() or ((number := context.quantize(number, unit)).adjusted() >= (digits - places) and number):
        raise DataError(f"numeric field overflow: {value} does not fit {digits} digits, {places} of them decimal.")
    return f'"{number:f}"'


@functools.lru_cache(maxsize=256)
def _rounding(precision: int, places: int) -> tuple[decimal.Context, decimal.Decimal]:
    return decimal.Context(prec=precision, rounding=decimal.ROUND_HALF_UP), decimal.Decimal(1).scaleb(-places)


def encode_json(value: Any) -> str:
    """Return JSON text of what a ``JSONField`` prepared."""
    return _dumps(value) if isinstance(value, Jsonb) else encode(value)


def _dumps(value: Jsonb) -> str:
    text = (value.dumps or json.dumps)(value.obj)
    return text.decode() if isinstance(text, bytes) else text


def encode(value: Any) -> str:
    """Return JSON text of a value that a field has prepared for the database."""
    if value is None:
        return "null"
    if (encode_exactly := _BY_TYPE.get(type(value))) is not None:
        return encode_exactly(value)
    for kind, encode_kind in _ENCODERS:
        if isinstance(value, kind):
            return encode_kind(value)
    return _quote(_as_literal(value))


def _encode_float(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else f'"{value}"'


def _encode_moment(value: datetime.datetime) -> str:
    if value.tzinfo is None:
        return f'"{value.isoformat(timespec="microseconds")}"'
    if value.tzinfo is not datetime.UTC:
        value = value.astimezone(datetime.UTC)
    text = value.isoformat(timespec="microseconds")
    return f'"{text[:-6]}Z"'  # without "+00:00"


def _encode_duration(value: datetime.timedelta) -> str:
    hours, rest = divmod(value.seconds, 3600)
    return f'"P{value.days}DT{hours}H{rest // 60}M{rest % 60}.{value.microseconds:06d}S"'


def _encode_bytes(value: Any) -> str:
    return f'"{base64.b64encode(bytes(value)).decode()}"'


def _as_literal(value: Any) -> str:
    """Return the text that PostgreSQL reads for a value of a type that only psycopg knows, such as a range."""
    dumped = Transformer().get_dumper(value, PyFormat.TEXT).dump(value)
    if dumped is None:
        raise UnsupportedError(f"{value!r} cannot be stored in a document.")
    return bytes(dumped).decode()


_ENCODERS: Final[tuple[tuple[Any, Encode], ...]] = (
    (str, lambda value: _quote(str(value))),
    (bool, lambda value: "true" if value else "false"),
    (int, lambda value: f"{int(value):d}"),
    (float, _encode_float),
    (decimal.Decimal, lambda value: f'"{value:f}"' if value.is_finite() else f'"{value}"'),
    (datetime.datetime, _encode_moment),
    (datetime.date, lambda value: f'"{value.isoformat()}"'),
    (datetime.time, lambda value: f'"{value.isoformat(timespec="microseconds")}"'),
    (datetime.timedelta, _encode_duration),
    (uuid.UUID, lambda value: f'"{value}"'),
    (Jsonb, _dumps),
    (psycopg.Binary, lambda value: _encode_bytes(value.obj)),
    (Binary, lambda value: _encode_bytes(value.obj)),
    ((bytes, bytearray, memoryview), _encode_bytes),
    ((list, tuple), lambda value: f"[{','.join(map(encode, value))}]"),
    (dict, lambda value: f"{{{','.join(f'{_quote(k)}:{encode(v)}' for k, v in value.items())}}}"),
    ((ipaddress.IPv4Address, ipaddress.IPv6Address), lambda value: f'"{value}"'),
)


_BY_TYPE: Final[dict[type, Encode]] = {
    kind: encode_kind for kinds, encode_kind in _ENCODERS for kind in (kinds if isinstance(kinds, tuple) else (kinds,))
}


def as_text(json_text: str) -> str:
    """Return the text that ``->>`` gives for a JSON scalar: a key's, as the id of a document."""
    if not json_text.startswith('"'):
        return json_text
    if "\\" not in json_text:
        return json_text[1:-1]
    text: str = json.loads(json_text)
    return text


# --- From JSON to SQL ------------------------------------------------------------------------------------------------


def has_text(field: Any) -> bool:
    """Return whether values of the field are compared as the texts they are stored as: keys and moments."""
    return field.primary_key or is_reference(field) or is_moment(field) or is_wide(field) or _refers_to_any_key(field)


def has_json(field: Any) -> bool:
    """Return whether values of the field are searched as the JSON that they are stored as: arrays."""
    return isinstance(field, ArrayField) and not field.generated and not isinstance(field.base_field, ArrayField)


def is_reference(field: Any) -> bool:
    """Return whether the field is a foreign key."""
    return field.remote_field is not None and field.concrete and not field.many_to_many


def is_moment(field: Any) -> bool:
    """Return whether the order of the field's values is that of their texts."""
    return not field.generated and field.get_internal_type() in ("DateTimeField", "DateField", "TimeField")


def select_list(
    model: Any,
    connection: BaseDatabaseWrapper,
    hidden: frozenset[str] = frozenset(),
    touched: frozenset[str] = frozenset(),
) -> str:
    """Return the typed columns of a model, and the texts that keys are compared as, selected from ``storage`` ``s``.

    Those that are ``hidden`` are NULL.  Those that schema changes have ``touched`` are selected from ``u``, where the
    document is cast; the others from the stored one, whose expressions are indexed.
    """
    quote = connection.ops.quote_name
    rows = {":data": "u" if touched else "s"}
    shown = {name: source for name, source in METADATA.items() if not (hidden and name == ":data")}
    columns = [f"{rows.get(name, 's')}.{source} AS {quote(name)}" for name, source in shown.items()]
    for field in model._meta.local_concrete_fields:
        if field.generated:
            continue
        if field.column in hidden:
            columns.extend(_null_columns(field, connection))
            continue
        row = "u" if field.column in touched and not field.primary_key else "s"
        columns.append(f"{typed(field, connection, row)} AS {quote(field.column)}")
        if has_text(field):
            columns.append(f"{text(field, row)} AS {quote(field.column + TEXT_SUFFIX)}")
        if has_json(field):
            columns.append(f"{stored_json(field, row)} AS {quote(field.column + JSON_SUFFIX)}")
    return ", ".join(columns)


def _null_columns(field: Any, connection: BaseDatabaseWrapper) -> Iterator[str]:
    quote = connection.ops.quote_name
    yield f"NULL::{sql_type(stored_type(field), connection)} AS {quote(field.column)}"
    if has_text(field):
        yield f"NULL::text AS {quote(field.column + TEXT_SUFFIX)}"
    if has_json(field):
        yield f"NULL::jsonb AS {quote(field.column + JSON_SUFFIX)}"


def generated_columns(model: Any, connection: BaseDatabaseWrapper) -> str:
    """Return the generated columns of a model, as SQL over its other columns; empty where there are none."""
    columns = []
    for field in model._meta.local_concrete_fields:
        if field.generated:
            sql, params = field.generated_sql(connection)
            composed = connection.ops.compose_sql(sql, params)
            columns.append(
                f"{composed}::{sql_type(field.output_field, connection)} AS {connection.ops.quote_name(field.column)}"
            )
    return ", ".join(columns)


def raw_text(field: Any, row: str = "s") -> str:
    """Return SQL for the text that a field is stored as in ``row``, which has ``id`` and ``data``."""
    return f"{row}.id" if field.primary_key else f"({row}.data ->> {_literal(field.column)})"


def text(field: Any, row: str = "s") -> str:
    """Return SQL for the text that a field is compared as: moments in the order of their characters."""
    return f'({raw_text(field, row)} COLLATE "C")' if is_moment(field) else raw_text(field, row)


def stored_json(field: Any, row: str = "s") -> str:
    """Return SQL for the JSON that a field is stored as."""
    return f"({row}.data -> {_literal(field.column)})"


def typed(field: Any, connection: BaseDatabaseWrapper, row: str = "s") -> str:
    """Return SQL for a field's value, of the type that a column of an ordinary table would have."""
    raw = raw_text(field, row)
    stored = stored_type(field)
    if isinstance(stored, ArrayField):
        return _typed_array(stored_json(field, row), stored, connection)
    type_name = sql_type(stored, connection)
    if type_name in _TYPED:
        return _TYPED[type_name](stored_json(field, row), raw)
    value = raw if type_name in ("text", "varchar") else f"{raw}::{type_name}"
    collation = stored.db_parameters(connection).get("collation")
    return f"({value} COLLATE {connection.ops.quote_name(collation)})" if collation else value


def sql_type(field: Any, connection: BaseDatabaseWrapper) -> str:
    name: str = "bigint" if is_wide(field) else field.db_type(connection) or "text"
    return "varchar" if name.startswith("varchar") else "numeric" if name.startswith("numeric") else name


def _typed_hstore(source: str) -> str:
    """Return SQL for an hstore from an object of JSON's."""
    members = f"SELECT hstore(array_agg(m.key), array_agg(m.value)) FROM jsonb_each_text({source}) m"
    return f"(CASE WHEN jsonb_typeof({source}) = 'object' THEN coalesce(({members}), ''::hstore) END)"


# What the text of a value does not tell PostgreSQL by a cast: SQL over its JSON and its text.
_TYPED: Final[dict[str, Callable[[str, str], str]]] = {
    "bytea": lambda _, text: f"decode({text}, 'base64')",
    "hstore": lambda source, _: _typed_hstore(source),
    "jsonb": lambda source, _: source,
}


def _typed_array(source: str, field: Any, connection: BaseDatabaseWrapper) -> str:
    """Return SQL for an array of PostgreSQL's from one of JSON's."""
    if isinstance(field.base_field, ArrayField):
        array = f"({_array_text(source, field, connection)})::{field.db_type(connection)}"
    else:
        array = _array(source, field, connection)
    return f"(CASE WHEN jsonb_typeof({source}) = 'array' THEN {array} END)"


def _array(source: str, field: Any, connection: BaseDatabaseWrapper) -> str:
    type_name = field.base_field.db_type(connection)  # not a wider one: PostgreSQL compares no arrays of two types
    if type_name in _TYPED:
        value = _TYPED[type_name]("e", "(e #>> '{}')")
        element = f"CASE WHEN jsonb_typeof(e) <> 'null' THEN {value} END"
        return f"ARRAY(SELECT {element} FROM jsonb_array_elements({source}) e)"
    return f"ARRAY(SELECT e::{type_name} FROM jsonb_array_elements_text({source}) e)"


def _array_text(source: str, field: Any, connection: BaseDatabaseWrapper, depth: int = 0) -> str:
    """Return SQL for the text of an array of arrays: only as text can PostgreSQL put arrays that are empty together."""
    if not isinstance(field.base_field, ArrayField):
        return f"{_array(source, field, connection)}::text"
    inner = _array_text(f"e{depth}", field.base_field, connection, depth + 1)
    element = f"CASE jsonb_typeof(e{depth}) WHEN 'array' THEN {inner} ELSE 'NULL' END"
    elements = f"SELECT string_agg({element}, ',') FROM jsonb_array_elements({source}) e{depth}"
    return f"'{{' || coalesce(({elements}), '') || '}}'"


def _literal(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
