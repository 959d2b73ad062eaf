"""The names of tables by ptr, which the log has instead, also of those that were dropped since."""

import time
from collections.abc import Collection
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.conf import get_settings
from kontract.exceptions import TableNotFound
from kontract.mvcc.connections import fetch_quietly
from kontract.mvcc.units import rolled_back
from kontract.mvcc.versions import feed
from kontract.mvcc.versions.ptrs import CATALOG
from kontract.mvcc.writes import Table
from kontract.tables.catalog import resolve

_read: dict[tuple[str, int], tuple[dict[int, str], dict[str, int], float]] = {}


def forget(using: str, **kwargs: Any) -> None:
    """Drop what is known of the database ``using``, where a table may have been created in vain."""
    for place in [place for place in list(_read) if place[0] == using]:
        _read.pop(place, None)


rolled_back.connect(forget, dispatch_uid="kontract.events.names")


class Names:
    """The names of one namespace's tables, read again when one is asked for that is not known, or known for long."""

    def __init__(self, connection: BaseDatabaseWrapper, ns: int) -> None:
        self._connection = connection
        self._ns = ns
        found = _read.get((connection.alias, ns))
        if found is None or time.monotonic() - found[2] > get_settings().CATALOG_TTL:
            self._load()
        else:
            self._names, self._written, _ = found

    def __getitem__(self, ptr: int) -> str:
        if ptr not in self._names:
            self._load()
        return self._names.get(ptr, f"(dropped, ptr {ptr})")

    def ids_of(self, tables: Collection[str], snapshot: int) -> list[str]:
        """Return the ids of the horizons that changes of ``tables`` after ``snapshot`` depend on.

        The catalog's own is one where a table may have been another one then, of which vacuum has removed the trace.
        """
        ids = [str(ptr) for ptr, name in self._names.items() if name in tables]
        if any(self._written.get(name, snapshot + 1) > snapshot for name in tables):
            ids.append(str(CATALOG))
        return ids

    def find_table(self, ptr: int) -> Table | None:
        """Return the table with this ptr, unless it was dropped."""
        if (name := self[ptr]) not in self._written:
            return None
        try:
            table = resolve(self._connection, self._ns, name)
        except TableNotFound:  # since the names were read
            return None
        return table if table.ptr == ptr else None

    def _load(self) -> None:
        rows = fetch_quietly(self._connection, feed.NAMES, {"ns": self._ns})
        self._names = {ptr: name for ptr, name, written in sorted(rows, key=lambda row: row[2] is not None)}
        self._written = {name: written for _, name, written in rows if written is not None}
        _read[self._connection.alias, self._ns] = self._names, self._written, time.monotonic()
