"""Writing: a batch, or a single document, in one statement that reads, logs, keeps history and writes."""

from collections.abc import Sequence
from typing import Final

from kontract.mvcc.versions.batch import BATCH, LIVE_ROW
from kontract.mvcc.versions.ptrs import CATALOG
from kontract.mvcc.versions.references import missing_reference
from kontract.mvcc.versions.violations import PRIMARY_KEY, VIOLATION, fail_unless

PARAMETER_TYPES: Final = {  # of the statements that a flush is made of, which are prepared
    "ns": "int",
    "writes": "jsonb",
    "tables": "text[]",
    "ptrs": "int[]",
    "sid": "text",
    "owner": "text",
    "label": "text",
    "txid": "bigint",
    "ptr": "int",
    "id": "text",
    "data": "jsonb",
    "owned": "text",
    "ord": "bigint",
    "absent": "text[]",
    "ids": "text[]",
    "claimed": "text[]",
    "timeout": "text",
    "changes": "jsonb",
    "before": "jsonb",
    "mark": "text",
    "after": "jsonb",
    "new_id": "text",
    "new": "jsonb",
    "schema": "int",
    "first": "bigint",
    "limit": "int",
    "size": "bigint",
    "group": "boolean",
    "txids": "bigint[]",
    "ops": "text[]",
}

_ONE = (
    "(SELECT 0 AS n, %(ptr)s::int AS ptr, %(id)s::text AS id, %(data)s::jsonb AS data, "
    "%(owned)s::text AS owner, %(ord)s::bigint AS ord, %(absent)s::text[] AS absent, %(schema)s::int AS schema) w"
)

_EDGE = """
  (SELECT 0 AS n, ptr, id, NULL::jsonb AS data, NULL::text AS owner, NULL::bigint AS ord, '{{}}'::text[] AS absent,
     1 AS schema
   FROM storage WHERE ns = %(ns)s AND ptr = %(ptr)s AND _deleted_txid IS NULL AND _order IS NOT NULL
   ORDER BY _order {direction}, id {direction} LIMIT 1) AS w"""

_NEW_TRANSACTION = """
  INSERT INTO trxs (ns, sid, owner, label, status, started_at, committed_at, changes)
  SELECT %(ns)s::int, %(sid)s::text, %(owner)s::text, %(label)s::text, 1, now(), clock_timestamp(), changes FROM log
  RETURNING txid, changes"""

_SAME_TRANSACTION = "SELECT %(txid)s::bigint AS txid, changes FROM log"

# Whether the tables are still what they were when their names were resolved.
KNOWN = f"""known AS MATERIALIZED (
  SELECT count(*) = cardinality(%(tables)s::text[]) AS known FROM storage
  WHERE ns = %(ns)s AND ptr = {CATALOG} AND id = ANY(%(tables)s::text[]) AND _deleted_txid IS NULL
    AND (data ->> 'ptr')::int = ANY(%(ptrs)s::int[])
)"""
_KNOWN_ONE = f"""known AS MATERIALIZED (
  SELECT %(tables)s::text[] = '{{}}' OR EXISTS (
    SELECT FROM storage
    WHERE ns = %(ns)s AND ptr = {CATALOG} AND id = (%(tables)s::text[])[1] AND _deleted_txid IS NULL
      AND (data ->> 'ptr')::int = %(ptr)s::int
  ) AS known
)"""
_DUPLICATE = (
    f"(SELECT '{VIOLATION}{PRIMARY_KEY}: there is a document ' || min(id) FROM b "
    "WHERE op = 'insert' AND tid IS NOT NULL)"
)


def _change(op: str) -> str:
    return f"CASE WHEN {op} = 'delete' THEN 'delete' WHEN tid IS NULL THEN 'insert' ELSE 'update' END"


_LOG = f"""
  SELECT jsonb_object_agg(ptr, ops) AS changes FROM (
    SELECT ptr, jsonb_object_agg(op, ids) AS ops FROM (
      SELECT ptr, {_change("op")} AS op, jsonb_agg(id ORDER BY n) AS ids FROM b GROUP BY 1, 2
    ) o GROUP BY ptr
  ) p HAVING count(*) > 0"""


def _log_of_one(op: str) -> str:
    return f"""
  SELECT jsonb_build_object(ptr, jsonb_build_object({_change(op)}, jsonb_build_array(id))) AS changes FROM b"""


def _write(
    batch: str,
    transaction: str,
    *,
    op: str = "op",
    known: str = KNOWN,
    log: str = _LOG,
    changes: str = "t.changes",
    result: str = "NULL",
    violated: str = _DUPLICATE,
) -> str:
    """Return the statement that writes ``batch``.  Where all of it has one ``op``, that is a literal.

    The planner then leaves out what is not to be done, which makes the statement faster to begin.
    """
    return f"""
WITH {known}, b AS MATERIALIZED (
  SELECT w.n, w.ptr, w.id, {op} AS op, coalesce(w.owner, s._owner, %(owner)s::text) AS owner, w.ord,
    coalesce(w.schema, 1) AS schema,
    CASE {op} WHEN 'merge' THEN (s.data || w.data) - w.absent ELSE w.data END AS data,
    s.ctid AS tid, s._txid AS old_txid, s._owner AS old_owner, s._order AS old_order, s._schema AS old_schema,
    s.data AS old_data
  FROM {batch} {LIVE_ROW}
  WHERE {op} IN ('set', 'insert') OR s.ctid IS NOT NULL
), log AS ({log}
), t AS ({transaction}
), stored AS (  -- the version that is replaced, or where there is none the new one
  INSERT INTO storage (ns, ptr, id, _txid, _deleted_txid, _owner, _order, _schema, data)
  SELECT %(ns)s::int, CASE WHEN b.tid IS NULL THEN b.ptr ELSE -b.ptr END, b.id,
    coalesce(b.old_txid, t.txid), CASE WHEN b.tid IS NOT NULL THEN t.txid END, coalesce(b.old_owner, b.owner),
    coalesce(b.old_order, b.ord, (t.txid << 20) + b.n), coalesce(b.old_schema, b.schema), coalesce(b.old_data, b.data)
  FROM b, t WHERE b.tid IS NULL OR ({op} <> 'delete' AND b.old_txid <> t.txid)
), replaced AS (
  UPDATE storage s SET
    ptr = CASE WHEN {op} = 'delete' THEN -s.ptr ELSE s.ptr END,
    _txid = CASE WHEN {op} = 'delete' THEN s._txid ELSE t.txid END,
    _deleted_txid = CASE WHEN {op} = 'delete' THEN t.txid END,
    _owner = b.owner,
    _schema = CASE WHEN {op} = 'delete' THEN s._schema ELSE b.schema END,
    data = CASE WHEN {op} = 'delete' THEN s.data ELSE b.data END
  FROM b, t WHERE s.ctid = b.tid AND s.ns = %(ns)s
)
SELECT t.txid, {changes}::text, ({result})::text, {fail_unless("k.known", violated)}
FROM known k LEFT JOIN t ON true"""


def _write_one(source: str, op: str, *, result: str, violated: str = "NULL") -> str:
    literal = f"'{op}'"
    return _write(
        source, _NEW_TRANSACTION, op=literal, known=_KNOWN_ONE, log=_log_of_one(literal), changes="NULL",
        result=result, violated=violated,
    )  # fmt: skip


def write_one(op: str, references: Sequence[tuple[str, str, str]], table: str) -> str:
    """Return the statement that does ``op`` to one document of ``table``; for ``references`` see ``check_references``.

    What the document referred to before need not be looked up: as long as it does, that cannot be deleted.
    """
    violated = [missing_reference(*reference, table) for reference in references if op != "delete"]
    if op == "insert":
        violated.insert(0, _DUPLICATE.replace("op = 'insert' AND ", ""))
    written = f"SELECT jsonb_build_array(owner, {'data' if op == 'merge' else 'NULL'}) FROM b"
    return _write_one(_ONE, op, result=written, violated=f"coalesce({', '.join([*violated, 'NULL'])})")


_TAKEN = "SELECT jsonb_build_array(id, old_data, old_txid, old_owner) FROM b"

WRITE: Final = _write(BATCH, _NEW_TRANSACTION)
WRITE_MORE: Final = _write(BATCH, _SAME_TRANSACTION)
TAKE_FIRST: Final = _write_one(_EDGE.format(direction="ASC"), "delete", result=_TAKEN)
TAKE_LAST: Final = _write_one(_EDGE.format(direction="DESC"), "delete", result=_TAKEN)
FINISH: Final = """
UPDATE trxs SET changes = %(changes)s::jsonb, committed_at = clock_timestamp() WHERE ns = %(ns)s AND txid = %(txid)s
RETURNING txid, NULL::text, NULL::text, 1
"""
OUTCOME_COLUMNS: Final = 4  # txid (0: unversioned), changes of a batch, what a single write gives back, 1

STALE: Final = f"""
SELECT w.ptr, w.id FROM {BATCH} {LIVE_ROW}
WHERE w.seen IS NOT NULL AND coalesce(s._txid, 0) <> w.seen ORDER BY w.n
"""
