"""The statements that a flush is made of, each with its parameters."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from kontract.context import get_call
from kontract.mvcc.rules import (
    Rules,
    check_key_referrers,
    check_references,
    check_referrers,
    claim_keys,
    hold_references,
    settle_keys,
    verify,
    write_one,
)
from kontract.mvcc.unit import Flushed, Unit
from kontract.mvcc.versions import in_place, writing
from kontract.mvcc.versions.answers import STAMP_ANSWERS
from kontract.mvcc.versions.ptrs import ANSWERS, CATALOG, FIRST_PTR
from kontract.mvcc.writes import Table, Write, as_array, as_params, encode, encode_changes


class Statement(NamedTuple):
    """SQL and its parameters."""

    sql: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One statement of a flush, whose row becomes an ``Outcome``, and those that see to the rules of its tables.

    ``before`` run before the clock is taken, because they may wait for other transactions; ``under`` under it, and
    ``after`` when everything is written.
    """

    ns: int
    sql: str
    params: dict[str, Any]
    locks: bool = False
    before: tuple[Statement, ...] = ()
    under: tuple[Statement, ...] = ()
    after: tuple[Statement, ...] = ()


def write_step(
    ns: int, writes: list[Write], label: str | None, *, flushed: Flushed | None = None, unit: Unit | None = None
) -> Step:
    """Return the statement that writes versioned documents of one namespace.

    The tables are looked up again in the catalog, under the clock, so that a dropped one is never written to.
    """
    rules = _rule_statements(ns, writes, unit)
    if flushed:
        params = {"ns": ns, "writes": encode(writes, start=flushed.count), **_resolved(writes)}
        params |= {"txid": flushed.txid, "owner": get_call().owner}
        return Step(ns, writing.WRITE_MORE, params, **rules)
    params = {"ns": ns, "writes": encode(writes), **_resolved(writes), **_author(label)}
    return Step(ns, writing.WRITE, params, locks=True, **rules)


def write_one_step(write: Write, label: str | None = None, unit: Unit | None = None) -> Step:
    """Return the statement that writes one versioned document and, unlike that of a batch, gives no changes back.

    It looks itself whether there is what the document newly refers to.
    """
    table = write.table
    params = {"ns": table.ns, **as_params(write), **_resolved([write]), **_author(label)}
    rules = _rule_statements(table.ns, [write], unit, check_references=False)
    return Step(table.ns, write_one(table.rules, write.op, table.name), params, locks=True, **rules)


def single_step(write: Write) -> Step:
    """Return the statement that writes one document."""
    return write_one_step(write) if write.table.options.versioned else in_place_step(write.table.ns, [write])


def in_place_step(ns: int, writes: list[Write], unit: Unit | None = None) -> Step:
    """Return the statement that writes unversioned documents of one namespace.

    ``unit`` is the one that they are part of: it knows what was taken, and which tables it creates itself.
    """
    taken = dict.fromkeys(unit.taken, 0) if unit else None
    params = {"ns": ns, "writes": encode(writes, seen=taken), "owner": get_call().owner, **_resolved(writes, unit)}
    rules = _rule_statements(ns, writes, unit)
    locks = any(rules.values())
    if answers := [write.id for write in writes if write.table.ptr == ANSWERS]:
        stamp = Statement(STAMP_ANSWERS, {"ns": ns, "ids": as_array(answers)})
        rules["after"] = (*rules.get("after", ()), stamp)
    return Step(ns, in_place.WRITE_IN_PLACE, params, locks=locks, **rules)


def take_step(table: Table, *, last: bool, label: str | None) -> Step:
    """Return the statement that deletes a table's first or last document and gives it back."""
    params = {"ns": table.ns, "ptr": table.ptr, **_lookup({table.ptr: catalog_id(table.name)})}
    if not table.options.versioned:
        return Step(table.ns, in_place.TAKE_LAST_IN_PLACE if last else in_place.TAKE_FIRST_IN_PLACE, params)
    return Step(table.ns, writing.TAKE_LAST if last else writing.TAKE_FIRST, params | _author(label), locks=True)


def finish_step(ns: int, flushed: Flushed) -> Step:
    """Return the statement that completes the log of a transaction flushed in several steps."""
    params = {"ns": ns, "txid": flushed.txid, "changes": encode_changes(flushed.changes)}
    changed: dict[Table, tuple[list[str], list[str]]] = {}
    for table, ids in flushed.changed.items():
        gone = {
            document_id for (ptr, document_id), op in flushed.changes.items() if op == "delete" and ptr == table.ptr
        }
        changed[table] = [id_ for id_ in ids if id_ not in gone], [id_ for id_ in ids if id_ in gone]
    return Step(ns, writing.FINISH, params, after=tuple(reference_checks(changed)))


# --- Rules -----------------------------------------------------------------------------------------------------------


def _rule_statements(
    ns: int, writes: list[Write], unit: Unit | None, *, check_references: bool = True
) -> dict[str, Any]:
    """Return the statements that see to the rules of the tables written, as arguments of ``Step``."""
    if not any(write.table.rules for write in writes):
        return {}
    before: list[Statement] = []
    under: list[Statement] = []
    changed: dict[Table, tuple[list[str], list[str]]] = {}
    for table, of_table in _by_table(writes).items():
        if table.rules is None:
            continue
        touched = touched_rules(table, of_table)
        hold = unit is not None and unit.isolation != "joined" and table.rules.references
        if touched or hold:
            params = {"ns": ns, "ptr": table.ptr, "writes": encode(of_table)}
            if touched:
                _add_key_statements(touched, table, of_table, params, unit, before, under)
            if hold:
                under.extend(Statement(sql, params) for sql in hold_references(table.rules))
        written = [write.id for write in of_table if write.op != "delete"]
        deleted = [write.id for write in of_table if write.op == "delete"]
        changed[table] = written, deleted
    in_steps = unit is not None and ns in unit.in_steps and writes[0].table.options.versioned
    after = () if in_steps else tuple(reference_checks(changed, outgoing=check_references))
    return {"before": tuple(before), "under": tuple(under), "after": after}


def _add_key_statements(
    touched: Rules,
    table: Table,
    writes: list[Write],
    params: dict[str, Any],
    unit: Unit | None,
    before: list[Statement],
    under: list[Statement],
) -> None:
    eager = unit is not None and unit.eager
    if touched.keys and not eager and any(write.op != "delete" for write in writes):
        before.append(Statement(claim_keys(touched), params))
    claimed = sorted(unit.claimed.get((table.ns, table.ptr), ())) if unit else []
    if touched.keys and (claimed or any(write.op != "insert" for write in writes)):
        under.append(Statement(settle_keys(touched, table.old_data), params | {"claimed": as_array(claimed)}))
    if any(write.op != "delete" for write in writes):
        under.append(Statement(verify(touched), params))


def touched_rules(table: Table, writes: Iterable[Write]) -> Rules | None:
    """Return the keys and checks of ``table`` that ``writes`` can break; None: none."""
    if table.rules is None or not (table.rules.keys or table.rules.checks):
        return None
    columns: set[str] = set()
    for write in writes:
        if write.op != "merge":
            return table.rules.touched_by(None)
        columns.update(json.loads(write.data or "{}"), write.absent)
    return table.rules.touched_by(columns)


def reference_checks(
    changed: Mapping[Table, tuple[list[str], list[str]]], *, outgoing: bool = True
) -> Iterator[Statement]:
    """Yield the statements that check references, for the ids written and the ids deleted, by table.

    ``outgoing``: whether also those of the documents written, not only those to them.
    """
    for table, (written, deleted) in changed.items():
        if outgoing and table.rules is not None and table.rules.references and written:
            yield Statement(check_references(table.rules), {"ns": table.ns, "ptr": table.ptr, "ids": as_array(written)})
        if table.rules is not None and table.rules.key_referrers:
            params = {"ns": table.ns, "ptr": table.ptr, "ids": as_array([*written, *deleted])}
            yield Statement(check_key_referrers(table.rules), params)
        if table.rules is not None and table.rules.referrers and deleted:
            check = check_referrers(table.rules, table.referring)
            yield Statement(check, {"ns": table.ns, "ptr": table.ptr, "ids": as_array(deleted)})


def _by_table(writes: Iterable[Write]) -> dict[Table, list[Write]]:
    grouped: dict[Table, list[Write]] = {}
    for write in writes:
        grouped.setdefault(write.table, []).append(write)
    return grouped


def _resolved(writes: list[Write], unit: Unit | None = None) -> dict[str, str]:
    """Return the tables to look up again: all but kontract's own and those that the same batch or unit creates."""
    tables = {write.table.ptr: write.table for write in writes}
    beside = unit.by_namespace().get(writes[0].table.ns, []) if unit else writes if CATALOG in tables else []
    created = {write.id for write in beside if write.table.ptr == CATALOG}
    entries = {ptr: catalog_id(table.name) for ptr, table in tables.items() if ptr >= FIRST_PTR}
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
