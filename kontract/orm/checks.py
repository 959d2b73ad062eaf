"""What ``manage.py check`` finds in models: what cannot work on logical tables, and what has no effect there.

Each function looks at one model and yields messages; ``kontract.checks`` registers them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.contrib.postgres.constraints import ExclusionConstraint
from django.core.checks import CheckMessage, Error, Warning
from django.db import connections, router
from django.db.models import UniqueConstraint

from kontract.conf import get_settings
from kontract.exceptions import InvalidNameError
from kontract.mvcc.connections import get_alias
from kontract.orm.columns import is_reference
from kontract.orm.indexes import find_unsupported, is_indexable
from kontract.orm.manager import VersionedManager
from kontract.orm.past import Past
from kontract.orm.queryset import VersionedQuerySet
from kontract.orm.source import is_versioned
from kontract.tables.catalog import check_name

_HIDDEN = sorted(name for name in vars(Past) if not name.startswith("_"))
_NO_EFFECT = ("db_tablespace", "db_table_comment")  # options of Meta that are about a table of PostgreSQL's
_UNREADABLE = ("hstore", "geometry", "geography", "raster", "serial", "bigserial", "smallserial")


def check_all(models: Iterable[Any]) -> list[CheckMessage]:
    """Return what is wrong with models, ordinary and versioned ones."""
    messages: list[CheckMessage] = []
    for model in models:
        if model._meta.swapped or model._meta.proxy:
            continue
        for look in _OF_VERSIONED if is_versioned(model) else (_references_to_versioned,):
            messages.extend(look(model))
    return messages


def check_table_names(models: Iterable[Any]) -> list[CheckMessage]:
    """Return an error for each logical table that several models claim; Django looks at tables of its own only."""
    claims = defaultdict(list)
    for model in models:
        if is_versioned(model) and not (model._meta.swapped or model._meta.proxy):
            claims[model._meta.db_table].append(model._meta.label)
    return [
        Error(
            f"The logical table {table!r} is claimed by {' and '.join(labels)}.",
            hint="Give each a db_table of its own, or make one a proxy of the other.",
            obj=apps.get_model(labels[1]),
            id="kontract.E007",
        )
        for table, labels in claims.items()
        if len(labels) > 1
    ]


# --- Ordinary models -------------------------------------------------------------------------------------------------


def _references_to_versioned(model: Any) -> Iterator[CheckMessage]:
    opts = model._meta
    if opts.auto_created:
        return
    for field in opts.local_fields:
        if field.remote_field is None or not is_versioned(field.remote_field.model):
            continue
        target = field.remote_field.model._meta.label
        if getattr(field, "db_constraint", True):
            yield Error(
                f"{field} of an ordinary model refers to the versioned {target}, which has no table of its own that a "
                "foreign key of PostgreSQL's could refer to.",
                hint=f"Make {opts.object_name} a VersionedModel, or pass db_constraint=False.",
                obj=field,
                id="kontract.E005",
            )
        elif not isinstance(opts.default_manager, VersionedManager):
            yield Warning(
                f"Queries of {opts.label} cannot join the versioned {target} by {field.name}.",
                hint="Give the model `objects = kontract.orm.VersionedManager()`.",
                obj=field,
                id="kontract.W001",
            )
    for field in opts.local_many_to_many:
        remote, through = field.remote_field.model, field.remote_field.through
        if is_versioned(remote) and not is_versioned(through):
            yield Error(
                f"{field} of an ordinary model refers to the versioned {remote._meta.label} through an ordinary table, "
                "which cannot refer to one that is no table of PostgreSQL's.",
                hint=f"Make {opts.object_name} a VersionedModel, or give the field a `through` that is one.",
                obj=field,
                id="kontract.E005",
            )


# --- Versioned models ------------------------------------------------------------------------------------------------


def _table(model: Any) -> Iterator[CheckMessage]:
    table = model._meta.db_table
    try:
        check_name(table, "table")
    except InvalidNameError as error:
        yield Error(str(error), hint="Set another db_table in the model's Meta.", obj=model, id="kontract.E006")
    options = get_settings().TABLES.get(table)
    if options is not None and not options.versioned:
        yield Warning(
            f"{model._meta.label} has no past, because KONTRACT['TABLES'] declares {table!r} as unversioned: as_of(), "
            "history, diff() and restore() raise NotVersionedError.",
            hint="Remove 'versioned': False, or silence this warning if the model needs no past.",
            obj=model,
            id="kontract.W002",
        )


def _hidden_attributes(model: Any) -> Iterator[CheckMessage]:
    for name in _HIDDEN:
        if getattr(model, name, None) is not vars(Past)[name]:
            yield Warning(
                f"{model._meta.label}.{name} hides what VersionedModel has under this name.",
                hint=f"Rename it; for a field, `db_column={name!r}` keeps its name in the documents.",
                obj=model,
                id="kontract.W003",
            )


def _options_without_effect(model: Any) -> Iterator[CheckMessage]:
    for option in _NO_EFFECT:
        if option in model._meta.original_attrs:
            yield Warning(
                f"Meta.{option} of {model._meta.label} has no effect: its table is a logical one.",
                hint="Remove it.",
                obj=model,
                id="kontract.W004",
            )


def _fields(model: Any) -> Iterator[CheckMessage]:
    connection = connections[get_alias("")]
    if connection.vendor != "postgresql":  # which is an error of its own
        return
    for field in model._meta.local_concrete_fields:
        if is_reference(field):
            continue
        type_name = (field.db_type(connection) or "").partition("(")[0]
        if type_name in _UNREADABLE:
            yield Error(
                f"{field} has the type {type_name}, which cannot be read back from a JSON document.",
                hint="Use a JSONField, or the base class of the field that has a plain type.",
                obj=field,
                id="kontract.E008",
            )
        elif field.db_index and not is_indexable(field, connection):
            yield Warning(
                f"{field} is not indexed, although it has db_index: what value a {type(field).__name__} has is not in "
                "the document alone.",
                hint="Remove db_index; an array can have a GinIndex in Meta.indexes.",
                obj=field,
                id="kontract.W005",
            )
    for reason in find_unsupported(model, connection):
        yield Error(reason, hint="Remove it, or use another kind of index.", obj=model, id="kontract.E009")
    for index in model._meta.indexes:
        if index.include:
            yield Warning(
                f"The columns that the index {index.name} of {model._meta.label} includes are left out: an index on "
                "documents can include none.",
                hint="Remove `include`, or make them columns of the index.",
                obj=model,
                id="kontract.W006",
            )


def _constraints(model: Any) -> Iterator[CheckMessage]:
    for constraint in model._meta.constraints:
        if isinstance(constraint, ExclusionConstraint):
            yield Error(
                f"The exclusion constraint {constraint.name} of {model._meta.label} cannot be kept: it needs an index "
                "that looks at one table only.",
                hint="Check in a transaction that has locked an object that both writers select for update.",
                obj=model,
                id="kontract.E010",
            )
        elif isinstance(constraint, UniqueConstraint) and constraint.deferrable is not None:
            yield Warning(
                f"The unique constraint {constraint.name} of {model._meta.label} is not deferred: two objects cannot "
                "swap their values in one transaction.",
                hint="Remove `deferrable`, and give one of them another value in a transaction before.",
                obj=model,
                id="kontract.W007",
            )


def _references_elsewhere(model: Any) -> Iterator[CheckMessage]:
    alias = get_alias("")
    for field in model._meta.local_fields:
        related = field.remote_field and field.remote_field.model
        if not related or isinstance(related, str) or is_versioned(related):  # a str: of no model, as Django reports
            continue
        if not field.concrete or not field.db_constraint:
            continue
        if (other := router.db_for_write(related)) != alias:
            yield Error(
                f"{field} refers to {related._meta.label} in the database {other!r}, but documents are in {alias!r}: "
                "neither can it be joined, nor is it known whether an object exists.",
                hint="Route both to one database, or pass db_constraint=False and do not query across.",
                obj=field,
                id="kontract.E011",
            )


def _managers(model: Any) -> Iterator[CheckMessage]:
    for manager in model._meta.managers:
        if not issubclass(manager._queryset_class, VersionedQuerySet) or not _makes_versioned(manager):
            yield Error(
                f"The manager {manager.name!r} of {model._meta.label} makes querysets that look for a table of "
                "PostgreSQL's.",
                hint="Let get_queryset() call super(), or make its querysets of kontract.orm.VersionedQuerySet.",
                obj=model,
                id="kontract.E012",
            )


def _makes_versioned(manager: Any) -> bool:
    """Return whether the manager's querysets are versioned, or cannot be made outside of a request."""
    try:
        return isinstance(manager.get_queryset(), VersionedQuerySet)
    except Exception:  # a project's own code, which may want to know who asks
        return True


_OF_VERSIONED = (
    _table,
    _hidden_attributes,
    _options_without_effect,
    _fields,
    _constraints,
    _references_elsewhere,
    _managers,
)
