"""Unique values and checks at the moment of a write inside a transaction, as PostgreSQL's own indexes would.

The key rows are inserted at once, not with the flush: another transaction that wants the same value waits until this
one ends, and an error comes from the statement that caused it.  They need no clock.  What a document no longer has is
let go of at the flush, under the clock, where the document's last state is certain.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.exceptions import ConstraintError
from kontract.mvcc import access
from kontract.mvcc.errors import translated
from kontract.mvcc.prepared import fetch_both_prepared, fetch_prepared
from kontract.mvcc.rules import Rules, claim_keys, list_keys, violations
from kontract.mvcc.steps import touched_rules
from kontract.mvcc.unit import Unit
from kontract.mvcc.writes import Table, Write, encode


def claim(connection: BaseDatabaseWrapper, unit: Unit, writes: Iterable[Write]) -> None:
    """Take the unique values of ``writes``, and check what they violate.  Raises ``ConstraintError``."""
    grouped: dict[Table, list[Write]] = {}
    for write in writes:
        if write.table.rules is not None and write.op != "delete":
            grouped.setdefault(write.table, []).append(write)
    for table, of_table in grouped.items():
        if (touched := touched_rules(table, of_table)) is not None:
            with translated():
                _claim(connection, unit, table, touched, of_table)


def _claim(connection: BaseDatabaseWrapper, unit: Unit, table: Table, rules: Rules, writes: list[Write]) -> None:
    params = {"ns": table.ns, "ptr": table.ptr, "writes": encode(writes)}
    if rules.keys:
        taken, violated_rules = fetch_both_prepared(connection, claim_keys(rules), violations(rules), params)
        unit.claimed.setdefault((table.ns, table.ptr), set()).update(row[0] for row in taken)
    else:
        violated_rules = fetch_prepared(connection, violations(rules), params)
    for violation in violated_rules:
        *_, holder, key = violation
        if holder is None or not is_given_up(connection, unit, table, rules, holder, key):
            raise violated(table, violation)


def is_given_up(connection: BaseDatabaseWrapper, unit: Unit, table: Table, rules: Rules, holder: str, key: str) -> bool:
    """Return whether the document ``holder`` no longer has a value when this transaction is flushed."""
    held = unit.find(table, holder)
    if held is None or held.op == "delete":
        return held is not None
    params = {"ns": table.ns, "ptr": table.ptr, "writes": encode([held])}
    return key not in {row[0] for row in fetch_prepared(connection, list_keys(rules), params)}


def violated(table: Table, violation: Sequence[Any]) -> ConstraintError:
    """Return the error that says what is violated."""
    kind, name, document_id, holder, _ = violation
    if kind == "check":
        return ConstraintError(
            f'new row for relation "{table.name}" violates check constraint "{name}": document {document_id!r}.'
        )
    other = "another document" if access.is_bound(table) else f"the document {holder!r}"
    return ConstraintError(
        f'duplicate key value violates unique constraint "{name}": {other} of {table.name!r} has the values that '
        f"{document_id!r} is to have."
    )
