"""Whether what the two tables say about the past fits together: run at the end of every storage test.

The versions of a document are intervals ``[_txid, _deleted_txid)``.  They tell which transaction began and which ended
each, and the log tells the same from the other side; the two must agree in every document of the namespace.
"""

from typing import Any

from kontract.mvcc.connections import fetch_all
from kontract.tables.catalog import locate

OVERLAPPING = """
SELECT ptr, id, _txid, _deleted_txid, next FROM (
  SELECT *, lead(_txid) OVER (PARTITION BY abs(ptr), id ORDER BY _txid) AS next FROM storage
  WHERE ns = %(ns)s AND _txid > 0 AND _txid IS DISTINCT FROM _deleted_txid
) v WHERE next < coalesce(_deleted_txid, 9223372036854775807) OR _deleted_txid < _txid
"""

LIVE_TWICE = """
SELECT ptr, id, count(*) FROM storage WHERE ns = %(ns)s AND _deleted_txid IS NULL GROUP BY ptr, id HAVING count(*) > 1
"""

MISPLACED = """
SELECT ptr, id, _txid, _deleted_txid FROM storage
WHERE ns = %(ns)s AND (_deleted_txid IS NULL AND ptr < 0 OR _deleted_txid IS NOT NULL AND ptr > 0)
"""

# A version that begins where another ends is an update; one that only begins, an insert; one that only ends, a delete.
UNLOGGED_OR_UNSTORED = """
WITH stored AS (
  SELECT txid, ptr, id, CASE WHEN bool_and(begins) THEN 'insert' WHEN bool_or(begins) THEN 'update' ELSE 'delete' END
  FROM (
    SELECT _txid AS txid, abs(ptr) AS ptr, id, true AS begins FROM storage
    WHERE ns = %(ns)s AND _txid > 0 AND _txid IS DISTINCT FROM _deleted_txid
    UNION ALL
    SELECT _deleted_txid, abs(ptr), id, false FROM storage WHERE ns = %(ns)s AND _txid < _deleted_txid
  ) edges GROUP BY txid, ptr, id
), logged AS (
  SELECT txid, ptr::int, id, op
  FROM trxs, jsonb_each(changes) AS p(ptr, ops), jsonb_each(ops) AS o(op, ids), jsonb_array_elements_text(ids) AS i(id)
  WHERE ns = %(ns)s AND status = 1
)
SELECT 'stored but not logged', * FROM (TABLE stored EXCEPT ALL TABLE logged) a
UNION ALL SELECT 'logged but not stored', * FROM (TABLE logged EXCEPT ALL TABLE stored) b
"""

OUT_OF_ORDER = """
SELECT txid, snapshot, committed_at, earlier FROM (
  SELECT *, max(committed_at) OVER (ORDER BY txid ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS earlier
  FROM trxs WHERE ns = %(ns)s AND status = 1
) t WHERE snapshot >= txid OR committed_at < earlier
"""


def check_consistency(using: str | None = None) -> None:
    """Fail unless the current namespace, from which vacuum has removed nothing, is consistent."""
    connection, ns = locate(using)
    for problem, sql in {
        "versions of one document overlap": OVERLAPPING,
        "a document is live twice": LIVE_TWICE,
        "a version lies under the wrong sign": MISPLACED,
        "the log and the versions differ": UNLOGGED_OR_UNSTORED,
        "txids are not in commit order": OUT_OF_ORDER,
    }.items():
        rows: list[Any] = fetch_all(connection, sql, {"ns": ns})
        assert not rows, f"{problem}: {rows}"
