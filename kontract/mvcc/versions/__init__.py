"""All SQL on the two tables (the ORM's FROM entry aside).

**Shape.**  A live row (``_deleted_txid IS NULL``) has a unique index of its own.  An update rewrites it in place and
appends the version it replaces as history.  The history index orders a document's versions by ``_deleted_txid``, a
column that an update of the live row leaves alone, so that PostgreSQL can make the update heap-only (HOT) and touch no
index at all; an index on ``_txid`` would forbid that.

History lies under the negated ptr.  PostgreSQL's statistics take ``ptr`` and ``_deleted_txid IS NULL`` for independent,
and so would expect a table with much history to have many live rows, and scan everything where an index would do; now
the ptr alone tells the planner how many there are.

**Writing.**  ``LOCK`` takes the namespace's clock, then ``WRITE`` does the whole batch in one statement: it reads the
live rows that the batch is about to replace, draws the txid, logs the changes, appends history, and updates or inserts.
Both go out in one message.  Existing rows are found by key and updated by ``ctid``, never by ``ON CONFLICT``: under
REPEATABLE READ a row that somebody changed since the snapshot then raises a serialization failure instead of being
taken for absent.

Every statement names its namespace (``ns = ...``) on each table it touches, so that a namespace is a shard.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

CATALOG: Final = 0  # ptr of the catalog: logical names, namespaces
HORIZONS: Final = 1  # ptr of vacuum's horizons, one unversioned document a table
KEYS: Final = 2  # ptr of the key rows, which make values unique: one for each, that says which document has it
ANSWERS: Final = 3  # ptr of the answers that calls with an Idempotency-Key were given, unversioned
BUCKETS: Final = 4  # ptr of the rate limits' buckets, unversioned: until when each is booked
SESSIONS: Final = 5  # ptr of the sessions of those who have signed in, unversioned
CHANNELS: Final = 6  # ptr of raystream's sessions, unversioned
CONSUMERS: Final = 7  # ptr of where consumers of changes are, and of what they could not take, unversioned
FIRST_PTR: Final = 100  # smaller ones are reserved

CLOCK_KEY: Final = 0x6B6F6E74  # "kont": the first key of pg_advisory_xact_lock, the namespace being the second

PARAMETER_TYPES: Final = {  # of the statements that a flush is made of, which are prepared
    "ns": "int",
    "writes": "jsonb",
    "tables": "text[]",
    "ptrs": "int[]",
    "sid": "text",
    "owner": "text",
    "label": "text",
    "txid": "bigint",
    "ptr": "int",
    "id": "text",
    "data": "jsonb",
    "owned": "text",
    "ord": "bigint",
    "absent": "text[]",
    "ids": "text[]",
    "claimed": "text[]",
    "timeout": "text",
    "changes": "jsonb",
    "before": "jsonb",
    "mark": "text",
    "after": "jsonb",
    "new_id": "text",
    "new": "jsonb",
    "schema": "int",
    "first": "bigint",
    "limit": "int",
    "size": "bigint",
    "group": "boolean",
    "txids": "bigint[]",
    "ops": "text[]",
}

TABLES_DDL: Final = """\
CREATE TABLE trxs (
  txid         bigint GENERATED ALWAYS AS IDENTITY,
  ns           int NOT NULL DEFAULT 0,
  sid          text,
  owner        text NOT NULL DEFAULT '',
  label        text,
  status       smallint NOT NULL,
  snapshot     bigint,
  started_at   timestamptz,
  committed_at timestamptz,
  expires_at   timestamptz,
  changes      jsonb,
  PRIMARY KEY (ns, txid)
);
CREATE TABLE storage (
  ns            int NOT NULL DEFAULT 0,
  ptr           int NOT NULL,
  id            text NOT NULL,
  _txid         bigint NOT NULL,
  _deleted_txid bigint,
  _owner        text NOT NULL DEFAULT '',
  _order        bigint,
  _schema       int NOT NULL DEFAULT 1,
  data          jsonb NOT NULL
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX storage_live ON storage (ns, ptr, id) WHERE _deleted_txid IS NULL;
CREATE INDEX storage_order ON storage (ns, ptr, _order) WHERE _deleted_txid IS NULL AND _order IS NOT NULL;
CREATE INDEX storage_history ON storage (ns, ptr, id, _deleted_txid) WHERE _deleted_txid IS NOT NULL;
"""

COLUMNS: Final = {  # what adopts a table that somebody else created
    "trxs": {
        *("txid", "ns", "sid", "owner", "label", "status", "snapshot"),
        *("started_at", "committed_at", "expires_at", "changes"),
    },
    "storage": {"ns", "ptr", "id", "_txid", "_deleted_txid", "_owner", "_order", "_schema", "data"},
}

DROP_DDL: Final = "DROP TABLE storage;\nDROP TABLE trxs;\n"

EXISTING_COLUMNS: Final = """
SELECT c.relname, a.attname
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.oid IN (to_regclass('storage'), to_regclass('trxs'))
"""


def grants(role: str, schema: str = "public") -> str:
    """Return the GRANT lines that the application's role needs; both names already quoted as identifiers."""
    return (
        f"GRANT USAGE ON SCHEMA {schema} TO {role};\n"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.storage, {schema}.trxs TO {role};\n"
    )


# --- Reading ---------------------------------------------------------------------------------------------------------

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

# In one order everywhere, so that two that want the same locks do not wait for each other.
_KEYS_TO_LOCK = """(
  SELECT id, hashtextextended(%(ns)s::text || '/' || %(ptr)s::text || '/' || id, 0) AS key
  FROM unnest(%(ids)s::text[]) AS id ORDER BY key, id OFFSET 0
) k"""
_TABLE_TO_LOCK = "hashtextextended(%(ns)s::text || '/' || %(ptr)s::text, 0)"
LOCK_TABLE: Final = f"SELECT true FROM pg_advisory_xact_lock({_TABLE_TO_LOCK})"
SHARE_TABLE: Final = f"SELECT true FROM pg_advisory_xact_lock_shared({_TABLE_TO_LOCK})"
TRY_LOCK_TABLE: Final = f"SELECT pg_try_advisory_xact_lock({_TABLE_TO_LOCK})"
TRY_SHARE_TABLE: Final = f"SELECT pg_try_advisory_xact_lock_shared({_TABLE_TO_LOCK})"
LOCK_DOCUMENTS: Final = f"SELECT id, pg_advisory_xact_lock(key) FROM {_KEYS_TO_LOCK}"
TRY_LOCK_DOCUMENTS: Final = f"SELECT id FROM {_KEYS_TO_LOCK} WHERE pg_try_advisory_xact_lock(key)"

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


# What a transaction has collected.
_BATCH = (
    "jsonb_to_recordset(%(writes)s::jsonb) "
    "AS w(n int, ptr int, id text, op text, data jsonb, owner text, ord bigint, seen bigint, absent text[], schema int)"
)
# Under an older snapshot the statement above may not see that a table is gone; locking its entry then fails.
HOLD_TABLES: Final = f"""
SELECT FROM storage
WHERE ns = %(ns)s AND ptr = {CATALOG} AND id = ANY(%(tables)s::text[]) AND _deleted_txid IS NULL FOR SHARE
"""

# One index probe for each row of the batch: LIMIT keeps the planner from joining with the whole table instead.
_LIVE_ROW = """LEFT JOIN LATERAL (
    SELECT ctid, _txid, _owner, _order, _schema, data FROM storage
    WHERE ns = %(ns)s AND ptr = w.ptr AND id = w.id AND _deleted_txid IS NULL LIMIT 1
  ) s ON true"""

# A document that is overwritten keeps its owner and its place; new ones come last, after every order there can be.
SOURCE_OVERLAY: Final = f"""{SOURCE_LIVE} AND id <> ALL(%(hidden)s)
UNION ALL SELECT %(ns)s::int, %(ptr)s::int, w.id, NULL::bigint, NULL::bigint, coalesce(w.owner, s._owner, %(owner)s),
  coalesce(w.ord, s._order, (1::bigint << 62) + w.n), coalesce(w.schema, 1), w.data
FROM {_BATCH} {_LIVE_ROW}"""

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
    FROM {_BATCH} {_LIVE_ROW}
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

# --- The clock -------------------------------------------------------------------------------------------------------

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

# --- Writing ---------------------------------------------------------------------------------------------------------

_ONE = (
    "(SELECT 0 AS n, %(ptr)s::int AS ptr, %(id)s::text AS id, %(data)s::jsonb AS data, "
    "%(owned)s::text AS owner, %(ord)s::bigint AS ord, %(absent)s::text[] AS absent, %(schema)s::int AS schema) w"
)

_EDGE = """
  (SELECT 0 AS n, ptr, id, NULL::jsonb AS data, NULL::text AS owner, NULL::bigint AS ord, '{{}}'::text[] AS absent,
     1 AS schema
   FROM storage WHERE ns = %(ns)s AND ptr = %(ptr)s AND _deleted_txid IS NULL AND _order IS NOT NULL
   ORDER BY _order {direction}, id {direction} LIMIT 1) AS w"""

_NEW_TRANSACTION = """
  INSERT INTO trxs (ns, sid, owner, label, status, started_at, committed_at, changes)
  SELECT %(ns)s::int, %(sid)s::text, %(owner)s::text, %(label)s::text, 1, now(), clock_timestamp(), changes FROM log
  RETURNING txid, changes"""

_SAME_TRANSACTION = "SELECT %(txid)s::bigint AS txid, changes FROM log"


# Whether the tables are still what they were when their names were resolved.
_KNOWN = f"""known AS MATERIALIZED (
  SELECT count(*) = cardinality(%(tables)s::text[]) AS known FROM storage
  WHERE ns = %(ns)s AND ptr = {CATALOG} AND id = ANY(%(tables)s::text[]) AND _deleted_txid IS NULL
    AND (data ->> 'ptr')::int = ANY(%(ptrs)s::int[])
)"""
_KNOWN_ONE = f"""known AS MATERIALIZED (
  SELECT %(tables)s::text[] = '{{}}' OR EXISTS (
    SELECT FROM storage
    WHERE ns = %(ns)s AND ptr = {CATALOG} AND id = (%(tables)s::text[])[1] AND _deleted_txid IS NULL
      AND (data ->> 'ptr')::int = %(ptr)s::int
  ) AS known
)"""
OUTDATED: Final = "kontract: a table or document is gone since it was looked up"


VIOLATION: Final = "kontract: violates "
PRIMARY_KEY: Final = "primary key constraint"
_DUPLICATE = (
    f"(SELECT '{VIOLATION}{PRIMARY_KEY}: there is a document ' || min(id) FROM b "
    "WHERE op = 'insert' AND tid IS NOT NULL)"
)


def _check(condition: str, otherwise: str = "NULL") -> str:
    """Return an expression that fails unless ``condition``: only an error stops the COMMIT in the same message.

    ``otherwise`` is what it fails with, too, unless that is NULL.
    """
    return f"(CASE WHEN {condition} THEN coalesce({otherwise}, '1') ELSE '{OUTDATED}' END)::int"


def _change(op: str) -> str:
    return f"CASE WHEN {op} = 'delete' THEN 'delete' WHEN tid IS NULL THEN 'insert' ELSE 'update' END"


_LOG = f"""
  SELECT jsonb_object_agg(ptr, ops) AS changes FROM (
    SELECT ptr, jsonb_object_agg(op, ids) AS ops FROM (
      SELECT ptr, {_change("op")} AS op, jsonb_agg(id ORDER BY n) AS ids FROM b GROUP BY 1, 2
    ) o GROUP BY ptr
  ) p HAVING count(*) > 0"""


def _log_of_one(op: str) -> str:
    return f"""
  SELECT jsonb_build_object(ptr, jsonb_build_object({_change(op)}, jsonb_build_array(id))) AS changes FROM b"""


def _write(
    batch: str,
    transaction: str,
    *,
    op: str = "op",
    known: str = _KNOWN,
    log: str = _LOG,
    changes: str = "t.changes",
    result: str = "NULL",
    violated: str = _DUPLICATE,
) -> str:
    """Return the statement that writes ``batch``.  Where all of it has one ``op``, that is a literal.

    The planner then leaves out what is not to be done, which makes the statement faster to begin.
    """
    return f"""
WITH {known}, b AS MATERIALIZED (
  SELECT w.n, w.ptr, w.id, {op} AS op, coalesce(w.owner, s._owner, %(owner)s::text) AS owner, w.ord,
    coalesce(w.schema, 1) AS schema,
    CASE {op} WHEN 'merge' THEN (s.data || w.data) - w.absent ELSE w.data END AS data,
    s.ctid AS tid, s._txid AS old_txid, s._owner AS old_owner, s._order AS old_order, s._schema AS old_schema,
    s.data AS old_data
  FROM {batch} {_LIVE_ROW}
  WHERE {op} IN ('set', 'insert') OR s.ctid IS NOT NULL
), log AS ({log}
), t AS ({transaction}
), stored AS (  -- the version that is replaced, or where there is none the new one
  INSERT INTO storage (ns, ptr, id, _txid, _deleted_txid, _owner, _order, _schema, data)
  SELECT %(ns)s::int, CASE WHEN b.tid IS NULL THEN b.ptr ELSE -b.ptr END, b.id,
    coalesce(b.old_txid, t.txid), CASE WHEN b.tid IS NOT NULL THEN t.txid END, coalesce(b.old_owner, b.owner),
    coalesce(b.old_order, b.ord, (t.txid << 20) + b.n), coalesce(b.old_schema, b.schema), coalesce(b.old_data, b.data)
  FROM b, t WHERE b.tid IS NULL OR ({op} <> 'delete' AND b.old_txid <> t.txid)
), replaced AS (
  UPDATE storage s SET
    ptr = CASE WHEN {op} = 'delete' THEN -s.ptr ELSE s.ptr END,
    _txid = CASE WHEN {op} = 'delete' THEN s._txid ELSE t.txid END,
    _deleted_txid = CASE WHEN {op} = 'delete' THEN t.txid END,
    _owner = b.owner,
    _schema = CASE WHEN {op} = 'delete' THEN s._schema ELSE b.schema END,
    data = CASE WHEN {op} = 'delete' THEN s.data ELSE b.data END
  FROM b, t WHERE s.ctid = b.tid AND s.ns = %(ns)s
)
SELECT t.txid, {changes}::text, ({result})::text, {_check("k.known", violated)}
FROM known k LEFT JOIN t ON true"""


def _write_one(source: str, op: str, *, result: str, violated: str = "NULL") -> str:
    literal = f"'{op}'"
    return _write(
        source, _NEW_TRANSACTION, op=literal, known=_KNOWN_ONE, log=_log_of_one(literal), changes="NULL",
        result=result, violated=violated,
    )  # fmt: skip


def write_one(op: str, references: Sequence[tuple[str, str, str]], table: str) -> str:
    """Return the statement that does ``op`` to one document of ``table``; for ``references`` see ``check_references``.

    What the document referred to before need not be looked up: as long as it does, that cannot be deleted.
    """
    violated = [_missing_reference(*reference, table) for reference in references if op != "delete"]
    if op == "insert":
        violated.insert(0, _DUPLICATE.replace("op = 'insert' AND ", ""))
    written = f"SELECT jsonb_build_array(owner, {'data' if op == 'merge' else 'NULL'}) FROM b"
    return _write_one(_ONE, op, result=written, violated=f"coalesce({', '.join([*violated, 'NULL'])})")


def _missing_reference(name: str, sql: str, target: str, table: str) -> str:
    new, old = sql.replace("{row}", "d"), sql.replace("{row}", "o")
    itself = f" AND {new} <> d.id" if target == table else ""
    return f"""(
  SELECT '{VIOLATION}' || {_text(f'foreign key constraint "{name}"')} || ': document ' || d.id
  FROM b d CROSS JOIN LATERAL (SELECT d.id, d.old_data AS data) o
  WHERE {new} IS NOT NULL AND (d.tid IS NULL OR {new} IS DISTINCT FROM {old}){itself}
    AND NOT EXISTS ({_target(target)} = {new})
)"""


_TAKEN = "SELECT jsonb_build_array(id, old_data, old_txid, old_owner) FROM b"

WRITE: Final = _write(_BATCH, _NEW_TRANSACTION)
WRITE_MORE: Final = _write(_BATCH, _SAME_TRANSACTION)
TAKE_FIRST: Final = _write_one(_EDGE.format(direction="ASC"), "delete", result=_TAKEN)
TAKE_LAST: Final = _write_one(_EDGE.format(direction="DESC"), "delete", result=_TAKEN)
FINISH: Final = """
UPDATE trxs SET changes = %(changes)s::jsonb, committed_at = clock_timestamp() WHERE ns = %(ns)s AND txid = %(txid)s
RETURNING txid, NULL::text, NULL::text, 1
"""
OUTCOME_COLUMNS: Final = 4  # txid (0: unversioned), changes of a batch, what a single write gives back, 1

# --- Rules: unique values, checks, references ------------------------------------------------------------------------
#
# The fragments of a table's rules are SQL over a row with ``id`` and ``data``, called ``{row}`` in them.


def _states(old: str = "s.data") -> str:
    """Return the documents of one table in the batch: what they were (``old``) and what they become (``data``)."""
    return f"""d AS MATERIALIZED (
  SELECT w.n, w.id, {old} AS old,
    CASE w.op WHEN 'merge' THEN (s.data || w.data) - w.absent ELSE w.data END AS data
  FROM {_BATCH} {_LIVE_ROW}
  WHERE w.ptr = %(ptr)s AND (w.op IN ('set', 'insert') OR s.ctid IS NOT NULL)
)"""


HASHED = """CASE WHEN octet_length({key}) <= 600 THEN {key}
      ELSE encode(sha256(convert_to({key}, 'UTF8')), 'hex') END"""


def _keys(keys: Mapping[str, str], row: str) -> str:
    """Return the key rows' ids of a row, by constraint; long ones are hashed, because an index entry is limited."""
    values = ", ".join(f"({_text(name)}, {sql.replace('{row}', row)})" for name, sql in keys.items())
    return f"""(
    SELECT v.name, %(ptr)s::text || '/' || v.name || '/' || {HASHED.format(key="v.key")} AS key
    FROM (VALUES {values}) v(name, key) WHERE v.key IS NOT NULL
  )"""


def _text(value: str) -> str:
    return "'" + value.replace("'", "''").replace("%", "%%") + "'"


def _key_row(key: str) -> str:
    """Return one index probe for a key row, also where the planner would rather join."""
    return f"""LATERAL (
    SELECT ctid AS tid, data ->> 'id' AS holder FROM storage
    WHERE ns = %(ns)s AND ptr = {KEYS} AND id = {key} AND _deleted_txid IS NULL LIMIT 1
  )"""


def _new_keys(keys: Mapping[str, str], old: str = "s.data") -> str:
    return f"""{_states(old)}, new AS MATERIALIZED (
  SELECT d.n, d.id, k.name, k.key FROM d CROSS JOIN LATERAL {_keys(keys, "d")} k WHERE d.data IS NOT NULL
)"""


_INSERT_KEYS = f"""
INSERT INTO storage (ns, ptr, id, _txid, data)
SELECT DISTINCT ON (n.key) %(ns)s::int, {KEYS}, n.key, 0, jsonb_build_object('id', n.id) FROM new n{{condition}}
ORDER BY n.key, n.n ON CONFLICT (ns, ptr, id) WHERE _deleted_txid IS NULL DO NOTHING"""


def claim_keys(keys: Mapping[str, str]) -> str:
    """Return the statement that takes the batch's values where they are free, and gives back which it took.

    It waits for transactions that took one of them and have not ended: so it must not run under the clock.
    """
    return f"WITH {_new_keys(keys)}{_INSERT_KEYS.format(condition='')} RETURNING id"


def list_keys(keys: Mapping[str, str]) -> str:
    """Return the statement that lists the values that the batch's documents are to have, and who has them now.

    Its columns are the key, the constraint, the document, and the holder.
    """
    return f"""WITH {_new_keys(keys)} SELECT n.key, n.name, n.id, s.holder FROM new n
LEFT JOIN {_key_row("n.key")} s ON true ORDER BY n.n"""


def settle_keys(keys: Mapping[str, str], old: str = "s.data") -> str:
    """Return the statement that, under the clock, lets go of the values that the batch's documents have no more.

    ``claimed`` are those that the transaction took on its way.  ``old`` is SQL for what is in the row ``s``.
    """
    return f"""WITH {_new_keys(keys, old)}, takers AS MATERIALIZED (
  SELECT coalesce(jsonb_object_agg(n.key, n.id), '{{}}') AS by_key FROM new n
), held AS (
  SELECT k.key FROM d CROSS JOIN LATERAL (SELECT d.id, d.old AS data) o CROSS JOIN LATERAL {_keys(keys, "o")} k
  WHERE d.old IS NOT NULL
  UNION SELECT unnest(%(claimed)s::text[])
), gone AS MATERIALIZED (
  SELECT h.key, s.tid, t.by_key ->> h.key AS taker FROM takers t CROSS JOIN held h CROSS JOIN {_key_row("h.key")} s
  WHERE s.holder IN (SELECT w.id FROM {_BATCH} WHERE w.ptr = %(ptr)s)
    AND (h.key, s.holder) NOT IN (SELECT n.key, n.id FROM new n)
), released AS (
  DELETE FROM storage s USING gone g WHERE s.ns = %(ns)s AND s.ctid = g.tid AND g.taker IS NULL
), handed AS (
  UPDATE storage s SET data = jsonb_build_object('id', g.taker) FROM gone g
  WHERE s.ns = %(ns)s AND s.ctid = g.tid AND g.taker IS NOT NULL
){_INSERT_KEYS.format(condition=" WHERE n.key NOT IN (SELECT g.key FROM gone g)")}"""


def violations(keys: Mapping[str, str], checks: Mapping[str, str]) -> str:
    """Return the statement that lists what the batch violates: kind, name, document, the value's holder and key."""
    selects = []
    if keys:
        selects.append(f"""SELECT 'unique' AS kind, n.name, n.id, s.holder, n.key FROM new n
CROSS JOIN {_key_row("n.key")} s WHERE s.holder <> n.id""")
    if checks:
        values = ", ".join(f"({_text(name)}, {sql.replace('{row}', 'd')})" for name, sql in checks.items())
        selects.append(f"""SELECT 'check' AS kind, c.name, d.id, NULL AS holder, NULL AS key FROM d
CROSS JOIN LATERAL (VALUES {values}) c(name, holds) WHERE d.data IS NOT NULL AND c.holds IS FALSE""")
    return f"WITH {_new_keys(keys) if keys else _states()} {' UNION ALL '.join(selects)}"


def verify(keys: Mapping[str, str], checks: Mapping[str, str]) -> str:
    """Return the statement that fails with the first thing that the batch violates."""
    return f"""SELECT (CASE WHEN count(*) = 0 THEN '1' ELSE '{VIOLATION}' || min(format(
  '%%s constraint "%%s": document %%s', kind, name, id)) END)::int
FROM ({violations(keys, checks)}) v"""


KEY_ROW = f"SELECT FROM storage k WHERE k.ns = %(ns)s AND k.ptr = {KEYS} AND k._deleted_txid IS NULL AND k.id"
_LIVE_ROWS = "SELECT FROM storage p WHERE p.ns = %(ns)s AND p.ptr = {ptr} AND p._deleted_txid IS NULL AND p.id"


def hold_references(references: Sequence[tuple[str, str, str]]) -> tuple[str, ...]:
    """Return the statements that, under an older snapshot, fail where a document referred to has changed since."""
    return tuple(
        f"""{_LIVE_ROWS.format(ptr=_ptr_of(target)) if target != KEY_ROW else KEY_ROW}
  IN (SELECT {sql.replace("{row}", "w")} FROM {_BATCH} WHERE w.ptr = %(ptr)s AND w.op <> 'delete') FOR SHARE"""
        for _, sql, target in references
        if target == KEY_ROW or not target.startswith("SELECT")
    )


def _ptr_of(table: str) -> str:
    return _of_entry(table, "(c.data ->> 'ptr')::int")


def _of_entry(table: str, sql: str) -> str:
    """Return SQL for something of a table's entry in the catalog, over a row ``c``."""
    return (
        f"(SELECT {sql} FROM storage c WHERE c.ns = %(ns)s AND c.ptr = {CATALOG} "
        f"AND c.id = {_text(f'table/{table}')} AND c._deleted_txid IS NULL)"
    )


def _target(target: str) -> str:
    if target.startswith("SELECT"):
        return target.replace("SELECT", "SELECT true AS there", 1)
    return (
        f"SELECT true AS there FROM storage p WHERE p.ns = %(ns)s AND p.ptr = {_ptr_of(target)} "
        "AND p._deleted_txid IS NULL AND p.id"
    )


def check_references(references: Sequence[tuple[str, str, str]]) -> str:
    """Return the statement that fails where a document written in this transaction refers to one that is not there.

    ``references`` are name, SQL for the key referred to, and the table or, if it is no logical one, a query that ends
    with a comparison to the key.
    """
    return _fail_on(
        f"""SELECT {_text(name)}, d.id FROM {{documents}} d
LEFT JOIN LATERAL (
  {_target(target)} = {sql.replace("{row}", "d")} LIMIT 1
) t ON true
WHERE {sql.replace("{row}", "d")} IS NOT NULL AND t.there IS NULL"""
        for name, sql, target in references
    )


def is_dangling(sql: str, target: str) -> str:
    """Return a condition on a row ``{row}``: that what it refers to, see check_references(), is not there."""
    return f"({sql} IS NOT NULL AND NOT EXISTS ({_target(target)} = {sql}))"


def check_referrers(referrers: Sequence[tuple[str, int | str, str]]) -> str:
    """Return the statement that fails where a document is gone that others refer to.

    ``referrers`` are name, table, and SQL for the key that it refers to.  The table is given by its ptr, so that an
    index can serve, or by its name where it may be made only now.
    """
    return _fail_on(
        f"""SELECT {_text(name)}, r.id FROM storage r
WHERE r.ns = %(ns)s AND r.ptr = {_ptr_of(table) if isinstance(table, str) else table} AND r._deleted_txid IS NULL
  AND {sql.replace("{row}", "r")} = ANY(%(ids)s::text[])
  AND NOT EXISTS (
    SELECT FROM storage p
    WHERE p.ns = %(ns)s AND p.ptr = %(ptr)s AND p._deleted_txid IS NULL AND p.id = {sql.replace("{row}", "r")}
  )"""
        for name, table, sql in referrers
    )


def key_of(table: str, constraint: str, sql: str) -> tuple[str, str]:
    """Return what a reference to a unique value of ``table`` is: SQL for the key row's id, and the query for the row.

    ``sql`` is the value's text; it is that of a constraint on one field.  A table that is not there yet has no row.
    """
    key = f"jsonb_build_array({sql})::text"
    name = f"coalesce(c.data -> 'keys' ->> {_text(constraint)}, {_text(constraint)})"  # as it was called first
    prefix = _of_entry(table, f"(c.data ->> 'ptr') || '/' || {name} || '/'")
    found = f"CASE WHEN {sql} IS NOT NULL THEN coalesce({prefix}, '') || "
    return f"({found}{HASHED.format(key=key)} END)", KEY_ROW


def find_referring(table: int | str, sql: str) -> str:
    """Return the query for a document of ``table`` (ptr or name), not among ``own``, that refers to one of ``ids``."""
    ptr = _ptr_of(table) if isinstance(table, str) else table
    return f"""SELECT r.id FROM storage r WHERE r.ns = %(ns)s AND r.ptr = {ptr} AND r._deleted_txid IS NULL
  AND {sql.replace("{row}", "r")} = ANY(%(ids)s::text[]) AND r.id <> ALL(%(own)s::text[]) LIMIT 1"""


def check_key_referrers(referrers: Sequence[tuple[str, str, str, str, str]]) -> str:
    """Return the statement that fails where a document has lost a unique value by which others refer to it.

    ``referrers`` are name, table, SQL for the value in the table's documents, SQL for the id of its key row, and SQL
    for the value in the documents referred to.
    """
    return _fail_on(
        f"""SELECT {_text(name)}, r.id FROM storage r
WHERE r.ns = %(ns)s AND r.ptr = {_ptr_of(table)} AND r._deleted_txid IS NULL
  AND {sql.replace("{row}", "r")} IN (
    SELECT {value.replace("{row}", "h")} FROM storage h
    WHERE h.ns = %(ns)s AND h.ptr = -%(ptr)s AND h._deleted_txid IS NOT NULL AND h.id = ANY(%(ids)s::text[])
  )
  AND NOT EXISTS ({KEY_ROW} = {key.replace("{row}", "r")})"""
        for name, table, sql, key, value in referrers
    )


_WRITTEN_DOCUMENTS = """(
  SELECT id, data FROM storage
  WHERE ns = %(ns)s AND ptr = %(ptr)s AND _deleted_txid IS NULL AND id = ANY(%(ids)s::text[])
)"""


def _fail_on(selects: Iterable[str]) -> str:
    found = " UNION ALL ".join(f"({select.replace('{documents}', _WRITTEN_DOCUMENTS)})" for select in selects)
    return f"""SELECT (CASE WHEN count(*) = 0 THEN '1' ELSE '{VIOLATION}' || min(format(
  'foreign key constraint "%%s": document %%s', name, id)) END)::int FROM ({found}) v(name, id)"""


STALE: Final = f"""
SELECT w.ptr, w.id FROM {_BATCH} {_LIVE_ROW}
WHERE w.seen IS NOT NULL AND coalesce(s._txid, 0) <> w.seen ORDER BY w.n
"""

# --- Unversioned tables: in place, no clock, no log ------------------------------------------------------------------

_NOW_ORDER = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

# What was taken (``seen``) must be there, or somebody else has it.
_ALL_TAKEN = """NOT EXISTS (
    SELECT FROM w WHERE seen IS NOT NULL AND NOT EXISTS (SELECT FROM deleted d WHERE d.ptr = w.ptr AND d.id = w.id)
  )"""

WRITE_IN_PLACE: Final = f"""
WITH {_KNOWN}, w AS MATERIALIZED (
  SELECT * FROM {_BATCH} ORDER BY ptr, id
), deleted AS (
  DELETE FROM storage s USING w
  WHERE w.op = 'delete' AND s.ns = %(ns)s AND s.ptr = w.ptr AND s.id = w.id AND s._deleted_txid IS NULL
  RETURNING s.ptr, s.id, s._owner
), merged AS (
  UPDATE storage s SET data = (s.data || w.data) - w.absent FROM w
  WHERE w.op = 'merge' AND s.ns = %(ns)s AND s.ptr = w.ptr AND s.id = w.id AND s._deleted_txid IS NULL
  RETURNING s._owner, s.data
), kept AS (
  INSERT INTO storage AS s (ns, ptr, id, _txid, _owner, _order, _schema, data)
  SELECT %(ns)s::int, w.ptr, w.id, 0, coalesce(w.owner, %(owner)s::text), coalesce(w.ord, {_NOW_ORDER} + w.n),
    coalesce(w.schema, 1), w.data
  FROM w WHERE w.op IN ('set', 'insert') ORDER BY w.ptr, w.id
  ON CONFLICT (ns, ptr, id) WHERE _deleted_txid IS NULL
  DO UPDATE SET data = EXCLUDED.data, _schema = EXCLUDED._schema
  RETURNING s._owner
)
SELECT 0::bigint,
  NULL::text,
  (SELECT jsonb_build_array(_owner, data) FROM (
     SELECT _owner, data FROM merged UNION ALL SELECT _owner, NULL FROM kept UNION ALL SELECT _owner, NULL FROM deleted
   ) m LIMIT 1)::text,
  {_check(f"(SELECT known FROM known) AND {_ALL_TAKEN}")}
"""


def _take_in_place(direction: str) -> str:
    return f"""
WITH {_KNOWN}, taken AS (
  DELETE FROM storage s WHERE s.ns = %(ns)s AND s.ctid = (
    SELECT ctid FROM storage
    WHERE ns = %(ns)s AND ptr = %(ptr)s AND _deleted_txid IS NULL AND _order IS NOT NULL
    ORDER BY _order {direction}, id {direction} LIMIT 1 FOR UPDATE SKIP LOCKED
  )
  RETURNING s.id, s.data, s._txid, s._owner
)
SELECT 0::bigint, NULL::text, (SELECT jsonb_build_array(id, data, _txid, _owner) FROM taken)::text,
  {_check("(SELECT known FROM known)")}
"""


TAKE_FIRST_IN_PLACE: Final = _take_in_place("ASC")
TAKE_LAST_IN_PLACE: Final = _take_in_place("DESC")

# --- Answers to an Idempotency-Key -----------------------------------------------------------------------------------

NOW = "extract(epoch FROM clock_timestamp())::float8"

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

# --- Changing owners -------------------------------------------------------------------------------------------------

_OWNED = "ns = %(ns)s AND ptr = ANY(%(ptrs)s) AND _deleted_txid IS NULL AND _owner = %(owner)s"
COUNT_OWNED: Final = f"SELECT ptr, count(*) FROM storage WHERE {_OWNED} GROUP BY ptr"
LIST_OWNED: Final = f"SELECT ptr, id, _order, data::text, _schema FROM storage WHERE {_OWNED} ORDER BY ptr, id"
# Of unversioned tables, in place; ``ids`` restricts them, unless it is NULL.
GIVE_OWNED: Final = f"""
UPDATE storage SET _owner = %(to)s WHERE {_OWNED} AND (%(ids)s::text[] IS NULL OR id = ANY(%(ids)s::text[]))
RETURNING ptr, id
"""

# --- Snapshots, history, vacuum --------------------------------------------------------------------------------------

# The horizon is read after the data: it only grows, so what is intact now was intact then.
BOUNDS: Final = f"""
SELECT
  coalesce((SELECT (data ->> 'txid')::bigint FROM storage
            WHERE ns = %(ns)s AND ptr = {HORIZONS} AND id = %(id)s AND _deleted_txid IS NULL), 0),
  coalesce(({LATEST}), 0)
"""

# Bisection over commit order: the answer lies in [low, high).
AT: Final = """
WITH RECURSIVE search(low, high) AS (
  SELECT 0::bigint, coalesce((SELECT max(txid) + 1 FROM trxs WHERE ns = %(ns)s), 1)
  UNION ALL
  SELECT
    CASE WHEN t.committed_at <= %(at)s THEN t.txid ELSE s.low END,
    CASE WHEN t.committed_at <= %(at)s THEN s.high ELSE (s.low + s.high + 1) / 2 END
  FROM search s LEFT JOIN LATERAL (
    SELECT txid, committed_at FROM trxs
    WHERE ns = %(ns)s AND status = 1 AND txid >= (s.low + s.high + 1) / 2 AND txid < s.high
    ORDER BY txid LIMIT 1
  ) t ON true
  WHERE s.high - s.low > 1
)
SELECT max(low), %(at)s > clock_timestamp() + interval '1 minute' FROM search
"""

PIN: Final = f"""
INSERT INTO trxs (ns, sid, owner, label, status, snapshot, started_at, expires_at)
SELECT %(ns)s, %(secret)s, %(owner)s, 'pin', 2, coalesce(({LATEST}), 0), now(), now() + %(ttl)s * interval '1 second'
RETURNING txid, snapshot
"""
PINNED: Final = """
SELECT snapshot FROM trxs
WHERE ns = %(ns)s AND txid = %(txid)s AND status = 2 AND sid = %(secret)s AND expires_at > now()
"""
UNPIN: Final = "DELETE FROM trxs WHERE ns = %(ns)s AND txid = %(txid)s AND status = 2 AND sid = %(secret)s"

CHANGES: Final = "SELECT changes FROM trxs WHERE ns = %(ns)s AND txid = %(txid)s AND status = 1"

# The state before and after a transaction, for each document that it wrote.
UNDO: Final = """
SELECT w.ptr, w.id, live._txid, last.deleted_txid, before._owner, before._order, before.data,
  before._schema
FROM jsonb_to_recordset(%(documents)s::jsonb) AS w(n int, ptr int, id text)
LEFT JOIN LATERAL (
  SELECT _txid FROM storage WHERE ns = %(ns)s AND ptr = w.ptr AND id = w.id AND _deleted_txid IS NULL LIMIT 1
) live ON true
LEFT JOIN LATERAL (
  SELECT max(_deleted_txid) AS deleted_txid FROM storage
  WHERE ns = %(ns)s AND ptr = -w.ptr AND id = w.id AND _deleted_txid IS NOT NULL
) last ON true
LEFT JOIN LATERAL (
  SELECT _owner, _order, data, _schema FROM storage
  WHERE ns = %(ns)s AND ptr = -w.ptr AND id = w.id AND _deleted_txid = %(txid)s AND _txid < _deleted_txid
) before ON true
ORDER BY w.n
"""

PTRS: Final = "SELECT DISTINCT abs(ptr) FROM storage WHERE ns = %(ns)s"
NAMESPACES: Final = "SELECT DISTINCT ns FROM storage WHERE ns >= 0 ORDER BY ns"
OLDEST_PIN: Final = "SELECT min(snapshot) FROM trxs WHERE ns = %(ns)s AND status = 2 AND expires_at > now()"
SET_HORIZON: Final = f"""
INSERT INTO storage AS s (ns, ptr, id, _txid, data)
VALUES (%(ns)s, {HORIZONS}, %(id)s, 0, jsonb_build_object('txid', %(horizon)s::bigint))
ON CONFLICT (ns, ptr, id) WHERE _deleted_txid IS NULL DO UPDATE SET data = EXCLUDED.data
WHERE (s.data ->> 'txid')::bigint < %(horizon)s
"""
COUNT_REMOVABLE: Final = """
SELECT count(*) FROM storage
WHERE ns = %(ns)s AND ptr = -%(ptr)s AND _deleted_txid IS NOT NULL AND _deleted_txid <= %(horizon)s
"""
REMOVE_BATCH: Final = """
WITH gone AS (
  SELECT ctid, id FROM storage
  WHERE ns = %(ns)s AND ptr = -%(ptr)s AND _deleted_txid IS NOT NULL AND _deleted_txid <= %(horizon)s
    AND id >= %(after)s
  ORDER BY id LIMIT %(batch)s
), removed AS (
  DELETE FROM storage s USING gone WHERE s.ns = %(ns)s AND s.ctid = gone.ctid
)
SELECT count(*), max(id) FROM gone
"""
REMOVE_LOG: Final = """
WITH gone AS (
  SELECT txid FROM trxs WHERE ns = %(ns)s AND (
    (status = 2 AND expires_at <= now())
    OR (status = 1 AND txid < %(horizon)s)
  ) ORDER BY txid LIMIT %(batch)s
), removed AS (
  DELETE FROM trxs t USING gone WHERE t.ns = %(ns)s AND t.txid = gone.txid
)
SELECT count(*) FROM gone
"""
SIZES: Final = """
SELECT abs(ptr), count(*) FILTER (WHERE _deleted_txid IS NULL), count(*) FILTER (WHERE _deleted_txid IS NOT NULL),
  coalesce(sum(pg_column_size(s.*)) FILTER (WHERE _deleted_txid IS NULL), 0)::bigint,
  coalesce(sum(pg_column_size(s.*)) FILTER (WHERE _deleted_txid IS NOT NULL), 0)::bigint
FROM storage s WHERE ns = %(ns)s GROUP BY 1 ORDER BY 1
"""
