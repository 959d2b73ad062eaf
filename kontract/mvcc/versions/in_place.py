"""Unversioned tables: in place, no clock, no log."""

from typing import Final

from kontract.mvcc.versions.batch import BATCH
from kontract.mvcc.versions.violations import fail_unless
from kontract.mvcc.versions.writing import KNOWN

_NOW_ORDER = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

# What was taken (``seen``) must be there, or somebody else has it.
_ALL_TAKEN = """NOT EXISTS (
    SELECT FROM w WHERE seen IS NOT NULL AND NOT EXISTS (SELECT FROM deleted d WHERE d.ptr = w.ptr AND d.id = w.id)
  )"""

WRITE_IN_PLACE: Final = f"""
WITH {KNOWN}, w AS MATERIALIZED (
  SELECT * FROM {BATCH} ORDER BY ptr, id
), deleted AS (
  DELETE FROM storage s USING w
  WHERE w.op = 'delete' AND s.ns = %(ns)s AND s.ptr = w.ptr AND s.id = w.id AND s._deleted_txid IS NULL
  RETURNING s.ptr, s.id, s._owner
), merged AS (
  UPDATE storage s SET data = (s.data || w.data) - w.absent FROM w
  WHERE w.op = 'merge' AND s.ns = %(ns)s AND s.ptr = w.ptr AND s.id = w.id AND s._deleted_txid IS NULL
  RETURNING s._owner, s.data
), kept AS (
  INSERT INTO storage AS s (ns, ptr, id, _txid, _owner, _order, _schema, data)
  SELECT %(ns)s::int, w.ptr, w.id, 0, coalesce(w.owner, %(owner)s::text), coalesce(w.ord, {_NOW_ORDER} + w.n),
    coalesce(w.schema, 1), w.data
  FROM w WHERE w.op IN ('set', 'insert') ORDER BY w.ptr, w.id
  ON CONFLICT (ns, ptr, id) WHERE _deleted_txid IS NULL
  DO UPDATE SET data = EXCLUDED.data, _schema = EXCLUDED._schema
  RETURNING s._owner
)
SELECT 0::bigint,
  NULL::text,
  (SELECT jsonb_build_array(_owner, data) FROM (
     SELECT _owner, data FROM merged UNION ALL SELECT _owner, NULL FROM kept UNION ALL SELECT _owner, NULL FROM deleted
   ) m LIMIT 1)::text,
  {fail_unless(f"(SELECT known FROM known) AND {_ALL_TAKEN}")}
"""


def _take_in_place(direction: str) -> str:
    return f"""
WITH {KNOWN}, taken AS (
  DELETE FROM storage s WHERE s.ns = %(ns)s AND s.ctid = (
    SELECT ctid FROM storage
    WHERE ns = %(ns)s AND ptr = %(ptr)s AND _deleted_txid IS NULL AND _order IS NOT NULL
    ORDER BY _order {direction}, id {direction} LIMIT 1 FOR UPDATE SKIP LOCKED
  )
  RETURNING s.id, s.data, s._txid, s._owner
)
SELECT 0::bigint, NULL::text, (SELECT jsonb_build_array(id, data, _txid, _owner) FROM taken)::text,
  {fail_unless("(SELECT known FROM known)")}
"""


TAKE_FIRST_IN_PLACE: Final = _take_in_place("ASC")
TAKE_LAST_IN_PLACE: Final = _take_in_place("DESC")
