"""The catalog: which logical tables and namespaces exist, and where they lie.

It is a logical table itself (ptr 0): ``table/<name>`` maps a name to its ptr and options, and in namespace 0
``namespace/<name>`` maps a name to its number.  So creating a table is a versioned write like any other.

Resolved names are cached for ``CATALOG_TTL`` seconds.  Changes by other processes are noticed sooner than that where it
matters: every write looks its tables up again, under the clock, and a read that finds nothing looks once more.
"""

import json
import re
import time
from dataclasses import replace
from typing import Any, Protocol

from django.core.signals import setting_changed
from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.conf import TableOptions, get_settings
from kontract.context import DEFAULT_NAMESPACE, get_namespace
from kontract.exceptions import (
    InvalidNameError,
    NamespaceNotFound,
    PermissionDeniedError,
    TableExistsError,
    TableNotFound,
)
from kontract.mvcc import access, versions
from kontract.mvcc.connections import fetch_all, fetch_quietly, get_alias, get_connection
from kontract.mvcc.errors import translated
from kontract.mvcc.reading import remember
from kontract.mvcc.rules import Rules
from kontract.mvcc.snapshot import check_writable
from kontract.mvcc.steps import catalog_id
from kontract.mvcc.transaction import run_transaction
from kontract.mvcc.units import collect, find_unit, require_unit, rolled_back
from kontract.mvcc.versions.ptrs import CATALOG, FIRST_PTR
from kontract.mvcc.writes import Table, Write
from kontract.perms import Perm
from kontract.tables.keys import access_options, declared_names, declared_options, find_rules
from kontract.tables.numbers import cast_row, find_casts, find_number, rename_keys

_NAME = re.compile(r"\w[\w.:-]{0,127}")


class Recorder(Protocol):
    """What else is written, in the same transaction, about a table that is created or dropped."""

    def created(self, connection: BaseDatabaseWrapper, ns: int, name: str) -> None:
        """Record a new table."""

    def dropped(self, connection: BaseDatabaseWrapper, ns: int, name: str) -> None:
        """Record that a table is gone."""


_recorders: list[Recorder] = []
_tables: dict[tuple[str, int, str], tuple[Table, float]] = {}  # alias, namespace, name -> table, when it was read
_namespaces: dict[tuple[str, str], int] = {}


def forget(using: str, **kwargs: Any) -> None:
    """Drop what is cached of the database ``using``."""
    for place in [place for place in list(_tables) if place[0] == using]:  # a copy: other threads add to it
        _tables.pop(place, None)
    for key in [key for key in list(_namespaces) if key[0] == using]:
        _namespaces.pop(key, None)


rolled_back.connect(forget, dispatch_uid="kontract.catalog")


def _forget_permissions(*, setting: str, **kwargs: Any) -> None:
    if setting == "KONTRACT":
        _tables.clear()


setting_changed.connect(_forget_permissions, dispatch_uid="kontract.catalog")


def record_with(recorder: Recorder) -> None:
    """Let ``recorder``, which stands further right, know of each table that is created or dropped."""
    _recorders[:] = [recorder]


def resolve(connection: BaseDatabaseWrapper, ns: int, name: str, *, fresh: bool = False) -> Table:
    """Return the logical table ``name``; one that the settings declare is created at its first use.

    ``fresh`` reads the catalog even if the name is cached.  Raises ``TableNotFound``.
    """
    key = (connection.alias, ns, name)
    if not fresh and (cached := _tables.get(key)) and time.monotonic() - cached[1] < get_settings().CATALOG_TTL:
        return cached[0]
    table = _look_up(connection, ns, name) or _create_declared(connection, ns, name)
    unit = find_unit(connection)
    if unit is None or not unit.of_table(_catalog(ns)):  # else it may be undone
        _tables[key] = table, time.monotonic()
    return table


def find_removed(connection: BaseDatabaseWrapper, ns: int, name: str) -> Table | None:
    """Return a table that a schema change has removed, whose history is still there; None where there is none."""
    entry = read_entry(connection, ns, f"removed/{name}")
    return None if entry is None else _as_table(connection, ns, name, entry["entry"])


def _look_up(connection: BaseDatabaseWrapper, ns: int, name: str) -> Table | None:
    entry = read_entry(connection, ns, catalog_id(name))
    return None if entry is None else _as_table(connection, ns, name, entry)


def _as_table(connection: BaseDatabaseWrapper, ns: int, name: str, entry: dict[str, Any]) -> Table:
    kept = {"versioned": entry["versioned"], "retention_days": entry.get("retention_days")}
    options = replace(access_options(name), **kept)
    rules = rename_keys(find_rules(connection, name), entry)
    referring: tuple[int | None, ...] = ()
    if rules is not None and rules.referrers:
        rules, referring = _find_referrers(connection, ns, rules)
    number = find_number(name, entry)
    return Table(
        ns=ns, ptr=entry["ptr"], name=name, options=options, rules=rules, referring=referring,
        schema=number, casts=find_casts(entry, number),
    )  # fmt: skip


def _find_referrers(connection: BaseDatabaseWrapper, ns: int, rules: Rules) -> tuple[Rules, tuple[int | None, ...]]:
    """Return rules whose referrers read documents as they are now, and the ptrs of their tables."""
    entries = [read_entry(connection, ns, catalog_id(referrer.table)) for referrer in rules.referrers]
    referrers = [
        referrer._replace(sql=cast_row(referrer.sql, entry, referrer.table))
        for referrer, entry in zip(rules.referrers, entries, strict=True)
    ]
    ptrs = tuple(None if entry is None else entry["ptr"] for entry in entries)
    return replace(rules, referrers=tuple(referrers)), ptrs


def _create_declared(connection: BaseDatabaseWrapper, ns: int, name: str) -> Table:
    options = get_settings().TABLES.get(name) or declared_options(name)
    if options is None:
        raise TableNotFound(
            f"There is no logical table {name!r}. Declare it in the settings, "
            f'KONTRACT = {{"TABLES": [{name!r}, ...]}}, or create it once with kontract.tables.create({name!r}).'
        )
    try:
        return _create(connection, ns, name, options)
    except TableExistsError:  # by another process, just now
        return resolve(connection, ns, name, fresh=True)


def create_declared(connection: BaseDatabaseWrapper, ns: int) -> list[Table]:
    """Create, in one transaction, the tables that settings and models declare and that are missing; return them all.

    Processes that do so at once wait for each other or run again, and then find nothing missing.
    """
    options = {name: declared_options(name) or TableOptions() for name in declared_names()}
    options.update(get_settings().TABLES)

    def write() -> list[Table]:
        existing = {table.name: table for table in list_tables(connection, ns).values()}
        return [existing.get(name) or _write_table(connection, ns, name, options[name]) for name in sorted(options)]

    return run_transaction(write, using=connection.alias, label="create declared tables")[0]


def create(name: str, *, versioned: bool = True, retention_days: float | None = None, using: str | None = None) -> None:
    """Create a logical table in the current namespace.

    ``versioned=False`` updates documents in place: no history, no clock, no log.  ``retention_days`` is how long vacuum
    keeps history (default: the setting ``RETENTION_DAYS``).  No DDL is run: the table is a row of the catalog.

    Raises ``TableExistsError`` and ``InvalidNameError``.
    """
    access.check_procedure(Perm.W, "Creating a logical table")
    check_writable()
    connection, ns = locate(using)
    _create(connection, ns, name, TableOptions(versioned=versioned, retention_days=retention_days))


def _create(connection: BaseDatabaseWrapper, ns: int, name: str, options: TableOptions) -> Table:
    check_name(name, "table")

    def write() -> Table:
        if read_entry(connection, ns, catalog_id(name)) is not None:
            raise TableExistsError(f"There is a logical table {name!r} already.")
        return _write_table(connection, ns, name, options)

    return run_transaction(write, using=connection.alias, label=f"create table {name}")[0]


def _write_table(connection: BaseDatabaseWrapper, ns: int, name: str, options: TableOptions) -> Table:
    ptr = _draw(connection, ns, "ptr", FIRST_PTR)
    entry = {"ptr": ptr, "versioned": options.versioned, "retention_days": options.retention_days}
    write_entry(connection, ns, catalog_id(name), entry)
    for recorder in _recorders:
        recorder.created(connection, ns, name)
    return _as_table(connection, ns, name, entry)


def drop(name: str, *, using: str | None = None) -> None:
    """Delete a logical table of the current namespace and every document in it; its history stays until vacuum.

    Raises ``TableNotFound``.
    """
    access.check_procedure(Perm.X, "Dropping a logical table")
    check_writable()
    connection, ns = locate(using)

    def write() -> None:
        table = _look_up(connection, ns, name)
        if table is None:
            raise TableNotFound(f"There is no logical table {name!r} to drop.")
        access.check(table, Perm.X)
        if access.scope(table) is not None:
            raise PermissionDeniedError(
                f"The table {name!r} may have documents of several owners. Drop it within kontract.elevated()."
            )
        unit = require_unit(connection)
        collected = unit.of_table(table)
        rows = fetch_all(connection, versions.reading.IDS, {"ns": ns, "ptr": table.ptr})
        for document_id in dict.fromkeys([*collected, *(row[0] for row in rows)]):
            collect(connection, unit, Write(table, document_id, "delete"))
        collect(connection, unit, Write(_catalog(ns), catalog_id(name), "delete"))
        for recorder in _recorders:
            recorder.dropped(connection, ns, name)

    run_transaction(write, using=connection.alias, label=f"drop table {name}")
    forget(connection.alias)


def names(*, using: str | None = None) -> list[str]:
    """Return the names of the logical tables in the current namespace, sorted."""
    connection, ns = locate(using)
    return sorted(table.name for table in list_tables(connection, ns).values())


def list_tables(connection: BaseDatabaseWrapper, ns: int) -> dict[int, Table]:
    """Return the logical tables of a namespace by ptr."""
    rows = fetch_all(connection, versions.reading.TABLES, {"ns": ns})
    entries = {row[0]: row[1] for row in rows}
    if (unit := find_unit(connection)) is not None:
        entries |= {id_: write.data for id_, write in unit.of_table(_catalog(ns)).items() if id_.startswith("table/")}
    found = {id_.partition("/")[2]: json.loads(data) for id_, data in entries.items() if data}
    tables = [_as_table(connection, ns, name, entry) for name, entry in found.items() if "renamed_to" not in entry]
    return {table.ptr: table for table in tables}


def list_stored(connection: BaseDatabaseWrapper, ns: int) -> dict[int, Table]:
    """Return everything in a namespace that has a ptr, also the catalog itself and what is left of dropped tables."""
    stored = {CATALOG: _catalog(ns)} | list_tables(connection, ns)
    for (ptr,) in fetch_all(connection, versions.past.PTRS, {"ns": ns}):
        if ptr >= FIRST_PTR and ptr not in stored:
            stored[ptr] = Table(ns=ns, ptr=ptr, name=f"(dropped, ptr {ptr})")
    return stored


# --- Namespaces ------------------------------------------------------------------------------------------------------


def list_namespaces(connection: BaseDatabaseWrapper) -> dict[str, int]:
    """Return the numbers of all namespaces in a database by their names."""
    rows = fetch_all(connection, versions.reading.NAMESPACE_ENTRIES, {})
    named = {row[0].partition("/")[2]: json.loads(row[1])["ns"] for row in rows}
    return {DEFAULT_NAMESPACE: 0} | named


def create_namespace(name: str, *, using: str | None = None) -> None:
    """Create a namespace, an isolated world with tables and a clock of its own.  One that exists is left alone.

    Raises ``InvalidNameError``.
    """
    check_name(name, "namespace")
    connection = get_connection(get_alias(name, using))

    def write() -> None:
        if read_entry(connection, 0, f"namespace/{name}") is None:
            write_entry(connection, 0, f"namespace/{name}", {"ns": _draw(connection, 0, "namespace", 1)})

    run_transaction(write, using=connection.alias, label=f"create namespace {name}")


def locate(using: str | None = None) -> tuple[BaseDatabaseWrapper, int]:
    """Return the connection that the current namespace is written to, and the namespace's number."""
    name = get_namespace()
    connection = get_connection(get_alias(name, using))
    return connection, resolve_namespace(connection, name)


def resolve_namespace(connection: BaseDatabaseWrapper, name: str) -> int:
    """Return the number of the namespace ``name``.  Raises ``NamespaceNotFound``."""
    if name == DEFAULT_NAMESPACE:
        return 0
    key = (connection.alias, name)
    if key not in _namespaces:
        entry = read_entry(connection, 0, f"namespace/{name}")
        if entry is None:
            raise NamespaceNotFound(
                f"There is no namespace {name!r}. Create it once with kontract.tables.create_namespace({name!r})."
            )
        _namespaces[key] = entry["ns"]
    return _namespaces[key]


def known_namespace(alias: str, name: str) -> int | None:
    """Return the number of the namespace ``name`` without asking the database; None where this process knows none."""
    return 0 if name == DEFAULT_NAMESPACE else _namespaces.get((alias, name))


# --- Entries ---------------------------------------------------------------------------------------------------------


def _catalog(ns: int) -> Table:
    return Table(ns=ns, ptr=CATALOG, name="catalog")


def read_entry(connection: BaseDatabaseWrapper, ns: int, entry_id: str) -> dict[str, Any] | None:
    """Return a document of the catalog, as the open transaction sees it; None where there is none."""
    catalog, unit = _catalog(ns), find_unit(connection)
    if unit is not None and (write := unit.find(catalog, entry_id)) is not None:
        return json.loads(write.data) if write.data else None
    with translated():
        rows = fetch_quietly(connection, versions.reading.GET, {"ns": ns, "ptr": catalog.ptr, "ids": [entry_id]})
    if unit is not None:
        remember(unit, catalog, {entry_id: rows[0][2] if rows else 0})
    return json.loads(rows[0][1]) if rows else None


def write_entry(connection: BaseDatabaseWrapper, ns: int, entry_id: str, entry: dict[str, Any] | None) -> None:
    """Collect a document of the catalog for the open transaction; None deletes it."""
    data = None if entry is None else json.dumps(entry)
    collect(connection, require_unit(connection), Write(_catalog(ns), entry_id, "set" if data else "delete", data))


def _draw(connection: BaseDatabaseWrapper, ns: int, sequence: str, first: int) -> int:
    """Return the next number of a sequence; two transactions that draw at once conflict, and one runs again."""
    entry = read_entry(connection, ns, f"sequence/{sequence}") or {"next": first}
    number: int = entry["next"]
    write_entry(connection, ns, f"sequence/{sequence}", {"next": number + 1})
    return number


def check_name(name: object, kind: str) -> None:
    """Raise ``InvalidNameError`` unless ``name`` can name a ``kind``, "table" or "namespace"."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidNameError(
            f"{name!r} cannot name a {kind}: use 1 to 128 letters, digits, '_', '.', ':' or '-', beginning with a "
            "letter, a digit or '_'."
        )
