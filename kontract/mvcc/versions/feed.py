"""The SQL of the feed of changes, which is read from the log.

It is read in two steps.  The first one is the log; the second one finds the documents that it names, each by one or two
index probes.  The later snapshot of the second does not harm: what a transaction wrote stays what it was, be it live or
history by then, until vacuum removes it, which the horizons tell.
"""

import re
from collections.abc import Mapping
from typing import Final

from kontract.mvcc.versions.clock import LATEST
from kontract.mvcc.versions.ptrs import CATALOG, HORIZONS

LOG_HORIZON: Final = "log"  # id of the horizon of the log itself

# Positions right behind the header of a page, where PostgreSQL is about to write, count as before it: there is nothing
# between that could be flushed.  https://www.postgresql.org/docs/current/wal-internals.html
_WRITTEN = """(
  SELECT w.lsn - CASE WHEN w.at %% w.segment = 40 THEN 40 WHEN w.at %% w.block = 24 AND w.at %% w.segment <> 24 THEN 24
    ELSE 0 END::numeric
  FROM (
    SELECT p.lsn, p.lsn - '0/0'::pg_lsn AS at, pg_size_bytes(current_setting('wal_segment_size')) AS segment,
      current_setting('wal_block_size')::int AS block
    FROM (SELECT pg_current_wal_insert_lsn() AS lsn OFFSET 0) p
  ) w
)"""

# Up to where the server must have flushed, so that what this statement sees cannot be lost; NULL: it has.
_UNFLUSHED = f"""CASE WHEN (%(group)s OR current_setting('synchronous_commit') = 'off') AND NOT pg_is_in_recovery()
  THEN {_WRITTEN} END::text"""

# The changes of some transactions may be many: beyond ``size`` bytes no further transaction is read.
LOG: Final = f"""
SELECT h.latest, h.unflushed, l.txid, l.owner, l.label, l.committed_at, l.changes::text
FROM (SELECT coalesce(({LATEST}), 0) AS latest, {_UNFLUSHED} AS unflushed) h LEFT JOIN (
  SELECT t.*, sum(pg_column_size(t.changes)) OVER (ORDER BY t.txid) - pg_column_size(t.changes) AS before
  FROM (
    SELECT txid, owner, label, committed_at, changes FROM trxs
    WHERE ns = %(ns)s AND status = 1 AND txid >= %(first)s ORDER BY txid LIMIT %(limit)s
  ) t
) l ON l.before < %(size)s
ORDER BY l.txid
"""
FLUSHED: Final = "SELECT pg_current_wal_flush_lsn() >= %(lsn)s::pg_lsn"

_AFTER = """LEFT JOIN LATERAL (
  (SELECT _owner, _schema, data FROM storage
   WHERE c.op <> 'delete' AND ns = %(ns)s AND ptr = c.ptr AND id = c.id AND _deleted_txid IS NULL AND _txid = c.txid)
  UNION ALL
  (SELECT h._owner, h._schema, h.data FROM (
    SELECT _txid, _owner, _schema, data FROM storage
    WHERE c.op <> 'delete' AND ns = %(ns)s AND ptr = -c.ptr AND id = c.id
      AND _deleted_txid IS NOT NULL AND _deleted_txid > c.txid
    ORDER BY _deleted_txid LIMIT 1
  ) h WHERE h._txid = c.txid)
  LIMIT 1
) a ON true"""

_BEFORE = """LEFT JOIN LATERAL (
  SELECT _owner, _schema, data FROM storage
  WHERE {condition} AND ns = %(ns)s AND ptr = -c.ptr AND id = c.id AND _deleted_txid IS NOT NULL
    AND _deleted_txid = c.txid AND _txid < _deleted_txid
  LIMIT 1
) b ON true"""


def _documents(*, old: bool) -> str:
    before = _BEFORE.format(condition="c.op <> 'insert'" if old else "c.op = 'delete'")
    size = "coalesce(pg_column_size(a.data), 0)" + (" + coalesce(pg_column_size(b.data), 0)" if old else "")
    return f"""
SELECT d.owner, d.schema, d.data::text, d.old_owner, d.old_schema, d.old::text FROM (
  SELECT c.n, a._owner AS owner, a._schema AS schema, a.data, b._owner AS old_owner, b._schema AS old_schema,
    {"b.data" if old else "NULL::jsonb"} AS old,
    sum({size}) OVER (ORDER BY c.n) - ({size}) AS before
  FROM unnest(%(ptrs)s::int[], %(ids)s::text[], %(txids)s::bigint[], %(ops)s::text[])
    WITH ORDINALITY AS c(ptr, id, txid, op, n)
  {_AFTER} {before}
) d WHERE d.before < %(size)s ORDER BY d.n
"""


# The state after each change and, with ``old`` or for deletes at least its owner, before it.  Beyond ``size`` bytes as
# stored no further one is read, but always the first.
DOCUMENTS: Final = _documents(old=False)
DOCUMENTS_WITH_OLD: Final = _documents(old=True)

# Of all tables, or of those with these ids, ptrs as text.
HORIZON: Final = f"""
SELECT coalesce(max((data ->> 'txid')::bigint), 0) FROM storage
WHERE ns = %(ns)s AND ptr = {HORIZONS} AND _deleted_txid IS NULL
  AND (%(ids)s::text[] IS NULL OR id = ANY(%(ids)s::text[]))
"""

# Every table that there is, or was: the name of a ptr, and when its entry was written (NULL: it is gone).
NAMES: Final = f"""
SELECT (data ->> 'ptr')::int, substr(id, 7), _txid FROM storage
WHERE ns = %(ns)s AND ptr = {CATALOG} AND _deleted_txid IS NULL AND id LIKE 'table/%%'
UNION ALL
SELECT (data ->> 'ptr')::int, substr(id, 7), NULL FROM storage
WHERE ns = %(ns)s AND ptr = {CATALOG} AND _deleted_txid IS NOT NULL AND id LIKE 'table/%%'
"""

# The last transaction of each of some namespaces.
LATEST_OF_EACH: Final = f"""
SELECT n.ns, coalesce(({LATEST.replace("ns = %(ns)s", "trxs.ns = n.ns")}), 0) FROM unnest(%(namespaces)s::int[]) n(ns)
"""
LISTEN: Final = "LISTEN kontract"

# What a notification says: the last txid of each namespace in which its sender has committed, such as "0:4711,3:12".
_PAYLOAD: Final = re.compile(r"[0-9]{1,10}:[0-9]{1,19}(?:,[0-9]{1,10}:[0-9]{1,19})*", re.ASCII)
_MOST_NAMED: Final = 200  # namespaces; PostgreSQL takes 8,000 bytes


def notify(latest: Mapping[int, int]) -> str:
    """Return the statement that tells of commits; where they are in many namespaces it does not say in which."""
    if len(latest) > _MOST_NAMED:
        return "NOTIFY kontract"
    return f"NOTIFY kontract, '{','.join(f'{int(ns)}:{int(txid)}' for ns, txid in latest.items())}'"


def read_payload(payload: str) -> dict[int, int]:
    """Return what a notification says, {} where that is nothing.  A hint: whoever can connect can send any."""
    if not _PAYLOAD.fullmatch(payload):
        return {}
    return {int(ns): int(txid) for ns, txid in (pair.split(":") for pair in payload.split(","))}
