"""At which number of a table's schema this process's code is, and what brings documents of other numbers to it.

The entry of a table in the catalog lists, once its documents' shape has changed, its ``schema`` number, the ``casts``,
the numbers of known ``shapes``, the ``oldest`` number whose code may run, the number that ``live`` documents have at
least, and under which names ``keys`` of constraints began that are called otherwise now.
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kontract.exceptions import SchemaOutdatedError
from kontract.mvcc.casts import Casts, Change
from kontract.mvcc.rules import Rules
from kontract.tables.keys import declared_shape

Entry = Mapping[str, Any]


def digest(shape: str) -> str:
    """Return the text under which the catalog knows a shape."""
    return hashlib.sha256(shape.encode()).hexdigest()[:16]


_digest = functools.lru_cache(maxsize=4096)(digest)


def find_number(name: str, entry: Entry) -> int:
    """Return the schema number of this process's code for a table: the last one at which documents look as it wants.

    Code that is like none of them is taken for the newest.  Raises ``SchemaOutdatedError`` for code that is older than
    the live documents' number.
    """
    current: int = entry.get("schema", 1)
    shape = declared_shape(name) if "shapes" in entry else None
    own: int = current if shape is None else entry["shapes"].get(_digest(shape), current)
    if own < entry.get("oldest", 1):
        raise SchemaOutdatedError(
            f"The documents of the table {name!r} are at number {entry['oldest']} of its schema, and this process runs "
            f"code of number {own}. Restart it with the code that the table was migrated for."
        )
    return own


def find_casts(entry: Entry, own: int) -> Casts | None:
    """Return what brings a table's documents to the number ``own``; None where their shape has never changed."""
    if not entry.get("casts"):
        return None
    return Casts(tuple(map(Change.parse, entry["casts"])), own, entry.get("live", 1))


def rename_keys(rules: Rules | None, entry: Entry) -> Rules | None:
    """Return the rules of a table with unique constraints called as when their key rows were first written.

    So code of before and after a rename share them.
    """
    names = entry.get("keys")
    if not names or rules is None:
        return rules
    return replace(rules, keys=tuple(key._replace(name=names.get(key.name, key.name)) for key in rules.keys))


def cast_row(sql: str, entry: Entry | None, name: str) -> str:
    """Return ``sql``, a rule's fragment over rows of the table ``name``, so that it reads each document cast."""
    if entry is None or not entry.get("casts"):
        return sql
    casts = find_casts(entry, find_number(name, entry))
    if casts is None or (data := casts.sql("{row}", live=True)) is None or casts.by_code(live=True):
        return sql
    return sql.replace("{row}.data", data.replace("%", "%%"))
