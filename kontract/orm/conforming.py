"""What ``env.storage`` writes into a model's table, made what the model itself would have stored.

Else a document with a text for a number would make every query of the model fail, and a moment written in another form
would be missing from comparisons.
"""

import json
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError
from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.exceptions import InvalidDocumentError, InvalidIdError
from kontract.orm.columns import encoder, stored_type
from kontract.orm.fields import NumberField
from kontract.orm.numbers import numbers
from kontract.orm.parts import join_key
from kontract.tables.documents import check_text
from kontract.tables.ids import uuid7

_quote = json.JSONEncoder(ensure_ascii=False).encode


def conform(model: Any, connection: BaseDatabaseWrapper, document_id: str, text: str, partial: bool) -> str:
    """Return the JSON text of a document as the model stores it; keys that are no columns are left alone.

    ``partial`` leaves out what is absent, for a merge; else absent fields get their default.  Raises
    ``InvalidDocumentError`` naming the field, and ``InvalidIdError`` where the id is no primary key of the model.
    """
    data = json.loads(text)
    members = {name: _quote(value) for name, value in data.items()}
    for field in model._meta.local_concrete_fields:
        if field.generated or field.primary_key:
            continue
        if field.column in data:
            members[field.column] = _encode(field, data[field.column], connection)
        elif not partial and (value := _default(field)) is not None:
            members[field.column] = _encode(field, value, connection)
        elif not partial and not field.null:
            raise InvalidDocumentError(f"The document lacks {field.column!r}, which {model._meta.label} demands.")
    if not partial:
        _check_id(model, document_id, members, connection)
    return check_text("{" + ",".join(f"{_quote(name)}:{value}" for name, value in members.items()) + "}")


def _default(field: Any) -> Any:
    """Return what an instance would have in a field that nobody sets; None also where only the server knows it."""
    value = field.get_default()
    return None if hasattr(value, "resolve_expression") else value


def _encode(field: Any, value: Any, connection: BaseDatabaseWrapper) -> str:
    if value is None:
        if not field.null:
            raise InvalidDocumentError(f"{field.column!r} is null, which {field.model._meta.label} does not allow.")
        return "null"
    try:
        prepared = field.get_db_prep_save(_to_python(field, value), connection)
        return encoder(field)(prepared)
    except (ValidationError, ValueError, TypeError, DataError, IntegrityError) as error:
        reason = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
        raise InvalidDocumentError(
            f"{field.column!r} cannot be {value!r} in {field.model._meta.label}: {reason}"
        ) from error


def _to_python(field: Any, value: Any) -> Any:
    stored = stored_type(field)
    if stored.get_internal_type() == "JSONField":
        return value
    if isinstance(value, (dict, list)) and stored.get_internal_type() not in ("ArrayField", "HStoreField"):
        raise TypeError("it is an object or an array.")
    return stored.to_python(value)


def _check_id(model: Any, document_id: str, members: Mapping[str, str], connection: BaseDatabaseWrapper) -> None:
    keys = model._meta.pk_fields
    if len(keys) > 1:
        wanted = join_key([members[field.column] for field in keys])
    else:
        try:
            wanted = join_key([_encode(keys[0], document_id, connection)])
        except InvalidDocumentError as error:
            raise InvalidIdError(f"{document_id!r} is no primary key of {model._meta.label}: {error}") from error
    if wanted != document_id:
        raise InvalidIdError(
            f"{document_id!r} is no primary key as {model._meta.label} stores it, which would be {wanted!r}."
        )


def make_id(model: Any) -> str:
    """Return an id for a new document: a number or the default of the model's key; else a UUIDv7, as for any table."""
    key = model._meta.pk
    if isinstance(key, NumberField):
        return str(numbers.draw())
    return str(key.get_default() if key.has_default() else uuid7())
