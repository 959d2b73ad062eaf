"""Taking documents out: as JSON Lines, or into ordinary tables through their models.

A file begins with a line that says what it shows: a table at one snapshot.  So a run that was stopped goes on behind
the last whole line, with the same snapshot, and the file is what it would have been.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.db import router
from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.exceptions import ConfigurationError
from kontract.mvcc import clock
from kontract.mvcc.connections import fetch_all, fetch_one
from kontract.mvcc.snapshot import as_of, check_intact, check_versioned
from kontract.mvcc.versions.moving import EXPORT_AS_OF, EXPORT_HISTORY, EXPORT_LIVE
from kontract.mvcc.versions.schema import COUNT_LIVE
from kontract.mvcc.writes import Table
from kontract.schema.progress import Progress

_BATCH: Final = 1000  # documents read at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What is taken out: a table at a snapshot (None: an unversioned one, which has only a present)."""

    connection: BaseDatabaseWrapper
    table: Table
    snapshot: int | None
    history: bool = False

    @classmethod
    def of(
        cls, connection: BaseDatabaseWrapper, table: Table, moment: Any = None, *, history: bool = False
    ) -> "Export":
        """Return the export of a table at ``moment``, by default now.

        Raises ``NotVersionedError`` where an unversioned table is asked for its past, and what ``as_of`` raises.
        """
        if not table.options.versioned and moment is None and not history:
            return cls(connection=connection, table=table, snapshot=None)
        check_versioned(table)
        snapshot = clock.latest(connection, table.ns) if moment is None else as_of(moment).resolve(connection, table.ns)
        return cls(connection=connection, table=table, snapshot=snapshot, history=history)

    @property
    def header(self) -> dict[str, Any]:
        """The first line of a file."""
        return {"kontract_export": 1, "table": self.table.name, "snapshot": self.snapshot, "history": self.history}

    def batches(self, after: str = "") -> Iterator[list[dict[str, Any]]]:
        """Yield the documents, or all versions of documents, after the id ``after``, in order of their ids."""
        statement = EXPORT_HISTORY if self.history else EXPORT_LIVE if self.snapshot is None else EXPORT_AS_OF
        while True:
            params = {"ns": self.table.ns, "ptr": self.table.ptr, "snapshot": self.snapshot, "limit": _BATCH}
            rows = fetch_all(self.connection, statement, params | {"after": after})
            if self.snapshot is not None:
                check_intact(self.connection, self.table, self.snapshot)
            if not rows:
                return
            yield [self._as_line(*row) for row in rows]
            after = rows[-1][0]

    def _as_line(self, id_: str, data: str, number: int, txid: int, owner: str, *of_history: Any) -> dict[str, Any]:
        line = {"id": id_, "txid": txid, "owner": owner, "data": json.loads(self.table.cast(data, number))}
        if of_history:
            deleted_txid, committed_at, changed_by, label = of_history
            moment = None if committed_at is None else committed_at.isoformat()
            line |= {"deleted_txid": deleted_txid, "committed_at": moment, "changed_by": changed_by, "label": label}
        return line

    def count(self) -> int:
        """Return about how many documents there are."""
        found: int = fetch_one(self.connection, COUNT_LIVE, {"ns": self.table.ns, "ptr": self.table.ptr})[0]
        return found


def write_lines(export: Export, target: Any, *, after: str, out: Any) -> int:
    """Write the documents after an id to an open file of text, a line each; return how many lines there are."""
    progress, done = Progress(out, f"Documents of {export.table.name}", export.count()), 0
    for batch in export.batches(after):
        for line in batch:
            target.write(json.dumps(line, ensure_ascii=False) + "\n")
        target.flush()  # a run that is killed loses one batch at most
        done += len(batch)
        progress.tell(done)
    progress.finish(done)
    return done


def write_file(export: Export, path: Path, *, out: Any) -> int:
    """Write a file, or go on with one that was begun; return how many lines were written.

    Raises ``ConfigurationError`` where there is a file of something else.
    """
    header, after = _find_end(path)
    if header is not None:
        wanted = export.header | {"snapshot": header.get("snapshot")}
        if header != wanted:
            raise ConfigurationError(
                f"{path} is no export of {export.table.name!r} to go on with. Name another file, or remove it."
            )
        export = Export(
            connection=export.connection, table=export.table, snapshot=header["snapshot"], history=export.history
        )
    with path.open("a", encoding="utf-8", newline="\n") as target:
        if header is None:
            target.write(json.dumps(export.header) + "\n")
        return write_lines(export, target, after=after, out=out)


def _find_end(path: Path) -> tuple[dict[str, Any] | None, str]:
    """Cut off a line that is not whole; return the header of a file and the last id in it, "" if there is none.

    In an export of history, the versions of the last document may be incomplete: they are cut off, too.
    """
    if not path.exists() or path.stat().st_size == 0:
        return None, ""
    header: dict[str, Any] | None = None
    after, last, end, begins = "", "", 0, 0
    with path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break
            if header is None:
                header = _parse_header(path, line)
            elif (id_ := json.loads(line)["id"]) != last:
                after, last, begins = last, id_, end
            end += len(line)
    if header is None:
        raise ConfigurationError(f"{path} is no export of kontract's. Name another file, or remove it.")
    keep = begins if header.get("history") and last else end
    with path.open("r+b") as file:
        file.truncate(keep)
    return header, after if header.get("history") else last


def _parse_header(path: Path, line: bytes) -> dict[str, Any]:
    try:
        header: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise ConfigurationError(f"{path} is no export of kontract's. Name another file, or remove it.") from error
    if not isinstance(header, dict) or header.get("kontract_export") != 1:
        raise ConfigurationError(f"{path} is no export of kontract's. Name another file, or remove it.")
    return header


def insert_rows(export: Export, model: Any, into: Any, names: Mapping[str, str], *, out: Any) -> int:
    """Insert the objects of a versioned ``model`` into the table of the ordinary model ``into``; return how many.

    ``names`` are the fields' names there, where they differ.  Rows that are there already are left alone, so that a run
    that was stopped can be repeated.
    """
    progress, done = Progress(out, f"Rows of {into._meta.label}", export.count()), 0
    manager = model._base_manager.using(export.connection.alias)
    for batch in export.batches():
        keys = [_key(model, line["id"]) for line in batch]
        found = manager.filter(pk__in=keys)
        objects = found if export.snapshot is None else found.as_of(export.snapshot)
        rows = [_convert(obj, into, names) for obj in objects]
        into._base_manager.using(router.db_for_write(into)).bulk_create(rows, ignore_conflicts=True)
        done += len(batch)
        progress.tell(done)
    progress.finish(done)
    return done


def _key(model: Any, document_id: str) -> Any:
    if len(model._meta.pk_fields) > 1:
        return tuple(json.loads(document_id))
    return model._meta.pk.to_python(document_id)


def _convert(obj: Any, into: Any, names: Mapping[str, str]) -> Any:
    fields = [field for field in obj._meta.concrete_fields if not field.generated]
    return into(**{names.get(field.attname, field.attname): getattr(obj, field.attname) for field in fields})
