"""Snapshots, pins, undo and vacuum."""

from typing import Final

from kontract.mvcc.versions.clock import LATEST
from kontract.mvcc.versions.ptrs import HORIZONS

# The horizon is read after the data: it only grows, so what is intact now was intact then.
BOUNDS: Final = f"""
SELECT
  coalesce((SELECT (data ->> 'txid')::bigint FROM storage
            WHERE ns = %(ns)s AND ptr = {HORIZONS} AND id = %(id)s AND _deleted_txid IS NULL), 0),
  coalesce(({LATEST}), 0)
"""

# Bisection over commit order: the answer lies in [low, high).
AT: Final = """
WITH RECURSIVE search(low, high) AS (
  SELECT 0::bigint, coalesce((SELECT max(txid) + 1 FROM trxs WHERE ns = %(ns)s), 1)
  UNION ALL
  SELECT
    CASE WHEN t.committed_at <= %(at)s THEN t.txid ELSE s.low END,
    CASE WHEN t.committed_at <= %(at)s THEN s.high ELSE (s.low + s.high + 1) / 2 END
  FROM search s LEFT JOIN LATERAL (
    SELECT txid, committed_at FROM trxs
    WHERE ns = %(ns)s AND status = 1 AND txid >= (s.low + s.high + 1) / 2 AND txid < s.high
    ORDER BY txid LIMIT 1
  ) t ON true
  WHERE s.high - s.low > 1
)
SELECT max(low), %(at)s > clock_timestamp() + interval '1 minute' FROM search
"""

PIN: Final = f"""
INSERT INTO trxs (ns, sid, owner, label, status, snapshot, started_at, expires_at)
SELECT %(ns)s, %(secret)s, %(owner)s, 'pin', 2, coalesce(({LATEST}), 0), now(), now() + %(ttl)s * interval '1 second'
RETURNING txid, snapshot
"""
PINNED: Final = """
SELECT snapshot FROM trxs
WHERE ns = %(ns)s AND txid = %(txid)s AND status = 2 AND sid = %(secret)s AND expires_at > now()
"""
UNPIN: Final = "DELETE FROM trxs WHERE ns = %(ns)s AND txid = %(txid)s AND status = 2 AND sid = %(secret)s"

CHANGES: Final = "SELECT changes FROM trxs WHERE ns = %(ns)s AND txid = %(txid)s AND status = 1"

# The state before and after a transaction, for each document that it wrote.
UNDO: Final = """
SELECT w.ptr, w.id, live._txid, last.deleted_txid, before._owner, before._order, before.data,
  before._schema
FROM jsonb_to_recordset(%(documents)s::jsonb) AS w(n int, ptr int, id text)
LEFT JOIN LATERAL (
  SELECT _txid FROM storage WHERE ns = %(ns)s AND ptr = w.ptr AND id = w.id AND _deleted_txid IS NULL LIMIT 1
) live ON true
LEFT JOIN LATERAL (
  SELECT max(_deleted_txid) AS deleted_txid FROM storage
  WHERE ns = %(ns)s AND ptr = -w.ptr AND id = w.id AND _deleted_txid IS NOT NULL
) last ON true
LEFT JOIN LATERAL (
  SELECT _owner, _order, data, _schema FROM storage
  WHERE ns = %(ns)s AND ptr = -w.ptr AND id = w.id AND _deleted_txid = %(txid)s AND _txid < _deleted_txid
) before ON true
ORDER BY w.n
"""

PTRS: Final = "SELECT DISTINCT abs(ptr) FROM storage WHERE ns = %(ns)s"
NAMESPACES: Final = "SELECT DISTINCT ns FROM storage WHERE ns >= 0 ORDER BY ns"
OLDEST_PIN: Final = "SELECT min(snapshot) FROM trxs WHERE ns = %(ns)s AND status = 2 AND expires_at > now()"
SET_HORIZON: Final = f"""
INSERT INTO storage AS s (ns, ptr, id, _txid, data)
VALUES (%(ns)s, {HORIZONS}, %(id)s, 0, jsonb_build_object('txid', %(horizon)s::bigint))
ON CONFLICT (ns, ptr, id) WHERE _deleted_txid IS NULL DO UPDATE SET data = EXCLUDED.data
WHERE (s.data ->> 'txid')::bigint < %(horizon)s
"""
COUNT_REMOVABLE: Final = """
SELECT count(*) FROM storage
WHERE ns = %(ns)s AND ptr = -%(ptr)s AND _deleted_txid IS NOT NULL AND _deleted_txid <= %(horizon)s
"""
REMOVE_BATCH: Final = """
WITH gone AS (
  SELECT ctid, id FROM storage
  WHERE ns = %(ns)s AND ptr = -%(ptr)s AND _deleted_txid IS NOT NULL AND _deleted_txid <= %(horizon)s
    AND id >= %(after)s
  ORDER BY id LIMIT %(batch)s
), removed AS (
  DELETE FROM storage s USING gone WHERE s.ns = %(ns)s AND s.ctid = gone.ctid
)
SELECT count(*), max(id) FROM gone
"""
REMOVE_LOG: Final = """
WITH gone AS (
  SELECT txid FROM trxs WHERE ns = %(ns)s AND (
    (status = 2 AND expires_at <= now())
    OR (status = 1 AND txid < %(horizon)s)
  ) ORDER BY txid LIMIT %(batch)s
), removed AS (
  DELETE FROM trxs t USING gone WHERE t.ns = %(ns)s AND t.txid = gone.txid
)
SELECT count(*) FROM gone
"""
SIZES: Final = """
SELECT abs(ptr), count(*) FILTER (WHERE _deleted_txid IS NULL), count(*) FILTER (WHERE _deleted_txid IS NOT NULL),
  coalesce(sum(pg_column_size(s.*)) FILTER (WHERE _deleted_txid IS NULL), 0)::bigint,
  coalesce(sum(pg_column_size(s.*)) FILTER (WHERE _deleted_txid IS NOT NULL), 0)::bigint
FROM storage s WHERE ns = %(ns)s GROUP BY 1 ORDER BY 1
"""
