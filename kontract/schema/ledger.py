"""What the catalog of one namespace knows of migration files: which are applied, and how far long work has come.

``migration/<file>`` says how many operations of a file are done, ``moving/<table>`` how far the documents of a table
are rewritten, and ``removed/<table>`` what a removed table was.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.mvcc.connections import fetch_all
from kontract.mvcc.transaction import run_transaction
from kontract.mvcc.versions.moving import CATALOG_DOCUMENTS
from kontract.schema.record import new_run
from kontract.tables.catalog import forget, read_entry, write_entry

MIGRATION: Final = "migration/"
MOVING: Final = "moving/"
REMOVED: Final = "removed/"
TABLE: Final = "table/"

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ledger:
    """The catalog of a namespace, and who is told what is done there (None: nobody)."""

    connection: BaseDatabaseWrapper
    ns: int
    out: Any = None

    def run(self, label: str, function: Callable[[], Any]) -> Any:
        """Run a function in a transaction of its own, again after a conflict."""
        result = run_transaction(function, using=self.connection.alias, label=label)[0]
        forget(self.connection.alias)
        return result

    def read(self, entry: str) -> Entry | None:
        """Return a document of the catalog, as the open transaction sees it."""
        return read_entry(self.connection, self.ns, entry)

    def write(self, entry: str, document: Entry | None) -> None:
        """Collect a document of the catalog for the open transaction; None deletes it."""
        write_entry(self.connection, self.ns, entry, document)

    def put(self, label: str, entry: str, document: Entry | None) -> None:
        """Write a document of the catalog in a transaction of its own."""
        self.run(label, lambda: self.write(entry, document))

    def list(self, prefix: str) -> dict[str, Entry]:
        """Return the documents of the catalog whose ids begin with ``prefix``, by the rest of the id."""
        rows = fetch_all(self.connection, CATALOG_DOCUMENTS, {"ns": self.ns, "prefix": prefix})
        return {id_.removeprefix(prefix): json.loads(data) for id_, data in rows}

    def position(self, migration: str) -> Entry:
        """Return how far a migration file has come."""
        return self.read(MIGRATION + migration) or {"state": "running", "done": 0, "numbers": {}, "run": new_run()}

    def say(self, text: str) -> None:
        """Tell whoever listens."""
        if self.out is not None:
            self.out.write(text)
