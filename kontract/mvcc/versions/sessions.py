"""The SQL of the sessions of those who have signed in.

Rows of ``SESSIONS``: the id is the session's, ``_owner`` whose it is, and ``_order`` a hash of that, so that the index
on it finds all sessions of one principal.
"""

from typing import Final

from kontract.mvcc.versions.clock import NOW
from kontract.mvcc.versions.ptrs import FIRST_PTR, KEYS, SESSIONS
from kontract.mvcc.versions.rules import HASHED

_SESSION = f"s.ns = %(ns)s AND s.ptr = {SESSIONS} AND s._deleted_txid IS NULL"
_OF_PRINCIPAL = f"{_SESSION} AND s._order = hashtextextended(%(principal)s, 0) AND s._owner = %(principal)s"
_IS_ALIVE = f"(s.data ->> 'idle_until')::float8 > {NOW} AND (s.data ->> 'expires_at')::float8 > {NOW}"

CREATE_SESSION: Final = f"""
INSERT INTO storage (ns, ptr, id, _txid, _owner, _order, data)
SELECT %(ns)s, {SESSIONS}, %(sid)s, 0, %(principal)s, hashtextextended(%(principal)s, 0), %(data)s::jsonb ||
  jsonb_build_object(
    'counter', 0, 'created_at', {NOW}, 'rotated_at', {NOW},
    'idle_until', {NOW} + %(idle)s::float8, 'expires_at', {NOW} + %(absolute)s::float8
  )
RETURNING data::text
"""
# Sessions that are alive, each with its principal.
ALIVE_SESSIONS: Final = f"""
SELECT s.id, s._owner, s.data::text, p.data::text FROM storage s LEFT JOIN LATERAL (
  SELECT data FROM storage
  WHERE ns = %(ns)s AND ptr = %(users)s AND id = s._owner AND _deleted_txid IS NULL LIMIT 1
) p ON true
WHERE {_SESSION} AND s.id = ANY(%(sids)s::text[]) AND {_IS_ALIVE}
"""
ROTATE_SESSION: Final = f"""
UPDATE storage s SET data = s.data || jsonb_build_object(
  'counter', %(counter)s::bigint + 1, 'rotated_at', {NOW}, 'idle_until', {NOW} + %(idle)s::float8
)
WHERE {_SESSION} AND s.id = %(sid)s AND {_IS_ALIVE} AND (s.data ->> 'counter')::bigint = %(counter)s
RETURNING (s.data ->> 'counter')::bigint, s._owner
"""
SESSION_COUNTER: Final = f"""
SELECT (s.data ->> 'counter')::bigint, {NOW} - (s.data ->> 'rotated_at')::float8, s._owner
FROM storage s
WHERE {_SESSION} AND s.id = %(sid)s AND {_IS_ALIVE}
"""
SET_SESSION: Final = f"""
UPDATE storage s SET data = s.data || %(data)s::jsonb WHERE {_SESSION} AND s.id = %(sid)s RETURNING s.id
"""
LIST_SESSIONS: Final = f"SELECT s.id, s.data::text FROM storage s WHERE {_OF_PRINCIPAL} AND {_IS_ALIVE}"
LATEST_SESSIONS: Final = f"""
SELECT s._owner, s.id, s.data::text FROM storage s
WHERE {_SESSION} AND {_IS_ALIVE}
ORDER BY (s.data ->> 'rotated_at')::float8 DESC, s.id LIMIT %(limit)s
"""
END_SESSIONS: Final = f"""
DELETE FROM storage s WHERE {_OF_PRINCIPAL} AND (%(only)s::text IS NULL OR s.id = %(only)s)
  AND s.id IS DISTINCT FROM %(but)s::text
RETURNING s.id
"""
REMOVE_SESSIONS: Final = f"""
WITH gone AS MATERIALIZED (
  SELECT ctid FROM storage s WHERE {_SESSION} AND NOT ({_IS_ALIVE}) LIMIT %(batch)s FOR UPDATE SKIP LOCKED
), removed AS (
  DELETE FROM storage s USING gone WHERE s.ns = %(ns)s AND s.ctid = gone.ctid
)
SELECT count(*) FROM gone
"""
# Anonymous principals that nobody can be any more, for no session is left, and that own nothing.
IDLE_PRINCIPALS: Final = f"""
SELECT p.id FROM storage p
WHERE p.ns = %(ns)s AND p.ptr = %(users)s AND p._deleted_txid IS NULL AND p.data -> 'is_anonymous' = 'true'
  AND (p.data ->> 'created_at')::float8 < {NOW} - %(idle)s::float8
  AND NOT EXISTS (
    SELECT FROM storage s
    WHERE s.ns = %(ns)s AND s.ptr = {SESSIONS} AND s._deleted_txid IS NULL
      AND s._order = hashtextextended(p.id, 0) AND s._owner = p.id
  )
  AND NOT EXISTS (
    SELECT FROM storage o
    WHERE o.ns = %(ns)s AND o.ptr >= {FIRST_PTR} AND o._deleted_txid IS NULL AND o._owner = p.id
  )
ORDER BY p.id LIMIT %(batch)s
"""
# The document that has a unique value, by its key row; ``name`` is the constraint's.
FIND_UNIQUE: Final = f"""
SELECT p.id, p.data::text FROM (
  SELECT {HASHED.format(key="k.key")} AS key FROM (SELECT jsonb_build_array(%(value)s::text)::text AS key) k
) k JOIN storage u ON u.ns = %(ns)s AND u.ptr = {KEYS} AND u._deleted_txid IS NULL
  AND u.id = %(ptr)s::text || '/' || %(name)s || '/' || k.key
JOIN storage p ON p.ns = %(ns)s AND p.ptr = %(ptr)s AND p._deleted_txid IS NULL AND p.id = u.data ->> 'id'
"""
