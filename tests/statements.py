"""The statements that reach the database, and the tables that they name by PostgreSQL's own parser."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any, Final

import psycopg
import pytest
from django.apps import apps
from pglast.visitors import referenced_relations
from psycopg.sql import Composable

from kontract.orm import VersionedModel

TWO: Final = frozenset({"storage", "trxs"})
_PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?([s%bt])")


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collect every statement that psycopg sends, also those that Django's log does not show."""
    seen: list[str] = []
    execute, execute_many = psycopg.Cursor.execute, psycopg.Cursor.executemany

    def watch(cursor: Any, query: Any, params: Any = None, **kwargs: Any) -> Any:
        seen.append(_plain(cursor, query, params))
        return execute(cursor, query, params, **kwargs)

    def watch_many(cursor: Any, query: Any, params: Iterable[Any], **kwargs: Any) -> Any:
        seen.append(_plain(cursor, query, ()))
        return execute_many(cursor, query, params, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", watch)
        patch.setattr(psycopg.Cursor, "executemany", watch_many)
        yield seen


def _plain(cursor: Any, query: Any, params: Any) -> str:
    """Return the statement as the server parses it, with a parameter for each placeholder."""
    text = query.as_string(cursor) if isinstance(query, Composable) else query
    text = text.decode() if isinstance(text, bytes) else text
    return text if params is None else _PLACEHOLDER.sub(lambda found: "%" if found[2] == "%" else "$1", text)


@lru_cache(maxsize=20_000)
def relations(statement: str) -> frozenset[str]:
    """Return the tables that a statement names, other than its own WITH queries."""
    return frozenset(name.strip('"') for name in referenced_relations(statement))


@cache
def ordinary() -> frozenset[str]:
    """Return the tables of ordinary models, and Django's own record of migrations, which has no model here."""
    models = (m for m in apps.get_models(include_auto_created=True) if not issubclass(m, VersionedModel))
    return frozenset(("django_migrations", *(model._meta.db_table for model in models))) - TWO


def offences(statements: Iterable[str]) -> list[str]:
    """Return the statements that name another table than the two and those of ordinary models.

    PostgreSQL's own catalog may be asked, but not together with the two.
    """
    return [statement for statement in statements if _offends(relations(statement))]


def _offends(names: frozenset[str]) -> bool:
    others = names - TWO - ordinary()
    return bool(others) and (bool(names & TWO) or not all(_is_system(name) for name in others))


def _is_system(name: str) -> bool:
    return name.startswith(("pg_", "information_schema."))
