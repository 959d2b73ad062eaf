"""Models in the signatures of procedures: the JSON that an instance is written as, and may be read from.

An instance is an object of its columns: ``author_id``, not the author.  Written are those that a client may read; read
are those that it may write, validated as ``clean_fields()`` does, into an instance that is not saved yet.
"""

import datetime as dt
import functools
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

from annotated_types import Ge, MaxLen
from django.contrib.postgres.fields import RangeField
from django.core.exceptions import ValidationError
from django.db.models.fields.files import FieldFile
from psycopg.types.range import Range
from pydantic import ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

from kontract.orm.permitted import has_permissions, ruled
from kontract.perms import RWX, Perm

_CONFIG = ConfigDict(allow_inf_nan=False, ser_json_bytes="base64", val_json_bytes="base64", extra="forbid")
_TYPES: dict[str, Any] = {
    "BinaryField": bytes,
    "BooleanField": bool,
    "CharField": str,
    "DateField": dt.date,
    "DateTimeField": dt.datetime,
    "DecimalField": Decimal,
    "DurationField": dt.timedelta,
    "FileField": str,
    "FilePathField": str,
    "FloatField": float,
    "GenericIPAddressField": str,
    "SlugField": str,
    "TextField": str,
    "TimeField": dt.time,
    "UUIDField": UUID,
}
for _size in ("", "Big", "Small"):
    _TYPES |= {
        f"{_size}AutoField": int,
        f"{_size}IntegerField": int,
        f"Positive{_size}IntegerField": Annotated[int, Ge(0)],
    }


def build_schema(model: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    """Return pydantic's schema of a model's instances."""
    read, write = _shape(model, "", _readable(model)), _shape(model, "Input", _writable(model))
    made = core_schema.no_info_after_validator_function(
        functools.partial(_as_instance, model), handler.generate_schema(write)
    )
    return core_schema.json_or_python_schema(
        json_schema=made,
        python_schema=core_schema.union_schema([core_schema.is_instance_schema(model), made]),
        serialization=core_schema.plain_serializer_function_ser_schema(
            functools.partial(_as_values, tuple(field.attname for field in _concrete(model, Perm.R))),
            return_schema=handler.generate_schema(read),
        ),
    )


def _concrete(model: Any, bit: Perm) -> list[Any]:
    """Return the fields of which a client may do what ``bit`` says."""
    return [field for field in model._meta.concrete_fields if _perm(field) & bit]


def _perm(field: Any) -> Perm:
    return ruled(field.model).options.fields.get(field.column, RWX) if has_permissions(field) else RWX


def _readable(model: Any) -> Iterator[tuple[str, Any]]:
    for field in _concrete(model, Perm.R):
        kind = _type_of(field)
        yield field.attname, _described(field, kind | None if field.null else kind)


def _writable(model: Any) -> Iterator[tuple[str, Any]]:
    for field in _concrete(model, Perm.W):
        if field.generated or field is model._meta.auto_field or not _takes_values(field):
            continue
        kind = _described(field, _limited(field) | None if field.null else _limited(field))
        optional = field.null or field.blank or field.has_default() or getattr(field, "has_db_default", bool)()
        yield field.attname, NotRequired[kind] if optional else kind


def _takes_values(field: Any) -> bool:
    return field.editable or field.primary_key or field.get_internal_type() == "BinaryField"  # no form has those


def _type_of(field: Any) -> Any:
    """Return the Python type of a field's values."""
    if field.generated:
        return _type_of(field.output_field)
    if field.remote_field is not None:
        return _type_of(field.target_field)
    if isinstance(field, RangeField):
        return _range(_type_of(field.base_field))
    if (base := getattr(field, "base_field", None)) is not None:
        return list[_type_of(base) | None if base.null else _type_of(base)]
    return _TYPES.get(field.get_internal_type(), Any)


@functools.cache
def _range(bound: Any) -> Any:
    """Return the type of a range: its bounds, None where there is none, and which of them belong to it."""
    make: Any = TypedDict
    name = f"{getattr(bound, '__name__', 'value').title()}Range"
    return make(
        name, {"lower": bound | None, "upper": bound | None, "bounds": Literal["[)", "(]", "()", "[]", "empty"]}
    )


def _limited(field: Any) -> Any:
    """Return the type of the values that a client may give."""
    if field.choices and field.remote_field is None:
        values = [value for value, _ in field.flatchoices if value is not None]
        return Literal[(*values, "")] if field.blank and field.empty_strings_allowed else Literal[tuple(values)]
    kind = _type_of(field)
    return Annotated[kind, MaxLen(field.max_length)] if kind is str and field.max_length else kind


def _described(field: Any, kind: Any) -> Any:
    return Annotated[kind, Field(description=str(field.help_text))] if field.help_text else kind


def _shape(model: Any, suffix: str, fields: Iterator[tuple[str, Any]]) -> Any:
    make: Any = TypedDict  # for type checkers, its fields must be written out
    shape = make(f"{model.__name__}{suffix}", dict(fields))
    shape.__module__, shape.__pydantic_config__ = model.__module__, _CONFIG
    written_by_django = f"{model._meta.object_name}("
    shape.__doc__ = None if (model.__doc__ or written_by_django).startswith(written_by_django) else model.__doc__
    return shape


def _as_instance(model: Any, values: dict[str, Any]) -> Any:
    instance = model(**{name: _parse(model._meta, name, value) for name, value in values.items()})
    left_out = [field.name for field in model._meta.fields if field.is_relation or values.get(field.attname) is None]
    try:  # what it refers to is looked for when it is saved
        instance.clean_fields(exclude=left_out)
    except ValidationError as error:
        found = "; ".join(f"{name}: {' '.join(messages)}" for name, messages in error.message_dict.items())
        raise ValueError(found) from error
    return instance


def _as_values(columns: tuple[str, ...], instance: Any) -> dict[str, Any]:
    return {column: _plain(getattr(instance, column)) for column in columns}


def _plain(value: Any) -> Any:
    if isinstance(value, FieldFile):
        return value.name
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no number in JSON")
    if isinstance(value, Range):
        return {"lower": value.lower, "upper": value.upper, "bounds": value.bounds or "empty"}
    return bytes(value) if isinstance(value, memoryview) else value


def _parse(opts: Any, name: str, value: Any) -> Any:
    """Return a validated value as the field takes it."""
    field = next((field for field in opts.concrete_fields if field.attname == name and isinstance(value, dict)), None)
    if not isinstance(field, RangeField):
        return value
    empty = value["bounds"] == "empty"
    return field.range_type(empty=True) if empty else field.range_type(value["lower"], value["upper"], value["bounds"])
