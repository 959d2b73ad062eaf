"""Changing the owners of documents."""

from typing import Final

_OWNED = "ns = %(ns)s AND ptr = ANY(%(ptrs)s) AND _deleted_txid IS NULL AND _owner = %(owner)s"
COUNT_OWNED: Final = f"SELECT ptr, count(*) FROM storage WHERE {_OWNED} GROUP BY ptr"
LIST_OWNED: Final = f"SELECT ptr, id, _order, data::text, _schema FROM storage WHERE {_OWNED} ORDER BY ptr, id"
# Of unversioned tables, in place; ``ids`` restricts them, unless it is NULL.
GIVE_OWNED: Final = f"""
UPDATE storage SET _owner = %(to)s WHERE {_OWNED} AND (%(ids)s::text[] IS NULL OR id = ANY(%(ids)s::text[]))
RETURNING ptr, id
"""
