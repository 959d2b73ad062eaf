"""Answers to an Idempotency-Key, rows of ``ANSWERS``."""

from typing import Final

from kontract.mvcc.versions.clock import LATEST, NOW
from kontract.mvcc.versions.ptrs import ANSWERS

# Whether nobody else is about to give this answer, the time, and the answer, if it was given: its txid and content.
FIND_ANSWER: Final = f"""
SELECT pg_try_advisory_xact_lock(hashtextextended(%(ns)s::text || '/{ANSWERS}/' || k.id, 0)), {NOW}, s._order, s.data
FROM (SELECT %(id)s::text AS id OFFSET 0) k LEFT JOIN LATERAL (
  SELECT _order, data FROM storage
  WHERE ns = %(ns)s AND ptr = {ANSWERS} AND id = k.id AND _deleted_txid IS NULL LIMIT 1
) s ON true
"""
# Who holds the clock is the last transaction that it sees itself; who has written nothing, sees up to its snapshot.
STAMP_ANSWERS: Final = f"""
UPDATE storage SET _order = coalesce(({LATEST}), 0)
WHERE ns = %(ns)s AND ptr = {ANSWERS} AND id = ANY(%(ids)s::text[]) AND _deleted_txid IS NULL
"""
REMOVE_ANSWERS: Final = f"""
WITH gone AS MATERIALIZED (
  SELECT ctid FROM storage s
  WHERE ns = %(ns)s AND ptr = {ANSWERS} AND _deleted_txid IS NULL AND (s.data ->> 'until')::float8 <= {NOW}
  LIMIT %(batch)s FOR UPDATE SKIP LOCKED
), removed AS (
  DELETE FROM storage s USING gone WHERE s.ns = %(ns)s AND s.ctid = gone.ctid
)
SELECT count(*) FROM gone
"""
