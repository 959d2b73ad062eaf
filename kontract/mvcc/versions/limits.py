"""The SQL of rate limits: the buckets, rows of ``BUCKETS``, each with the moment until which it is booked."""

from typing import Final

from kontract.mvcc.versions.clock import NOW
from kontract.mvcc.versions.ptrs import BUCKETS

_UNTIL = "(s.data ->> 'until')::float8"
# Booked for longer than a bucket can be, the server's clock was set back, or the bucket was larger: begin anew.
_FREE_FROM = f"CASE WHEN {_UNTIL} > {NOW} + %(size)s::float8 + 1 THEN {NOW} ELSE greatest({_UNTIL}, {NOW}) END"
_MICROSECOND = "1e-6::float8"  # about what seconds since 1970 are rounded to

# Who looks first, and finds the bucket full, writes nothing: a flood costs the server little.  What is counted need not
# survive a crash, so the commit waits for no flush.
TAKE: Final = f"""
WITH seen AS MATERIALIZED (
  SELECT {_FREE_FROM} + %(cost)s::float8 - {NOW} - %(size)s::float8 AS wait FROM storage s
  WHERE ns = %(ns)s AND ptr = {BUCKETS} AND id = %(id)s AND _deleted_txid IS NULL
), taken AS (
  INSERT INTO storage AS s (ns, ptr, id, _txid, data)
  SELECT %(ns)s, {BUCKETS}, %(id)s, 0, jsonb_build_object('until', {NOW} + %(cost)s::float8)
  WHERE NOT EXISTS (SELECT FROM seen WHERE wait > {_MICROSECOND})
  ON CONFLICT (ns, ptr, id) WHERE _deleted_txid IS NULL
  DO UPDATE SET data = jsonb_build_object('until', {_FREE_FROM} + %(cost)s::float8)
  WHERE {_FREE_FROM} + %(cost)s::float8 <= {NOW} + %(size)s::float8 + {_MICROSECOND}
  RETURNING true
)
SELECT CASE WHEN EXISTS (SELECT FROM taken) THEN 0 ELSE greatest((SELECT wait FROM seen), 0.001) END::float8,
  set_config('synchronous_commit', 'off', true)
"""


def _remove_buckets(condition: str) -> str:
    return f"""
WITH gone AS MATERIALIZED (
  SELECT ctid FROM storage s
  WHERE ns = %(ns)s AND ptr = {BUCKETS} AND _deleted_txid IS NULL AND {_UNTIL} < {NOW}{condition}
  LIMIT %(batch)s FOR UPDATE SKIP LOCKED
), removed AS (
  DELETE FROM storage s USING gone WHERE s.ns = %(ns)s AND s.ctid = gone.ctid
)
SELECT count(*) FROM gone
"""


REMOVE_BUCKETS: Final = _remove_buckets("")
# It looks at so many only, whether they have run out or not.
SWEEP_BUCKETS: Final = _remove_buckets(f""" AND id = ANY(ARRAY(
    SELECT id FROM storage
    WHERE ns = %(ns)s AND ptr = {BUCKETS} AND _deleted_txid IS NULL AND id >= %(after)s ORDER BY id LIMIT %(batch)s
  ))""")

# Takes back what was counted.
GIVE_BACK: Final = f"""
UPDATE storage s SET data = jsonb_build_object('until', {_UNTIL} - %(cost)s::float8)
WHERE ns = %(ns)s AND ptr = {BUCKETS} AND id = %(id)s AND _deleted_txid IS NULL RETURNING true
"""
