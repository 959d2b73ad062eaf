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

from kontract.mvcc.versions import (
    answers,
    batch,
    casting,
    channels,
    clock,
    consumers,
    ddl,
    feed,
    in_place,
    limits,
    locking,
    moving,
    owners,
    past,
    ptrs,
    reading,
    references,
    rules,
    schema,
    sessions,
    violations,
    writing,
)

__all__ = [
    "answers",
    "batch",
    "casting",
    "channels",
    "clock",
    "consumers",
    "ddl",
    "feed",
    "in_place",
    "limits",
    "locking",
    "moving",
    "owners",
    "past",
    "ptrs",
    "reading",
    "references",
    "rules",
    "schema",
    "sessions",
    "violations",
    "writing",
]
