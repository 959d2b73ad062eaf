"""The rules of logical tables, declared in code: what is unique, what is checked, what refers to what.

Models declare theirs when they are made.  Whoever writes to the table keeps them, also without the model.
"""

from collections.abc import Callable
from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.conf import TableOptions
from kontract.mvcc.rules import Rules

MakeRules = Callable[[BaseDatabaseWrapper], Rules | None]


class Declaration(NamedTuple):
    """A logical table that code declares: how it is kept, and what makes its rules."""

    options: TableOptions
    make_rules: MakeRules


_declared: dict[str, Declaration] = {}
_rules: dict[tuple[str, str], Rules | None] = {}  # by alias and table


def declare(name: str, options: TableOptions, make_rules: MakeRules) -> None:
    """Declare a logical table, which then is created at its first use.

    ``make_rules`` is called once for each connection, when the table is first resolved.
    """
    _declared[name] = Declaration(options, make_rules)
    forget_rules()


def declared_options(name: str) -> TableOptions | None:
    """Return how a declared table is kept; None where nothing declares it."""
    declaration = _declared.get(name)
    return declaration.options if declaration else None


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
