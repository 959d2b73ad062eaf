"""The rules of logical tables, declared in code: what is unique, what is checked, what refers to what.

Models declare theirs when they are made.  Whoever writes to the table keeps them, also without the model.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.conf import TableOptions, get_settings
from kontract.mvcc.rules import Rules
from kontract.perms import RWX
from kontract.tables.ids import uuid7

MakeRules = Callable[[BaseDatabaseWrapper], Rules | None]
Conform = Callable[[BaseDatabaseWrapper, str, str, bool], str]


class Declaration(NamedTuple):
    """A logical table that code declares: how it is kept, what makes its rules, and what its documents look like."""

    options: TableOptions
    make_rules: MakeRules
    conform: Conform
    make_id: Callable[[], str]
    shape: Callable[[], str]


_declared: dict[str, Declaration] = {}
_rules: dict[tuple[str, str], Rules | None] = {}  # by alias and table


def declare(
    name: str,
    options: TableOptions,
    make_rules: MakeRules,
    conform: Conform,
    make_id: Callable[[], str],
    shape: Callable[[], str],
) -> None:
    """Declare a logical table, which then is created at its first use.

    ``make_rules`` is called once for each connection, when the table is first resolved.  ``conform`` returns the JSON
    text of a document, given its id and text, as the table is to hold it; the last argument says that it is only part
    of one, to be merged.  ``make_id`` makes the id of a new document.  ``shape`` returns a text that changes with what
    documents look like, by which code and catalog agree on the number of their schema.
    """
    _declared[name] = Declaration(options, make_rules, conform, make_id, shape)
    forget_rules()


def declared_options(name: str) -> TableOptions | None:
    """Return how a declared table is kept; None where nothing declares it."""
    declaration = _declared.get(name)
    return declaration.options if declaration else None


def declared_shape(name: str) -> str | None:
    """Return what the documents of a declared table look like; None where nothing declares it."""
    declaration = _declared.get(name)
    return declaration.shape() if declaration else None


def access_options(name: str) -> TableOptions:
    """Return the permissions of a table: what settings and model both grant, where both say something."""
    by_settings, by_model = get_settings().TABLES.get(name), declared_options(name)
    if by_settings is None or by_model is None:
        return by_settings or by_model or _FREE
    names = by_settings.fields.keys() | by_model.fields.keys()
    return replace(
        by_settings,
        perm=by_settings.perm & by_model.perm,
        fields={field: by_settings.fields.get(field, RWX) & by_model.fields.get(field, RWX) for field in names},
        owner_scoped=by_settings.owner_scoped or by_model.owner_scoped,
    )


_FREE = TableOptions()


def is_declared(name: str) -> bool:
    """Return whether code declares the table ``name``: whether a model is stored in it."""
    return name in _declared


def declared_names() -> list[str]:
    """Return the names of all tables that code declares."""
    return sorted(_declared)


def find_rules(connection: BaseDatabaseWrapper, name: str) -> Rules | None:
    """Return the rules of a table; None where it has none."""
    key = (connection.alias, name)
    if key not in _rules:
        declaration = _declared.get(name)
        _rules[key] = declaration.make_rules(connection) if declaration else None
    return _rules[key]


def forget_rules() -> None:
    """Make all rules anew when they are next asked for: a model that others refer to has changed."""
    _rules.clear()


def conform(connection: BaseDatabaseWrapper, name: str, document_id: str, text: str, *, partial: bool = False) -> str:
    """Return the JSON text of a document as the table ``name`` is to hold it.

    Raises ``InvalidDocumentError`` and ``InvalidIdError`` where a model that the table belongs to could not read it.
    """
    declaration = _declared.get(name)
    return text if declaration is None else declaration.conform(connection, document_id, text, partial)


def make_id(name: str) -> str:
    """Return an id for a new document of the table ``name``: a UUIDv7 unless a model has other keys."""
    declaration = _declared.get(name)
    return str(uuid7()) if declaration is None else declaration.make_id()
