"""The SQL of raystream's sessions, rows of ``CHANNELS``."""

from typing import Final

from kontract.mvcc.versions.clock import NOW
from kontract.mvcc.versions.ptrs import CHANNELS

# What the rows are good for: this run of the server, not another that takes its place or begins from a backup; and this
# very table, which is another one after a dump was restored, or where a copy of the database takes its name.
_LIFE = "concat_ws('/', extract(epoch FROM pg_postmaster_start_time()), pg_relation_filepath('storage'))"
# A server that recovers from a crash of one of its processes begins its statistics anew, in the same run
# (https://www.postgresql.org/docs/current/monitoring-stats.html); what it had not flushed until then is gone.
_UNFLUSHED_LIFE = f"concat_ws('/', {_LIFE}, extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time()))"
_CHANNEL = f"ns = %(ns)s AND ptr = {CHANNELS} AND id = %(id)s AND _deleted_txid IS NULL"


class Channels:
    """The statements on the sessions, which are good for one life of the server.

    With ``flush`` a commit waits until it is on disk, whatever the server's default; without, it does not wait, and a
    session ends as well when the server has recovered from a crash, which may have lost its latest state.
    """

    def __init__(self, *, flush: bool) -> None:
        life = _LIFE if flush else _UNFLUSHED_LIFE
        stored = f"%(after)s::jsonb || jsonb_build_object('life', {life})"
        wait = "CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END"
        how = wait if flush else "'off'"
        commit = f"set_config('synchronous_commit', {how}, true)"
        find = f"SELECT (data - 'life')::text FROM storage WHERE {_CHANNEL} AND data ->> 'life' = {life}"
        move = f"""moved AS (
  UPDATE storage SET data = data || %(changes)s::jsonb
  WHERE {_CHANNEL} AND data ->> 'mark' = %(mark)s AND data ->> 'life' = {life}
  RETURNING data ->> 'life' AS life
)"""
        # What was not moved shows the row as it is, so that whoever was late need not ask for it.
        outcome = f"""
SELECT EXISTS (SELECT FROM moved), {commit}, CASE WHEN NOT EXISTS (SELECT FROM moved) THEN ({find}) END
"""
        self.find: Final = f"SELECT ({find})"
        self.begin: Final = f"""
WITH begun AS (
  INSERT INTO storage (ns, ptr, id, _txid, data) VALUES (%(ns)s, {CHANNELS}, %(id)s, 0, {stored})
)
SELECT {commit}
"""
        self.move: Final = f"WITH {move}{outcome}"
        self.replace: Final = f"""
WITH {move}, begun AS (
  INSERT INTO storage (ns, ptr, id, _txid, data)
  SELECT %(ns)s, {CHANNELS}, %(new_id)s, 0, %(new)s::jsonb || jsonb_build_object('life', life) FROM moved
){outcome}"""


def _remove_channels(condition: str) -> str:
    return f"""
WITH gone AS MATERIALIZED (
  SELECT ctid FROM storage s
  WHERE ns = %(ns)s AND ptr = {CHANNELS} AND _deleted_txid IS NULL{condition}
    AND ((s.data ->> 'expires_at')::float8 <= {NOW} OR NOT starts_with(s.data ->> 'life', {_LIFE}))
  LIMIT %(batch)s FOR UPDATE SKIP LOCKED
), removed AS (
  DELETE FROM storage s USING gone WHERE s.ns = %(ns)s AND s.ctid = gone.ctid
)
SELECT count(*) FROM gone
"""


REMOVE_CHANNELS: Final = _remove_channels("")
SWEEP_CHANNELS: Final = _remove_channels(f""" AND id = ANY(ARRAY(
    SELECT id FROM storage
    WHERE ns = %(ns)s AND ptr = {CHANNELS} AND _deleted_txid IS NULL AND id >= %(after)s ORDER BY id LIMIT %(batch)s
  ))""")
