"""What ``manage.py check`` finds in the permissions of models: those that contradict each other, or have no effect."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from kontract.conf import get_settings
from kontract.orm.permitted import has_permissions, ruled
from kontract.orm.source import is_versioned
from kontract.perms import RWX, Perm, field_perm, show


def check_permissions(models: Iterable[Any]) -> list[CheckMessage]:
    """Return what is wrong with the permissions of models; ordinary ones can have none."""
    messages: list[CheckMessage] = []
    for model in models:
        if model._meta.swapped:
            continue
        if not is_versioned(model):
            messages.extend(_without_effect(model))
        elif model._meta.proxy:
            messages.extend(_of_proxy(model))
        else:
            messages.extend(message for look in _OF_VERSIONED for message in look(model))
    return messages


def _without_effect(model: Any) -> Iterator[CheckMessage]:
    for field in [*model._meta.local_fields, *model._meta.local_many_to_many]:
        if field_perm(field) != RWX:
            yield Error(
                f"{field} of an ordinary model has permissions, which nothing keeps.",
                hint=f"Make {model._meta.object_name} a VersionedModel, or remove perm().",
                obj=field,
                id="kontract.E030",
            )


def _of_proxy(model: Any) -> Iterator[CheckMessage]:
    concrete = model._meta.concrete_model
    own, other = (model._table_perm, model._table_owner_scoped), (concrete._table_perm, concrete._table_owner_scoped)
    if own != other:
        yield Error(
            f"{model._meta.label} has other permissions than {concrete._meta.label}, but it has no table of its own.",
            hint=f"Move perm and owner_scoped to the Meta of {concrete._meta.object_name}.",
            obj=model,
            id="kontract.E031",
        )


def _keys(model: Any) -> Iterator[CheckMessage]:
    for field in model._meta.local_concrete_fields:
        if field_perm(field) != RWX and not has_permissions(field):
            yield Error(
                f"{field} is the primary key, which is the document's id and has no permissions of its own.",
                hint="Remove perm(). What may be done with documents is up to perm in the model's Meta.",
                obj=field,
                id="kontract.E032",
            )


def _unknown_fields(model: Any) -> Iterator[CheckMessage]:
    options = get_settings().TABLES.get(model._meta.db_table)
    columns = {field.column for field in model._meta.local_concrete_fields if has_permissions(field)}
    for name in sorted(set(options.fields) - columns if options else ()):
        yield Error(
            f'KONTRACT["TABLES"][{model._meta.db_table!r}]["fields"] has {name!r}, which is no column of '
            f"{model._meta.label}.",
            hint=f"Its columns: {', '.join(sorted(columns))}.",
            obj=model,
            id="kontract.E033",
        )


def _intermediaries(model: Any) -> Iterator[CheckMessage]:
    for field in model._meta.local_many_to_many:
        if field_perm(field) != RWX and not field.remote_field.through._meta.auto_created:
            yield Warning(
                f"The permissions of {field} have no effect: those of {field.remote_field.through._meta.label} have.",
                hint=f"Move them to the Meta of {field.remote_field.through._meta.object_name}.",
                obj=field,
                id="kontract.W030",
            )


def _orderings(model: Any) -> Iterator[CheckMessage]:
    hidden = ruled(model).options.lacking(Perm.R)
    fields = {field.name: field for field in model._meta.local_concrete_fields}
    for name in model._meta.ordering:
        field = fields.get(name.lstrip("-")) if isinstance(name, str) else None
        if field is not None and field.column in hidden:
            yield Warning(
                f"{model._meta.label} is ordered by {field.name!r}, which calls may not read, so that every query of a "
                "call has to say how else to order.",
                hint="Order by another field in Meta.ordering, or give the field R.",
                obj=model,
                id="kontract.W031",
            )


def _inserts(model: Any) -> Iterator[CheckMessage]:
    table = ruled(model)
    locked = table.options.lacking(Perm.W)
    for field in model._meta.local_concrete_fields if table.options.perm & Perm.W else ():
        if field.column in locked and not (field.null or field.has_default() or _has_value(field)):
            yield Warning(
                f"No call can insert {model._meta.label}: it may not write {field.name!r} ({show(field_perm(field))}), "
                "which has no default.",
                hint="Give the field a default, or insert within kontract.elevated().",
                obj=field,
                id="kontract.W032",
            )


def _has_value(field: Any) -> bool:
    """Return whether a field has a value that nobody gave it."""
    makes_itself = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    return makes_itself or field.has_db_default() or field.generated or field.empty_strings_allowed


_OF_VERSIONED = (_keys, _unknown_fields, _intermediaries, _orderings, _inserts)
