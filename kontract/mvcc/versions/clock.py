"""The clock of a namespace, whose lock orders commits, and what a commit waits for."""

from typing import Final

CLOCK_KEY: Final = 0x6B6F6E74  # "kont": the first key of pg_advisory_xact_lock, the namespace being the second

# It also keeps the planner from scanning, as a plan made while a table is small is kept when it has grown, and from
# planning prepared statements anew, which takes longer than running them.
LOCK: Final = f"""
SELECT set_config('lock_timeout', %(timeout)s, true) || set_config('enable_seqscan', 'off', true),
  set_config('plan_cache_mode', 'force_generic_plan', true), pg_advisory_xact_lock({CLOCK_KEY}, %(ns)s)
"""
LOCK_ASYNCHRONOUS: Final = LOCK.replace("SELECT ", "SELECT set_config('synchronous_commit', 'off', true) || ", 1)
SYNCHRONOUS: Final = "SET LOCAL synchronous_commit TO DEFAULT"
UNSET: Final = (
    "SET LOCAL lock_timeout TO DEFAULT; SET LOCAL enable_seqscan TO DEFAULT; SET LOCAL plan_cache_mode TO DEFAULT"
)
# A synchronous commit flushes everything before it, so that waiting writers share one.
WAIT_FOR_FLUSH: Final = "SELECT pg_logical_emit_message(true, 'kontract', '')"
BACKEND_PID: Final = "SELECT pg_backend_pid()"

LATEST: Final = "SELECT txid FROM trxs WHERE ns = %(ns)s AND status = 1 ORDER BY txid DESC LIMIT 1"

NOW = "extract(epoch FROM clock_timestamp())::float8"
