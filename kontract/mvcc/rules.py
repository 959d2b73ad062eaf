"""What must hold for the documents of a logical table: unique values, checks, references.

The fragments are SQL over a row with ``id`` and ``data``, which is called ``{row}`` in them.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from kontract.mvcc import versions


class Key(NamedTuple):
    """Values that no two documents may share: SQL for one text of them, NULL where there is nothing to share."""

    name: str
    sql: str
    columns: frozenset[str] | None  # that it depends on; None: any


class Check(NamedTuple):
    """A condition; a document of which it is false is refused."""

    name: str
    sql: str
    columns: frozenset[str] | None


class Reference(NamedTuple):
    """A document of ``target`` that must exist: SQL for its id.

    ``target`` is a logical table's name, or a SELECT on an ordinary table that ends in the column compared with the id.
    """

    name: str
    sql: str
    target: str


class Referrer(NamedTuple):
    """Another table's reference to this one."""

    name: str
    table: str
    sql: str


class KeyReferrer(NamedTuple):
    """Another table's reference to a unique value of this one: SQL for the value there, its key row, and the value."""

    name: str
    table: str
    sql: str
    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of one table."""

    keys: tuple[Key, ...] = ()
    checks: tuple[Check, ...] = ()
    references: tuple[Reference, ...] = ()
    referrers: tuple[Referrer, ...] = ()
    key_referrers: tuple[KeyReferrer, ...] = ()

    def touched_by(self, columns: Iterable[str] | None) -> "Rules | None":
        """Return the keys and checks that a change of ``columns`` (None: of anything) can break; None: none."""
        changed = None if columns is None else frozenset(columns)

        def touched(rule: Key | Check) -> bool:
            return changed is None or rule.columns is None or not changed.isdisjoint(rule.columns)

        keys, checks = tuple(filter(touched, self.keys)), tuple(filter(touched, self.checks))
        return Rules(keys=keys, checks=checks) if keys or checks else None


@functools.lru_cache(maxsize=4096)
def write_one(rules: Rules | None, op: str, table: str) -> str:
    """See ``versions.writing.write_one``."""
    return versions.writing.write_one(op, rules.references if rules is not None else (), table)


@functools.lru_cache(maxsize=4096)
def claim_keys(rules: Rules) -> str:
    """See ``versions.rules.claim_keys``."""
    return versions.rules.claim_keys({key.name: key.sql for key in rules.keys})


@functools.lru_cache(maxsize=4096)
def list_keys(rules: Rules) -> str:
    """See ``versions.rules.list_keys``."""
    return versions.rules.list_keys({key.name: key.sql for key in rules.keys})


@functools.lru_cache(maxsize=4096)
def settle_keys(rules: Rules, old: str) -> str:
    """See ``versions.rules.settle_keys``."""
    return versions.rules.settle_keys({key.name: key.sql for key in rules.keys}, old)


@functools.lru_cache(maxsize=4096)
def violations(rules: Rules) -> str:
    """See ``versions.rules.violations``."""
    return versions.rules.violations({key.name: key.sql for key in rules.keys}, {c.name: c.sql for c in rules.checks})


@functools.lru_cache(maxsize=4096)
def verify(rules: Rules) -> str:
    """See ``versions.rules.verify``."""
    return versions.rules.verify({key.name: key.sql for key in rules.keys}, {c.name: c.sql for c in rules.checks})


@functools.lru_cache(maxsize=4096)
def hold_references(rules: Rules) -> tuple[str, ...]:
    """See ``versions.references.hold_references``."""
    return versions.references.hold_references(rules.references)


@functools.lru_cache(maxsize=4096)
def check_references(rules: Rules) -> str:
    """See ``versions.references.check_references``."""
    return versions.references.check_references(rules.references)


@functools.lru_cache(maxsize=4096)
def check_referrers(rules: Rules, ptrs: tuple[int | None, ...]) -> str:
    """See ``references.check_referrers``; ``ptrs`` are those of the referring tables, None where it was not there."""
    return versions.references.check_referrers(
        [(r.name, r.table if ptr is None else ptr, r.sql) for r, ptr in zip(rules.referrers, ptrs, strict=True)]
    )


@functools.lru_cache(maxsize=4096)
def check_key_referrers(rules: Rules) -> str:
    """See ``versions.references.check_key_referrers``."""
    return versions.references.check_key_referrers(rules.key_referrers)
