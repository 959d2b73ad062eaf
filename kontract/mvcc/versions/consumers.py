"""The SQL of durable consumers, rows of ``CONSUMERS``.

For each part of a consumer there is its position, ``at/<name>/<parts>/<part>``, and while a worker has it a lease,
``lease/<name>/...``, which says until when.  They are two rows, because the lease is renewed while a transaction that
is about to move the position is open.  Both have the token of whoever has claimed the part last: a worker that was
taken for dead finds another token, and cannot move the position any more.

``worker/<id>`` is a worker that lives, ``dead/<name>/<txid>.<ordinal>`` a change that a consumer could not take.
"""

from typing import Final

from kontract.mvcc.versions.clock import NOW
from kontract.mvcc.versions.ptrs import CONSUMERS

_ROWS = f"ns = %(ns)s AND ptr = {CONSUMERS} AND _deleted_txid IS NULL"
_UNTIL = "(data ->> 'until')::float8"
_CONFLICT = "ON CONFLICT (ns, ptr, id) WHERE _deleted_txid IS NULL"

LIST: Final = f"SELECT id, data::text FROM storage WHERE {_ROWS} AND starts_with(id, %(prefix)s) ORDER BY id"
LIST_TO_CHANGE: Final = f"{LIST} FOR UPDATE"
INSERT: Final = f"""
INSERT INTO storage (ns, ptr, id, _txid, data) VALUES (%(ns)s, {CONSUMERS}, %(id)s, 0, %(data)s::jsonb)
{_CONFLICT} DO NOTHING
"""
REMOVE: Final = f"DELETE FROM storage WHERE {_ROWS} AND id = %(id)s"
RESET: Final = f"""
UPDATE storage SET data = (data || %(position)s::jsonb) - 'error' - 'token'
WHERE {_ROWS} AND starts_with(id, %(prefix)s)
"""
UNLEASE: Final = f"DELETE FROM storage WHERE {_ROWS} AND starts_with(id, %(prefix)s)"

# Whoever finds a row locked leaves it to the other.  Whoever has waited for nobody, but looked before another claimed
# the part, finds a token that is not the old lease's.
_LEASE = f"""FROM storage l WHERE l.ns = %(ns)s AND l.ptr = {CONSUMERS} AND l._deleted_txid IS NULL
        AND l.id = 'lease' || substr(p.id, 3)"""
CLAIM: Final = f"""
WITH free AS MATERIALIZED (
  SELECT p.ctid FROM storage p
  WHERE p.ns = %(ns)s AND p.ptr = {CONSUMERS} AND p._deleted_txid IS NULL AND p.id = ANY(%(ids)s::text[])
    AND (p.data ->> 'token') IS NOT DISTINCT FROM (SELECT l.data ->> 'token' {_LEASE})
    AND NOT EXISTS (SELECT {_LEASE} AND (l.data ->> 'until')::float8 > {NOW})
  ORDER BY p.id LIMIT 1 FOR UPDATE SKIP LOCKED
), claimed AS (
  UPDATE storage p SET data = p.data || jsonb_build_object('token', %(token)s::text,
    'attempts', (p.data ->> 'attempts')::int + ((p.data ->> 'token') IS NOT NULL)::int)
  FROM free WHERE p.ns = %(ns)s AND p.ctid = free.ctid
  RETURNING p.id, p.data
), leased AS (
  INSERT INTO storage (ns, ptr, id, _txid, data)
  SELECT %(ns)s, {CONSUMERS}, 'lease' || substr(id, 3), 0,
    jsonb_build_object('token', %(token)s::text, 'worker', %(worker)s::text, 'until', {NOW} + %(seconds)s::float8)
  FROM claimed
  {_CONFLICT} DO UPDATE SET data = EXCLUDED.data
)
SELECT id, data::text FROM claimed
"""

# Lives on, and keeps what it has; tells which of its leases it still has, and how many workers live.
RENEW: Final = f"""
WITH lives AS (
  INSERT INTO storage (ns, ptr, id, _txid, data)
  VALUES (%(ns)s, {CONSUMERS}, 'worker/' || %(worker)s, 0, jsonb_build_object('until', {NOW} + %(seconds)s::float8))
  {_CONFLICT} DO UPDATE SET data = EXCLUDED.data
), renewed AS (
  UPDATE storage SET data = data || jsonb_build_object('until', {NOW} + %(seconds)s::float8)
  WHERE {_ROWS} AND starts_with(id, 'lease/') AND data ->> 'token' = ANY(%(tokens)s::text[])
  RETURNING data ->> 'token' AS token
), gone AS MATERIALIZED (
  SELECT ctid FROM storage
  WHERE {_ROWS} AND starts_with(id, 'worker/') AND {_UNTIL} <= {NOW} AND id <> 'worker/' || %(worker)s
  FOR UPDATE SKIP LOCKED
), removed AS (
  DELETE FROM storage s USING gone WHERE s.ns = %(ns)s AND s.ctid = gone.ctid
)
SELECT array(SELECT token FROM renewed),
  1 + (SELECT count(*) FROM storage
       WHERE {_ROWS} AND starts_with(id, 'worker/') AND id <> 'worker/' || %(worker)s AND {_UNTIL} > {NOW})
"""

# Also says what went wrong, or that nothing does any more.
MOVE: Final = f"""
UPDATE storage SET data = (data - 'error') || %(position)s::jsonb
WHERE {_ROWS} AND id = %(id)s AND data ->> 'token' = %(token)s
RETURNING true
"""
RELEASE: Final = f"""
WITH released AS (
  UPDATE storage SET data = data - 'token' || %(position)s::jsonb
  WHERE {_ROWS} AND id = %(id)s AND data ->> 'token' = %(token)s
)
DELETE FROM storage WHERE {_ROWS} AND id = 'lease' || substr(%(id)s, 3) AND data ->> 'token' = %(token)s
"""
TAKE_DEAD: Final = f"SELECT data::text FROM storage WHERE {_ROWS} AND id = %(id)s FOR UPDATE SKIP LOCKED"
KEEP_DEAD: Final = f"UPDATE storage SET data = data || %(data)s::jsonb WHERE {_ROWS} AND id = %(id)s"
