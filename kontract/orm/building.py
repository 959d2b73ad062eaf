"""Building the indexes that models ask for, and dropping those that none asks for any more."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.mvcc.connections import fetch_all
from kontract.orm.indexes import NAME, Definition, Index, definitions, place, versioned_models
from kontract.tables.catalog import list_tables

_EXISTING: Final = """
SELECT c.relname, i.indisvalid, quote_ident(n.nspname) || '.' || quote_ident(c.relname)
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE i.indrelid = to_regclass('storage') ORDER BY c.relname
"""
_MAY_BUILD: Final = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class WHERE oid = to_regclass('storage')"
_IS_BUILDING: Final = "SELECT FROM pg_catalog.pg_stat_progress_create_index WHERE relid = to_regclass('storage')"
ANALYZE: Final = "ANALYZE storage"  # statistics of an indexed expression are gathered only once it is indexed


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done: ``leftovers`` of builds that were interrupted first, then ``create``, then ``drop``.

    What is dropped is named with its schema, quoted.
    """

    leftovers: tuple[str, ...]
    create: tuple[Index, ...]
    drop: tuple[str, ...]

    def steps(self) -> list["Step"]:
        """Return the statements in their order; none of them can run inside a transaction."""
        steps = [Step(f"dropping {name}, whose building was interrupted", _drop(name)) for name in self.leftovers]
        steps += [
            Step(f"building {index.name} for {index.asked_by}", index.sql, _drop(index.name)) for index in self.create
        ]
        if self.create:
            steps.append(Step("gathering statistics", ANALYZE))
        return steps + [Step(f"dropping {name}, which no model asks for", _drop(name)) for name in self.drop]


class Step(NamedTuple):
    """One statement: what it does, in words, and what takes back what is left of it when it fails."""

    what: str
    sql: str
    undo: str = ""


def _drop(name: str) -> str:
    return f"DROP INDEX CONCURRENTLY IF EXISTS {name}"


def wanted(connection: BaseDatabaseWrapper, numbers: Iterable[int]) -> list[Index]:
    """Return the indexes that models ask for in the namespaces with these numbers, where their tables exist.

    Raises ``UnsupportedError`` for one that cannot be made.
    """
    by_table: dict[str, list[Definition]] = {
        model._meta.db_table: definitions(model, connection) for model in versioned_models()
    }
    tables = (table for ns in numbers for table in list_tables(connection, ns).values())
    return [place(definition, table) for table in tables for definition in by_table.get(table.name, ())]


def plan(connection: BaseDatabaseWrapper, numbers: Iterable[int], *, everywhere: bool) -> Plan:
    """Return what makes the indexes of ``storage`` those that models ask for in these namespaces.

    ``everywhere``: these are all namespaces, so that what belongs to another one is to go as well.
    """
    numbers = list(numbers)
    asked = {index.name: index for index in wanted(connection, numbers)}
    kept: set[str] = set()
    leftovers, gone = [], []
    for name, is_valid, qualified in fetch_all(connection, _EXISTING, {}):
        if name in asked and is_valid:
            kept.add(name)
        elif name in asked:
            leftovers.append(qualified)
        elif NAME.fullmatch(name) and (everywhere or int(name.split("_")[1]) in numbers):
            gone.append(qualified)
    missing = tuple(index for name, index in asked.items() if name not in kept)
    return Plan(leftovers=tuple(leftovers), create=missing, drop=tuple(gone))


def may_build(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the role owns ``storage``, as whoever indexes it must."""
    return any(row[0] for row in fetch_all(connection, _MAY_BUILD, {}))


def is_building(connection: BaseDatabaseWrapper) -> bool:
    """Return whether an index of ``storage`` is being built right now, and only looks like a leftover."""
    return bool(fetch_all(connection, _IS_BUILDING, {}))


def run(connection: BaseDatabaseWrapper, statement: str) -> None:
    """Run one statement outside of a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
