"""SQL of bringing live documents to a newer schema number, in batches by id."""

from typing import Final

_ROWS = """FROM storage s{previous}
WHERE s.ns = %(ns)s AND s.ptr = %(ptr)s AND s._deleted_txid IS NULL AND s.id > %(after)s AND s._schema < %(to)s
ORDER BY s.id LIMIT %(limit)s"""

# The last version that was written before the number ``undone``.
_PREVIOUS = """ LEFT JOIN LATERAL (
  SELECT h._schema, h.data FROM storage h
  WHERE h.ns = %(ns)s AND h.ptr = -%(ptr)s AND h.id = s.id AND h._deleted_txid IS NOT NULL
    AND h._txid < h._deleted_txid AND h._schema < %(undone)s
  ORDER BY h._deleted_txid DESC LIMIT 1
) p ON true"""

OLDER: Final = "SELECT s.id, s._schema, s.data::text, NULL::int, NULL::text " + _ROWS.format(previous="")
OLDER_WITH_PREVIOUS: Final = "SELECT s.id, s._schema, s.data::text, p._schema, p.data::text " + _ROWS.format(
    previous=_PREVIOUS
)
COUNT_OLDER: Final = """
SELECT count(*) FROM storage WHERE ns = %(ns)s AND ptr = %(ptr)s AND _deleted_txid IS NULL AND _schema < %(to)s
"""
AFTER: Final = """
SELECT id, data::text, _schema FROM storage
WHERE ns = %(ns)s AND ptr = %(ptr)s AND _deleted_txid IS NULL AND id > %(after)s ORDER BY id LIMIT %(limit)s
"""
# Documents that were deleted by a transaction from ``since`` on and are not there, as they were.
DELETED_AFTER: Final = """
SELECT DISTINCT ON (h.id) h.id, h.data::text, h._schema, h._owner, h._order FROM storage h
WHERE h.ns = %(ns)s AND h.ptr = -%(ptr)s AND h._deleted_txid >= %(since)s AND h.id > %(after)s
  AND h._txid < h._deleted_txid AND NOT EXISTS (
    SELECT FROM storage s WHERE s.ns = %(ns)s AND s.ptr = %(ptr)s AND s.id = h.id AND s._deleted_txid IS NULL
  )
ORDER BY h.id, h._deleted_txid DESC LIMIT %(limit)s
"""
CATALOG_DOCUMENTS: Final = """
SELECT id, data::text FROM storage
WHERE ns = %(ns)s AND ptr = 0 AND _deleted_txid IS NULL AND starts_with(id, %(prefix)s) ORDER BY id
"""

# What an export reads, in batches by id: documents of now, of a snapshot, and all versions of documents.
_EXPORTED = "id, data::text, _schema, _txid, _owner"
EXPORT_LIVE: Final = f"""
SELECT {_EXPORTED} FROM storage
WHERE ns = %(ns)s AND ptr = %(ptr)s AND _deleted_txid IS NULL AND id > %(after)s ORDER BY id LIMIT %(limit)s
"""
EXPORT_AS_OF: Final = f"""
SELECT * FROM (
  (SELECT {_EXPORTED} FROM storage
   WHERE ns = %(ns)s AND ptr = %(ptr)s AND _deleted_txid IS NULL AND _txid <= %(snapshot)s AND id > %(after)s
   ORDER BY id LIMIT %(limit)s)
  UNION ALL
  (SELECT {_EXPORTED} FROM storage
   WHERE ns = %(ns)s AND ptr = -%(ptr)s AND _deleted_txid IS NOT NULL AND _deleted_txid > %(snapshot)s
     AND _txid <= %(snapshot)s AND id > %(after)s
   ORDER BY id LIMIT %(limit)s)
) s ORDER BY id LIMIT %(limit)s
"""
_ALL_VERSIONS = """
  SELECT id, data, _schema, _txid, _owner, _deleted_txid FROM storage
  WHERE ns = %(ns)s AND ptr = %(ptr)s AND _deleted_txid IS NULL AND _txid <= %(snapshot)s AND id > %(after)s
  UNION ALL
  SELECT id, data, _schema, _txid, _owner, CASE WHEN _deleted_txid <= %(snapshot)s THEN _deleted_txid END FROM storage
  WHERE ns = %(ns)s AND ptr = -%(ptr)s AND _deleted_txid IS NOT NULL AND _txid < _deleted_txid
    AND _txid <= %(snapshot)s AND id > %(after)s
"""
EXPORT_HISTORY: Final = f"""
SELECT v.id, v.data::text, v._schema, v._txid, v._owner, v._deleted_txid, t.committed_at, t.owner, t.label
FROM ({_ALL_VERSIONS}) v LEFT JOIN trxs t ON t.ns = %(ns)s AND t.txid = v._txid
WHERE v.id IN (SELECT DISTINCT i.id FROM ({_ALL_VERSIONS}) i ORDER BY i.id LIMIT %(limit)s)
ORDER BY v.id, v._txid
"""
