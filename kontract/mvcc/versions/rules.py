"""Unique values, by key rows, and checks.

The fragments of a table's rules are SQL over a row with ``id`` and ``data``, called ``{row}`` in them.
"""

from collections.abc import Mapping

from kontract.mvcc.versions.batch import BATCH, LIVE_ROW
from kontract.mvcc.versions.ptrs import KEYS
from kontract.mvcc.versions.violations import VIOLATION, quote


def _states(old: str = "s.data") -> str:
    """Return the documents of one table in the batch: what they were (``old``) and what they become (``data``)."""
    return f"""d AS MATERIALIZED (
  SELECT w.n, w.id, {old} AS old,
    CASE w.op WHEN 'merge' THEN (s.data || w.data) - w.absent ELSE w.data END AS data
  FROM {BATCH} {LIVE_ROW}
  WHERE w.ptr = %(ptr)s AND (w.op IN ('set', 'insert') OR s.ctid IS NOT NULL)
)"""


HASHED = """CASE WHEN octet_length({key}) <= 600 THEN {key}
      ELSE encode(sha256(convert_to({key}, 'UTF8')), 'hex') END"""


def _keys(keys: Mapping[str, str], row: str) -> str:
    """Return the key rows' ids of a row, by constraint; long ones are hashed, because an index entry is limited."""
    values = ", ".join(f"({quote(name)}, {sql.replace('{row}', row)})" for name, sql in keys.items())
    return f"""(
    SELECT v.name, %(ptr)s::text || '/' || v.name || '/' || {HASHED.format(key="v.key")} AS key
    FROM (VALUES {values}) v(name, key) WHERE v.key IS NOT NULL
  )"""


def _key_row(key: str) -> str:
    """Return one index probe for a key row, also where the planner would rather join."""
    return f"""LATERAL (
    SELECT ctid AS tid, data ->> 'id' AS holder FROM storage
    WHERE ns = %(ns)s AND ptr = {KEYS} AND id = {key} AND _deleted_txid IS NULL LIMIT 1
  )"""


def _new_keys(keys: Mapping[str, str], old: str = "s.data") -> str:
    return f"""{_states(old)}, new AS MATERIALIZED (
  SELECT d.n, d.id, k.name, k.key FROM d CROSS JOIN LATERAL {_keys(keys, "d")} k WHERE d.data IS NOT NULL
)"""


_INSERT_KEYS = f"""
INSERT INTO storage (ns, ptr, id, _txid, data)
SELECT DISTINCT ON (n.key) %(ns)s::int, {KEYS}, n.key, 0, jsonb_build_object('id', n.id) FROM new n{{condition}}
ORDER BY n.key, n.n ON CONFLICT (ns, ptr, id) WHERE _deleted_txid IS NULL DO NOTHING"""


def claim_keys(keys: Mapping[str, str]) -> str:
    """Return the statement that takes the batch's values where they are free, and gives back which it took.

    It waits for transactions that took one of them and have not ended: so it must not run under the clock.
    """
    return f"WITH {_new_keys(keys)}{_INSERT_KEYS.format(condition='')} RETURNING id"


def list_keys(keys: Mapping[str, str]) -> str:
    """Return the statement that lists the values that the batch's documents are to have, and who has them now.

    Its columns are the key, the constraint, the document, and the holder.
    """
    return f"""WITH {_new_keys(keys)} SELECT n.key, n.name, n.id, s.holder FROM new n
LEFT JOIN {_key_row("n.key")} s ON true ORDER BY n.n"""


def settle_keys(keys: Mapping[str, str], old: str = "s.data") -> str:
    """Return the statement that, under the clock, lets go of the values that the batch's documents have no more.

    ``claimed`` are those that the transaction took on its way.  ``old`` is SQL for what is in the row ``s``.
    """
    return f"""WITH {_new_keys(keys, old)}, takers AS MATERIALIZED (
  SELECT coalesce(jsonb_object_agg(n.key, n.id), '{{}}') AS by_key FROM new n
), held AS (
  SELECT k.key FROM d CROSS JOIN LATERAL (SELECT d.id, d.old AS data) o CROSS JOIN LATERAL {_keys(keys, "o")} k
  WHERE d.old IS NOT NULL
  UNION SELECT unnest(%(claimed)s::text[])
), gone AS MATERIALIZED (
  SELECT h.key, s.tid, t.by_key ->> h.key AS taker FROM takers t CROSS JOIN held h CROSS JOIN {_key_row("h.key")} s
  WHERE s.holder IN (SELECT w.id FROM {BATCH} WHERE w.ptr = %(ptr)s)
    AND (h.key, s.holder) NOT IN (SELECT n.key, n.id FROM new n)
), released AS (
  DELETE FROM storage s USING gone g WHERE s.ns = %(ns)s AND s.ctid = g.tid AND g.taker IS NULL
), handed AS (
  UPDATE storage s SET data = jsonb_build_object('id', g.taker) FROM gone g
  WHERE s.ns = %(ns)s AND s.ctid = g.tid AND g.taker IS NOT NULL
){_INSERT_KEYS.format(condition=" WHERE n.key NOT IN (SELECT g.key FROM gone g)")}"""


def violations(keys: Mapping[str, str], checks: Mapping[str, str]) -> str:
    """Return the statement that lists what the batch violates: kind, name, document, the value's holder and key."""
    selects = []
    if keys:
        selects.append(f"""SELECT 'unique' AS kind, n.name, n.id, s.holder, n.key FROM new n
CROSS JOIN {_key_row("n.key")} s WHERE s.holder <> n.id""")
    if checks:
        values = ", ".join(f"({quote(name)}, {sql.replace('{row}', 'd')})" for name, sql in checks.items())
        selects.append(f"""SELECT 'check' AS kind, c.name, d.id, NULL AS holder, NULL AS key FROM d
CROSS JOIN LATERAL (VALUES {values}) c(name, holds) WHERE d.data IS NOT NULL AND c.holds IS FALSE""")
    return f"WITH {_new_keys(keys) if keys else _states()} {' UNION ALL '.join(selects)}"


def verify(keys: Mapping[str, str], checks: Mapping[str, str]) -> str:
    """Return the statement that fails with the first thing that the batch violates."""
    return f"""SELECT (CASE WHEN count(*) = 0 THEN '1' ELSE '{VIOLATION}' || min(format(
  '%%s constraint "%%s": document %%s', kind, name, id)) END)::int
FROM ({violations(keys, checks)}) v"""
