"""References between documents.

The fragments of a table's rules are SQL over a row with ``id`` and ``data``, called ``{row}`` in them.
"""

from collections.abc import Iterable, Sequence

from kontract.mvcc.versions.batch import BATCH
from kontract.mvcc.versions.ptrs import CATALOG, KEYS
from kontract.mvcc.versions.rules import HASHED
from kontract.mvcc.versions.violations import VIOLATION, quote


def missing_reference(name: str, sql: str, target: str, table: str) -> str:
    new, old = sql.replace("{row}", "d"), sql.replace("{row}", "o")
    itself = f" AND {new} <> d.id" if target == table else ""
    return f"""(
  SELECT '{VIOLATION}' || {quote(f'foreign key constraint "{name}"')} || ': document ' || d.id
  FROM b d CROSS JOIN LATERAL (SELECT d.id, d.old_data AS data) o
  WHERE {new} IS NOT NULL AND (d.tid IS NULL OR {new} IS DISTINCT FROM {old}){itself}
    AND NOT EXISTS ({_target(target)} = {new})
)"""


KEY_ROW = f"SELECT FROM storage k WHERE k.ns = %(ns)s AND k.ptr = {KEYS} AND k._deleted_txid IS NULL AND k.id"
_LIVE_ROWS = "SELECT FROM storage p WHERE p.ns = %(ns)s AND p.ptr = {ptr} AND p._deleted_txid IS NULL AND p.id"


def hold_references(references: Sequence[tuple[str, str, str]]) -> tuple[str, ...]:
    """Return the statements that, under an older snapshot, fail where a document referred to has changed since."""
    return tuple(
        f"""{_LIVE_ROWS.format(ptr=_ptr_of(target)) if target != KEY_ROW else KEY_ROW}
  IN (SELECT {sql.replace("{row}", "w")} FROM {BATCH} WHERE w.ptr = %(ptr)s AND w.op <> 'delete') FOR SHARE"""
        for _, sql, target in references
        if target == KEY_ROW or not target.startswith("SELECT")
    )


def _ptr_of(table: str) -> str:
    return _of_entry(table, "(c.data ->> 'ptr')::int")


def _of_entry(table: str, sql: str) -> str:
    """Return SQL for something of a table's entry in the catalog, over a row ``c``."""
    return (
        f"(SELECT {sql} FROM storage c WHERE c.ns = %(ns)s AND c.ptr = {CATALOG} "
        f"AND c.id = {quote(f'table/{table}')} AND c._deleted_txid IS NULL)"
    )


def _target(target: str) -> str:
    if target.startswith("SELECT"):
        return target.replace("SELECT", "SELECT true AS there", 1)
    return (
        f"SELECT true AS there FROM storage p WHERE p.ns = %(ns)s AND p.ptr = {_ptr_of(target)} "
        "AND p._deleted_txid IS NULL AND p.id"
    )


def check_references(references: Sequence[tuple[str, str, str]]) -> str:
    """Return the statement that fails where a document written in this transaction refers to one that is not there.

    ``references`` are name, SQL for the key referred to, and the table or, if it is no logical one, a query that ends
    with a comparison to the key.
    """
    return _fail_on(
        f"""SELECT {quote(name)}, d.id FROM {{documents}} d
LEFT JOIN LATERAL (
  {_target(target)} = {sql.replace("{row}", "d")} LIMIT 1
) t ON true
WHERE {sql.replace("{row}", "d")} IS NOT NULL AND t.there IS NULL"""
        for name, sql, target in references
    )


def is_dangling(sql: str, target: str) -> str:
    """Return a condition on a row ``{row}``: that what it refers to, see check_references(), is not there."""
    return f"({sql} IS NOT NULL AND NOT EXISTS ({_target(target)} = {sql}))"


def check_referrers(referrers: Sequence[tuple[str, int | str, str]]) -> str:
    """Return the statement that fails where a document is gone that others refer to.

    ``referrers`` are name, table, and SQL for the key that it refers to.  The table is given by its ptr, so that an
    index can serve, or by its name where it may be made only now.
    """
    return _fail_on(
        f"""SELECT {quote(name)}, r.id FROM storage r
WHERE r.ns = %(ns)s AND r.ptr = {_ptr_of(table) if isinstance(table, str) else table} AND r._deleted_txid IS NULL
  AND {sql.replace("{row}", "r")} = ANY(%(ids)s::text[])
  AND NOT EXISTS (
    SELECT FROM storage p
    WHERE p.ns = %(ns)s AND p.ptr = %(ptr)s AND p._deleted_txid IS NULL AND p.id = {sql.replace("{row}", "r")}
  )"""
        for name, table, sql in referrers
    )


def key_of(table: str, constraint: str, sql: str) -> tuple[str, str]:
    """Return what a reference to a unique value of ``table`` is: SQL for the key row's id, and the query for the row.

    ``sql`` is the value's text; it is that of a constraint on one field.  A table that is not there yet has no row.
    """
    key = f"jsonb_build_array({sql})::text"
    name = f"coalesce(c.data -> 'keys' ->> {quote(constraint)}, {quote(constraint)})"  # as it was called first
    prefix = _of_entry(table, f"(c.data ->> 'ptr') || '/' || {name} || '/'")
    found = f"CASE WHEN {sql} IS NOT NULL THEN coalesce({prefix}, '') || "
    return f"({found}{HASHED.format(key=key)} END)", KEY_ROW


def find_referring(table: int | str, sql: str) -> str:
    """Return the query for a document of ``table`` (ptr or name), not among ``own``, that refers to one of ``ids``."""
    ptr = _ptr_of(table) if isinstance(table, str) else table
    return f"""SELECT r.id FROM storage r WHERE r.ns = %(ns)s AND r.ptr = {ptr} AND r._deleted_txid IS NULL
  AND {sql.replace("{row}", "r")} = ANY(%(ids)s::text[]) AND r.id <> ALL(%(own)s::text[]) LIMIT 1"""


def check_key_referrers(referrers: Sequence[tuple[str, str, str, str, str]]) -> str:
    """Return the statement that fails where a document has lost a unique value by which others refer to it.

    ``referrers`` are name, table, SQL for the value in the table's documents, SQL for the id of its key row, and SQL
    for the value in the documents referred to.
    """
    return _fail_on(
        f"""SELECT {quote(name)}, r.id FROM storage r
WHERE r.ns = %(ns)s AND r.ptr = {_ptr_of(table)} AND r._deleted_txid IS NULL
  AND {sql.replace("{row}", "r")} IN (
    SELECT {value.replace("{row}", "h")} FROM storage h
    WHERE h.ns = %(ns)s AND h.ptr = -%(ptr)s AND h._deleted_txid IS NOT NULL AND h.id = ANY(%(ids)s::text[])
  )
  AND NOT EXISTS ({KEY_ROW} = {key.replace("{row}", "r")})"""
        for name, table, sql, key, value in referrers
    )


_WRITTEN_DOCUMENTS = """(
  SELECT id, data FROM storage
  WHERE ns = %(ns)s AND ptr = %(ptr)s AND _deleted_txid IS NULL AND id = ANY(%(ids)s::text[])
)"""


def _fail_on(selects: Iterable[str]) -> str:
    found = " UNION ALL ".join(f"({select.replace('{documents}', _WRITTEN_DOCUMENTS)})" for select in selects)
    return f"""SELECT (CASE WHEN count(*) = 0 THEN '1' ELSE '{VIOLATION}' || min(format(
  'foreign key constraint "%%s": document %%s', name, id)) END)::int FROM ({found}) v(name, id)"""
