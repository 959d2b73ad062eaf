"""Reading documents: live, as of a snapshot, and under what a transaction has collected."""

from typing import Final

from kontract.mvcc.versions.batch import BATCH, LIVE_ROW
from kontract.mvcc.versions.ptrs import CATALOG

_LIVE_COLUMNS = "ns, ptr, id, _txid, _deleted_txid, _owner, _order, _schema, data"


def _live(columns: str) -> str:
    return f"SELECT {columns} FROM storage WHERE ns = %(ns)s AND ptr = %(ptr)s AND _deleted_txid IS NULL"


def _as_of(columns: str, restriction: str = "") -> str:
    return (
        f"SELECT {columns} FROM storage WHERE ns = %(ns)s AND ptr = %(ptr)s{restriction} "
        "AND _deleted_txid IS NULL AND _txid <= %(snapshot)s "
        f"UNION ALL SELECT {columns} FROM storage WHERE ns = %(ns)s AND ptr = -%(ptr)s{restriction} "
        "AND _deleted_txid IS NOT NULL AND _deleted_txid > %(snapshot)s AND _txid <= %(snapshot)s"
    )


IDS: Final = _live("id")
TABLES: Final = _live("id, data").replace("%(ptr)s", str(CATALOG)) + " AND id LIKE 'table/%%'"
NAMESPACE_ENTRIES: Final = TABLES.replace("%(ns)s", "0").replace("'table/", "'namespace/")

GET: Final = _live("id, data, _txid, _owner, _schema") + " AND id = ANY(%(ids)s)"
GET_AS_OF: Final = _as_of("id, data, _txid, _owner, _schema", " AND id = ANY(%(ids)s)")

EXISTING: Final = _live("id") + " AND id = ANY(%(ids)s)"
SEEN: Final = _live("id, _txid") + " AND id = ANY(%(ids)s)"

# FROM entries: a subselect with the columns of ``storage``, which PostgreSQL flattens.
SOURCE_LIVE: Final = _live(_LIVE_COLUMNS)
SOURCE_AS_OF: Final = _as_of(_LIVE_COLUMNS)


def owned(source: str) -> str:
    """Return a FROM entry that shows, of what ``source`` does, what the owner ``%(scope)s`` has; nobody has nothing."""
    return f"SELECT o.* FROM ({source}) o WHERE o._owner = %(scope)s AND o._owner <> ''"


def with_data(source: str, data: str) -> str:
    """Return a FROM entry like ``source``, whose documents are ``data``, SQL over its row ``s``."""
    columns = _LIVE_COLUMNS.removesuffix("data")
    return f"SELECT {columns}{data} AS data FROM ({source}) s"


# A document that is overwritten keeps its owner and its place; new ones come last, after every order there can be.
SOURCE_OVERLAY: Final = f"""{SOURCE_LIVE} AND id <> ALL(%(hidden)s)
UNION ALL SELECT %(ns)s::int, %(ptr)s::int, w.id, NULL::bigint, NULL::bigint, coalesce(w.owner, s._owner, %(owner)s),
  coalesce(w.ord, s._order, (1::bigint << 62) + w.n), coalesce(w.schema, 1), w.data
FROM {BATCH} {LIVE_ROW}"""

# What a batch is about to do, in order.  Beyond ``size`` characters in all it is told no more.
PREVIEW: Final = f"""
SELECT ptr, id, op, old_owner, owner, CASE WHEN size <= %(size)s THEN old END, CASE WHEN size <= %(size)s THEN new END,
  size > %(size)s, old_schema
FROM (
  SELECT *, sum(coalesce(length(old::text), 0) + coalesce(length(new::text), 0)) OVER (ORDER BY n) AS size FROM (
    SELECT w.n, w.ptr, w.id, s._owner AS old_owner, coalesce(w.owner, s._owner, %(owner)s) AS owner, s.data AS old,
      s._schema AS old_schema,
      CASE WHEN w.op = 'delete' THEN w.op WHEN s.ctid IS NULL THEN 'insert' ELSE 'update' END AS op,
      CASE w.op WHEN 'merge' THEN (s.data || w.data) - w.absent WHEN 'delete' THEN NULL ELSE w.data END AS new
    FROM {BATCH} {LIVE_ROW}
    WHERE w.op IN ('set', 'insert') OR s.ctid IS NOT NULL
  ) b
) sized ORDER BY n
"""

HISTORY: Final = """
SELECT s._txid, s._deleted_txid, s._owner, s.data, t.committed_at, t.owner, t.label, s._schema
FROM (
  SELECT _txid, _deleted_txid, _owner, data, _schema FROM storage
  WHERE ns = %(ns)s AND ptr = %(ptr)s AND id = %(id)s AND _deleted_txid IS NULL
  UNION ALL
  SELECT _txid, _deleted_txid, _owner, data, _schema FROM storage
  WHERE ns = %(ns)s AND ptr = -%(ptr)s AND id = %(id)s AND _deleted_txid IS NOT NULL AND _txid < _deleted_txid
) s
LEFT JOIN trxs t ON t.ns = %(ns)s AND t.txid = s._txid
ORDER BY s._txid DESC
"""
