"""SQL of schema changes: the records of tables, documents that break a new rule, and the key rows of a new one.

``{data}`` is SQL for a document's data as it is read after the change, over a row ``s`` of ``storage``.
"""

from typing import Final

from kontract.mvcc.versions.ptrs import CATALOG, KEYS
from kontract.mvcc.versions.rules import HASHED

SCHEMA_ENTRIES: Final = f"""
SELECT ns, id, data::text, _txid FROM storage
WHERE ns = ANY(%(namespaces)s) AND ptr = {CATALOG} AND _deleted_txid IS NULL AND id LIKE 'schema/%%' ORDER BY ns, id
"""
TABLE_ENTRIES: Final = f"""
SELECT ns, substr(id, 7), (data ->> 'ptr')::int, data::text FROM storage
WHERE ns = ANY(%(namespaces)s) AND ptr = {CATALOG} AND _deleted_txid IS NULL AND id LIKE 'table/%%'
  AND NOT data ? 'renamed_to' ORDER BY ns, id
"""
ENTRIES: Final = f"""
SELECT ns, id, data::text FROM storage
WHERE ns = ANY(%(namespaces)s) AND ptr = {CATALOG} AND _deleted_txid IS NULL AND id = ANY(%(ids)s)
"""
IS_EMPTY: Final = """
SELECT NOT EXISTS (SELECT FROM storage WHERE ns = %(ns)s AND ptr = %(ptr)s)
  AND NOT EXISTS (SELECT FROM storage WHERE ns = %(ns)s AND ptr = -%(ptr)s)
"""
OLDEST_LIVE: Final = """
SELECT coalesce(min(_schema), %(none)s) FROM storage WHERE ns = %(ns)s AND ptr = %(ptr)s AND _deleted_txid IS NULL
"""
COUNT_LIVE: Final = "SELECT count(*) FROM storage WHERE ns = %(ns)s AND ptr = %(ptr)s AND _deleted_txid IS NULL"

_ROWS = """(
  SELECT id, {data} AS data FROM storage s WHERE ns = %(ns)s AND ptr = %(ptr)s AND _deleted_txid IS NULL{more} OFFSET 0
) d"""


def _rows(data: str, more: str = "") -> str:
    return _ROWS.replace("{data}", data.replace("%", "%%")).replace("{more}", more)


def offenders(data: str, condition: str) -> str:
    """Return the query for the documents of which ``condition``, SQL over a row ``{row}``, is true.

    Its columns are the id and how many there are in all.
    """
    return f"""
SELECT d.id, count(*) OVER () FROM {_rows(data)} WHERE {condition.replace("{row}", "d")} ORDER BY d.id
LIMIT %(limit)s"""


def duplicates(data: str, key: str) -> str:
    """Return the query for documents that share the value ``key`` with another one; see offenders()."""
    keys = f"(SELECT d.id, {key.replace('{row}', 'd')} AS key FROM {_rows(data)}) d"
    return f"""
WITH shared AS MATERIALIZED (SELECT key FROM {keys} WHERE key IS NOT NULL GROUP BY key HAVING count(*) > 1)
SELECT d.id, count(*) OVER () FROM {keys} WHERE EXISTS (SELECT FROM shared) AND d.key IN (SELECT key FROM shared)
ORDER BY d.key COLLATE "C", d.id LIMIT %(limit)s"""


def build_keys(data: str, key: str) -> str:
    """Return the statement that inserts the key rows of one batch of documents, those after ``%(after)s``.

    ``%(prefix)s`` is what their ids begin with.  It gives back how many documents it has looked at, and the last id.
    """
    batch = _rows(data, " AND id > %(after)s ORDER BY id LIMIT %(batch)s").replace(" OFFSET 0", "")
    return f"""
WITH looked AS MATERIALIZED (SELECT d.id, {key.replace("{row}", "d")} AS key FROM {batch}), inserted AS (
  INSERT INTO storage (ns, ptr, id, _txid, data)
  SELECT %(ns)s, {KEYS}, %(prefix)s || {HASHED.format(key="key")}, 0, jsonb_build_object('id', id)
  FROM looked WHERE key IS NOT NULL ORDER BY 3  -- so that neighbours in the index are inserted one after the other
)
SELECT count(*), max(id) FROM looked"""


REMOVE_KEYS: Final = f"""
DELETE FROM storage WHERE ns = %(ns)s AND ptr = {KEYS} AND _deleted_txid IS NULL AND starts_with(id, %(prefix)s)
  AND NOT EXISTS (SELECT FROM unnest(%(kept)s::text[]) k(prefix) WHERE starts_with(id, k.prefix))
"""


def keyless(data: str, key: str) -> str:
    """Return the query for the documents whose value has no key row that says that it is theirs; see offenders()."""
    return f"""
SELECT d.id, count(*) OVER () FROM (SELECT d.id, {key.replace("{row}", "d")} AS key FROM {_rows(data)}) d
WHERE d.key IS NOT NULL AND NOT EXISTS (
  SELECT FROM storage k WHERE k.ns = %(ns)s AND k.ptr = {KEYS} AND k._deleted_txid IS NULL
    AND k.id = %(prefix)s || {HASHED.format(key="d.key")} AND k.data ->> 'id' = d.id
) ORDER BY d.id LIMIT %(limit)s"""


# One text for each namespace, the same where all tables have the same names and records.
FINGERPRINTS: Final = f"""
SELECT ns, md5(string_agg(id || CASE WHEN id LIKE 'schema/%%' THEN data::text ELSE '' END, '|' ORDER BY id))
FROM storage WHERE ns = ANY(%(namespaces)s) AND ptr = {CATALOG} AND _deleted_txid IS NULL
  AND (id LIKE 'schema/%%' OR id LIKE 'table/%%') GROUP BY ns
"""
