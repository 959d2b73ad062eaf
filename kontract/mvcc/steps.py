"""The statements that a flush is made of, each with its parameters."""

from dataclasses import dataclass
from typing import Any

from kontract.context import get_call
from kontract.mvcc import versions
from kontract.mvcc.unit import Flushed, Unit
from kontract.mvcc.writes import Table, Write, as_params, encode, encode_changes


@dataclass(frozen=True, slots=True)
class Step:
    """One statement of a flush, whose row becomes an ``Outcome``."""

    ns: int
    sql: str
    params: dict[str, Any]
    locks: bool = False


def write_step(ns: int, writes: list[Write], label: str | None, *, flushed: Flushed | None = None) -> Step:
    """Return the statement that writes versioned documents of one namespace.

    The tables are looked up again in the catalog, under the clock, so that a dropped one is never written to.
    """
    if flushed:
        params = {"ns": ns, "writes": encode(writes, start=flushed.count), **_resolved(writes)}
        return Step(ns, versions.WRITE_MORE, params | {"txid": flushed.txid, "owner": get_call().owner})
    params = {"ns": ns, "writes": encode(writes), **_resolved(writes), **_author(label)}
    return Step(ns, versions.WRITE, params, locks=True)


def write_one_step(write: Write, label: str | None = None) -> Step:
    """Return the statement that writes one versioned document and, unlike that of a batch, gives no changes back."""
    params = {"ns": write.table.ns, **as_params(write), **_resolved([write]), **_author(label)}
    return Step(write.table.ns, versions.WRITE_ONE, params, locks=True)


def single_step(write: Write) -> Step:
    """Return the statement that writes one document."""
    return write_one_step(write) if write.table.options.versioned else in_place_step(write.table.ns, [write])


def in_place_step(ns: int, writes: list[Write], unit: Unit | None = None) -> Step:
    """Return the statement that writes unversioned documents of one namespace.

    ``unit`` is the one that they are part of: it knows what was taken, and which tables it creates itself.
    """
    taken = dict.fromkeys(unit.taken, 0) if unit else None
    params = {"ns": ns, "writes": encode(writes, seen=taken), "owner": get_call().owner, **_resolved(writes, unit)}
    return Step(ns, versions.WRITE_IN_PLACE, params)


def take_step(table: Table, *, last: bool, label: str | None) -> Step:
    """Return the statement that deletes a table's first or last document and gives it back."""
    params = {"ns": table.ns, "ptr": table.ptr, **_lookup({table.ptr: catalog_id(table.name)})}
    if not table.options.versioned:
        return Step(table.ns, versions.TAKE_LAST_IN_PLACE if last else versions.TAKE_FIRST_IN_PLACE, params)
    return Step(table.ns, versions.TAKE_LAST if last else versions.TAKE_FIRST, params | _author(label), locks=True)


def finish_step(ns: int, flushed: Flushed) -> Step:
    """Return the statement that completes the log of a transaction flushed in several steps."""
    params = {"ns": ns, "txid": flushed.txid, "changes": encode_changes(flushed.changes)}
    return Step(ns, versions.FINISH, params)


def _resolved(writes: list[Write], unit: Unit | None = None) -> dict[str, str]:
    """Return the tables to look up again: all but kontract's own and those that the same batch or unit creates."""
    tables = {write.table.ptr: write.table for write in writes}
    beside = unit.by_namespace().get(writes[0].table.ns, []) if unit else writes if versions.CATALOG in tables else []
    created = {write.id for write in beside if write.table.ptr == versions.CATALOG}
    entries = {ptr: catalog_id(table.name) for ptr, table in tables.items() if ptr >= versions.FIRST_PTR}
    return _lookup({ptr: entry for ptr, entry in entries.items() if entry not in created})


def _lookup(tables: dict[int, str]) -> dict[str, str]:
    """Return the parameters as literals of PostgreSQL's arrays; the names that the catalog allows need no quoting."""
    return {"tables": f"{{{','.join(tables.values())}}}", "ptrs": f"{{{','.join(map(str, tables))}}}"}


def _author(label: str | None) -> dict[str, str | None]:
    call = get_call()
    return {"sid": call.sid, "owner": call.owner, "label": label or call.route}


def catalog_id(name: str) -> str:
    """Return the id of a logical table's document in the catalog."""
    return f"table/{name}"
