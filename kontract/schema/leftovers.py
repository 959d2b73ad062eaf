"""The key rows of unique constraints that have gone with a field or a table, and of those that come back with one.

Older code may need them until ``finish``, so that a migration leaves them where they are.
"""

from typing import Any

from kontract.mvcc.connections import fetch_one
from kontract.mvcc.versions.schema import COUNT_LIVE
from kontract.schema import record, unique
from kontract.schema.demands import find_key
from kontract.schema.ledger import TABLE, Entry, Ledger
from kontract.schema.state import ConstraintState
from kontract.tables.catalog import resolve


def remove_needless(ledger: Ledger, name: str) -> None:
    """Remove, in the open transaction, key rows of a table's constraints that neither its record nor code has."""
    table = resolve(ledger.connection, ledger.ns, name, fresh=True)
    entry, needed = ledger.read(TABLE + name) or {}, {key.name for key in table.rules.keys} if table.rules else set()
    needed |= {_called(entry, constraint) for constraint in _unique(ledger, name)}
    unique.remove(ledger.connection, ns=ledger.ns, ptr=table.ptr, kept=needed)


def remove_all(ledger: Ledger, removed: Entry) -> None:
    """Remove, in the open transaction, the key rows of a removed table."""
    unique.remove(ledger.connection, ns=ledger.ns, ptr=removed["entry"]["ptr"])


def make_again(ledger: Ledger, name: str) -> None:
    """Make, in the open transaction, the key rows of a removed table that has come back."""
    entry: Any = ledger.read(TABLE + name)
    total = fetch_one(ledger.connection, COUNT_LIVE, {"ns": ledger.ns, "ptr": entry["ptr"]})[0]
    for constraint in _unique(ledger, name):
        if (key := find_key(ledger.connection, name, constraint)) is None:
            ledger.say(f"{constraint.name} is known to older code only: run kontract_migrate verify once that is back.")
            continue
        unique.build(
            ledger.connection,
            ns=ledger.ns,
            ptr=entry["ptr"],
            name=_called(entry, constraint),
            key=key,
            data="s.data",
            total=total,
            tell=lambda done: None,
        )


def _unique(ledger: Ledger, name: str) -> list[ConstraintState]:
    found = record.read(ledger.connection, ledger.ns, name)
    return [part for part in found.state.constraints.values() if part.kind == "unique"] if found else []


def _called(entry: Entry, constraint: ConstraintState) -> str:
    name: str = entry.get("keys", {}).get(constraint.name, constraint.name)
    return name
