"""Documents in parts: what a model's fields are in JSON text, and what a document's id is made of."""

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.exceptions import ConstraintError
from kontract.mvcc.members import members
from kontract.orm.columns import Encode, as_text, encoder
from kontract.orm.fields import NumberField
from kontract.tables.documents import check_id, check_text

quote = json.JSONEncoder(ensure_ascii=False).encode

# What Django's own methods prepare for PostgreSQL as it is.
_UNCHANGED: Final[dict[Any, type]] = {
    models.BooleanField: bool,
    models.CharField: str,
    models.IntegerField: int,
    models.TextField: str,
    NumberField: int,
}
_PREPARING: Final = ("pre_save", "get_db_prep_save", "get_db_prep_value", "get_prep_value", "to_python")


class Column(NamedTuple):
    """What writing needs to know of a field, looked up once for many objects."""

    field: Any
    attname: str
    name: str
    encode: Encode
    unchanged: type | None  # values of exactly this type need not be prepared

    @classmethod
    def of(cls, field: Any) -> "Column":
        """Return what is known of ``field``."""
        return _column(field.model, field.attname)


@functools.cache
def _column(model: Any, attname: str) -> Column:
    field = model._meta.get_field(attname)
    return Column(field, attname, field.column, encoder(field), _unchanged_type(field))


def _unchanged_type(field: Any) -> type | None:
    if isinstance(field, models.ForeignKey):
        own = ("pre_save", "get_db_prep_save")  # Django's prepares as the target field does
        return _unchanged_type(field.target_field) if _inherits(field, models.ForeignKey, own) else None
    for kind, unchanged in _UNCHANGED.items():
        if isinstance(field, kind) and _inherits(field, kind, _PREPARING):
            return unchanged
    return None


def _inherits(field: Any, kind: type, methods: Iterable[str]) -> bool:
    return all(getattr(type(field), method) is getattr(kind, method) for method in methods)


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
            column = Column.of(field)
            if value is None:
                check_null(field, value)
                if field.get_internal_type() == "JSONField":
                    absent.append(column.name)
                    continue
            present[column.name] = column.encode(value)
        return cls(present, tuple(absent))

    def as_json(self) -> str:
        """Return the JSON text of a document of these parts alone."""
        return join(self.present)

    def merged_into(self, data: str) -> str:
        """Return the JSON text of a document with these parts replaced."""
        if not self.present and not self.absent:
            return data
        kept = {name: text for name, text in members(data) if name not in self.absent}
        return Parts(kept | self.present, ()).as_json()


def join(texts: Mapping[str, str]) -> str:
    """Return the JSON text of a document with these members."""
    return check_text("{" + ",".join([f"{_quoted(name)}:{text}" for name, text in texts.items()]) + "}")


_quoted = functools.lru_cache(maxsize=4096)(quote)


def prepare(field: Any, value: Any, connection: BaseDatabaseWrapper) -> Any:
    """Return a value as it is stored, also if it is an instance that a foreign key refers to."""
    if hasattr(value, "prepare_database_save"):
        if field.remote_field is None:
            raise TypeError(
                f"Tried to update field {field} with a model instance, {value!r}. "
                f"Use a value compatible with {field.__class__.__name__}."
            )
        value = value.prepare_database_save(field)
    elif type(value) is Column.of(field).unchanged:
        return value
    return field.get_db_prep_save(value, connection)


def document_id(model: Any, value: Any, connection: BaseDatabaseWrapper) -> str:
    """Return the id of the document whose primary key is ``value``; a tuple where it has several fields."""
    fields = model._meta.pk_fields
    values = value if len(fields) > 1 else (value,)
    return id_of(fields, [f.get_db_prep_save(v, connection) for f, v in zip(fields, values, strict=True)])


def id_of(fields: Sequence[Any], prepared: Sequence[Any]) -> str:
    for field, value in zip(fields, prepared, strict=True):
        check_null(field, value)
    return join_key([Column.of(field).encode(value) for field, value in zip(fields, prepared, strict=True)])


def join_key(texts: Sequence[str]) -> str:
    """Return the id of a document whose primary key has these JSON texts."""
    return check_id(as_text(texts[0]) if len(texts) == 1 else f"[{','.join(texts)}]")


def check_null(field: Any, value: Any) -> None:
    if value is None and not (field.null and not field.primary_key):
        raise ConstraintError(
            f'null value in column "{field.column}" of relation "{field.model._meta.db_table}" violates not-null '
            "constraint."
        )
