"""What the running call may do with the fields of models: which it may name in queries, load, and change.

Permissions of a model are those of its logical table, see ``kontract.mvcc.access``; those of its fields go by columns.
A primary key is the document's id, which has no permissions of its own.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import DatabaseDefault

from kontract.conf import TableOptions
from kontract.mvcc import access
from kontract.orm.columns import encoder
from kontract.orm.parts import Parts, members
from kontract.perms import RWX, Perm, field_perm
from kontract.tables.keys import access_options
from kontract.tables.permitted import is_same_text


class ModelTable(NamedTuple):
    """The logical table of a model, as code declares it: where it lies does not matter for what may be done with it."""

    name: str
    options: TableOptions


def ruled(model: Any) -> ModelTable:
    """Return the table of a versioned model with its permissions."""
    name = model._meta.db_table
    return ModelTable(name, access_options(name))


def table_names(model: Any) -> list[str]:
    """Return the names of the tables that an object of a model lies in: of the model and its parents."""
    return [part._meta.db_table for part in [model, *model._meta.get_parent_list()]]


def has_permissions(field: Any) -> bool:
    """Return whether a field of a versioned model can have permissions: whether it is no part of the primary key."""
    return not field.primary_key and field not in field.model._meta.pk_fields


def declared_permissions(model: Any) -> dict[str, Perm]:
    """Return the permissions that ``perm()`` has given to a model's own fields, by column."""
    return {
        field.column: bits
        for field in model._meta.local_concrete_fields
        if (bits := field_perm(field)) != RWX and has_permissions(field)
    }


# --- Queries ---------------------------------------------------------------------------------------------------------


def check_named(field: Any) -> None:
    """Raise ``PermissionDeniedError`` where a query names a field that the running call may not read."""
    if has_permissions(field):
        access.check_named(ruled(field.model), field.column)


def is_readable(field: Any) -> bool:
    """Return whether the running call may read a field of a versioned model."""
    return not has_permissions(field) or access.find_level(ruled(field.model), Perm.R, field.column) is None


def hidden_columns(model: Any) -> frozenset[str]:
    """Return the columns that the running call may not read, so that not even SQL of its own can tell them."""
    if not access.in_call() or access.is_internal():
        return frozenset()
    table = ruled(model)
    if not table.options.fields and access.find_level(table, Perm.R) is None:
        return frozenset()
    return frozenset(field.column for field in model._meta.local_concrete_fields if not is_readable(field))


# --- Writes ----------------------------------------------------------------------------------------------------------


def check_model(model: Any, bit: Perm) -> None:
    """Raise ``PermissionDeniedError`` unless the running call is granted ``bit`` of a model's table."""
    if access.in_call():
        access.check(ruled(model), bit)


def check_whole(model: Any) -> None:
    """Raise ``PermissionDeniedError`` unless the running call may read and write every field of a model."""
    if not access.in_call():
        return
    for part in [model, *model._meta.get_parent_list()]:
        table = ruled(part)
        for bit in (Perm.R, Perm.W):
            access.check(table, bit)
            if lacking := access.lacking(table, bit):
                raise access.denied("field", table, bit, min(lacking))


def changed_parts(model: Any, parts: Parts, data: str, connection: BaseDatabaseWrapper, *, made: bool = False) -> Parts:
    """Return what the running call changes of the document ``data``, without the fields that it leaves as they are.

    ``made``: fields have made their values, such as those with ``auto_now``.  Raises ``PermissionDeniedError`` where a
    field that it may not write would change.  One that it may not read either can be given its default, in vain:
    instances that were not read from the database have it.
    """
    if not access.in_call():
        return parts
    table = ruled(model)
    locked = access.lacking(table, Perm.W).intersection([*parts.present, *parts.absent])
    if not locked:
        return parts
    hidden, before = access.lacking(table, Perm.R), dict(members(data))
    fields = {field.column: field for field in model._meta.local_concrete_fields}
    unchanged = set()
    for column in sorted(locked):
        text, field = parts.present.get(column, "null"), fields[column]
        if made and _makes_itself(field):
            continue
        kept = _default_texts(field, connection) if column in hidden else {before.get(column, "null")}
        if not any(is_same_text(text, other) for other in kept):
            raise access.denied("field", table, Perm.W, column)
        unchanged.add(column)
    return Parts(
        {column: text for column, text in parts.present.items() if column not in unchanged},
        tuple(column for column in parts.absent if column not in unchanged),
    )


def new_texts(model: Any, texts: dict[str, str], obj: Any, connection: BaseDatabaseWrapper, *, raw: bool) -> None:
    """Let a new document, JSON ``texts`` by column, have no more than the defaults of fields without W.

    What a function makes for a default is made anew, whatever the instance has.  Raises ``PermissionDeniedError``.
    """
    if not access.in_call():
        return
    table = ruled(model)
    locked = access.lacking(table, Perm.W)
    for field in model._meta.local_concrete_fields if locked else ():
        if field.column not in locked or texts.get(field.column, "null") == "null":
            continue
        if (not raw and _makes_itself(field)) or isinstance(getattr(obj, field.attname), DatabaseDefault):
            continue
        default = field.get_default()
        text = encoder(field)(field.get_db_prep_save(default, connection))
        if callable(field.default) and not isinstance(field.default, type):
            setattr(obj, field.attname, default)
            texts[field.column] = text
        elif not is_same_text(texts[field.column], text):
            raise access.denied("field", table, Perm.W, field.column)


def forget_hidden(model: Any, objs: Iterable[Any]) -> None:
    """Leave instances without the values that they were saved with, where the running call may neither read nor write.

    So they are saved again without these fields, as instances are that a call has read.
    """
    if not access.in_call():
        return
    table = ruled(model)
    both = access.lacking(table, Perm.R) & access.lacking(table, Perm.W)
    for field in model._meta.local_concrete_fields if both else ():
        for obj in objs if field.column in both else ():
            obj.__dict__.pop(field.attname, None)


def _makes_itself(field: Any) -> bool:
    """Return whether a field makes its value itself when an instance is saved."""
    return getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)


def _default_texts(field: Any, connection: BaseDatabaseWrapper) -> set[str]:
    """Return what an instance has in a field that nobody sets, as JSON texts."""
    return {"null", encoder(field)(field.get_db_prep_save(field.get_default(), connection))}
