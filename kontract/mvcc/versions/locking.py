"""Locks on documents, and on tables as a whole."""

from typing import Final

from kontract.mvcc.versions.ptrs import CATALOG

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
# Under an older snapshot the statement above may not see that a table is gone; locking its entry then fails.
HOLD_TABLES: Final = f"""
SELECT FROM storage
WHERE ns = %(ns)s AND ptr = {CATALOG} AND id = ANY(%(tables)s::text[]) AND _deleted_txid IS NULL FOR SHARE
"""
