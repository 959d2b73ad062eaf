"""What a transaction has collected, as rows, and the live rows that it is about."""

BATCH = (
    "jsonb_to_recordset(%(writes)s::jsonb) "
    "AS w(n int, ptr int, id text, op text, data jsonb, owner text, ord bigint, seen bigint, absent text[], schema int)"
)

# One index probe for each row of the batch: LIMIT keeps the planner from joining with the whole table instead.
LIVE_ROW = """LEFT JOIN LATERAL (
    SELECT ctid, _txid, _owner, _order, _schema, data FROM storage
    WHERE ns = %(ns)s AND ptr = w.ptr AND id = w.id AND _deleted_txid IS NULL LIMIT 1
  ) s ON true"""
