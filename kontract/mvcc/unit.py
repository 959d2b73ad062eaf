"""The unit of work: what one transaction has collected and not yet flushed.

Writes lie in layers, one for each open savepoint, so that rolling back to a savepoint drops what was written since, and
releasing it hands its writes to the layer below: what PostgreSQL does with the rows, done with the collected writes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

from kontract.mvcc.writes import Changes, Key, Table, Write

Isolation = Literal["snapshot", "serializable", "joined"]


@dataclass(slots=True)
class Layer:
    """The writes since one savepoint (``sid`` is None for the transaction itself), by table, then by id."""

    sid: str | None
    tables: dict[tuple[int, int], dict[str, Write]] = field(default_factory=dict)

    def add(self, write: Write) -> None:
        """Keep ``write`` as the last one of its document."""
        documents = self.tables.setdefault((write.table.ns, write.table.ptr), {})
        documents.pop(write.id, None)
        documents[write.id] = write

    def __iter__(self) -> Iterator[Write]:
        for documents in self.tables.values():
            yield from documents.values()


@dataclass(slots=True)
class Flushed:
    """What an early flush has already written in one namespace."""

    txid: int
    changes: Changes
    count: int
    changed: dict[Table, list[str]] = field(default_factory=dict)  # ids of documents whose references are to be checked

    def note(self, writes: list[Write]) -> None:
        """Remember what was written, so that references are checked when everything is."""
        self.count += len(writes)
        for write in writes:
            if write.table.rules is not None:
                self.changed.setdefault(write.table, []).append(write.id)


class Unit:
    """The collected writes of one transaction on one connection."""

    def __init__(self, *, isolation: Isolation, label: str | None, savepoints: list[str], eager: bool = False) -> None:
        self.isolation = isolation
        self.label = label
        self.layers = [Layer(None), *(Layer(sid) for sid in savepoints)]
        self.count = 0  # writes collected since the last flush, overwritten ones included
        self.seen: dict[Key, int] = {}  # txids of versions read, where PostgreSQL does not detect conflicts
        self.taken: set[Key] = set()  # documents of unversioned tables that must still be there to be deleted
        self.eager = eager  # whether unique values are claimed when a write is collected
        self.claimed: dict[tuple[int, int], set[str]] = {}  # key rows inserted by (ns, ptr) of the table
        self.in_steps: set[int] = set()  # namespaces flushed in several steps, whose references are checked at the end
        self.flushed: dict[int, Flushed] = {}  # by namespace
        self.committed: dict[int, int] = {}  # namespace -> txid, once committed

    def collect(self, write: Write) -> None:
        """Take ``write`` into the innermost layer."""
        before = self.find(write.table, write.id)
        if before is not None and {before.op, write.op} == {"insert", "set"}:
            write = write._replace(op="insert")  # what is new in this transaction stays so
        elif before is not None and write.op == "insert":
            write = write._replace(op="set")
        self.layers[-1].add(write)
        self.count += 1

    def find(self, table: Table, document_id: str) -> Write | None:
        """Return the collected write of a document, if there is one."""
        place = (table.ns, table.ptr)
        for layer in reversed(self.layers):
            if (write := layer.tables.get(place, {}).get(document_id)) is not None:
                return write
        return None

    def of_table(self, table: Table) -> dict[str, Write]:
        """Return the collected writes of one table by id."""
        merged: dict[str, Write] = {}
        for layer in self.layers:
            merged.update(layer.tables.get((table.ns, table.ptr), {}))
        return merged

    def by_namespace(self) -> dict[int, list[Write]]:
        """Return the last write of each document, by namespace in ascending order."""
        grouped: dict[int, list[Write]] = {}
        for (ns, _), documents in sorted(self._merged().items()):
            grouped.setdefault(ns, []).extend(documents.values())
        return grouped

    def _merged(self) -> dict[tuple[int, int], dict[str, Write]]:
        if len(self.layers) == 1:
            return self.layers[0].tables
        merged: dict[tuple[int, int], dict[str, Write]] = {}
        for write in chain.from_iterable(self.layers):
            documents = merged.setdefault((write.table.ns, write.table.ptr), {})
            documents.pop(write.id, None)
            documents[write.id] = write
        return merged

    @property
    def pending(self) -> bool:
        """Whether anything waits for a flush."""
        return any(layer.tables for layer in self.layers)

    @property
    def nested(self) -> bool:
        """Whether a savepoint is open."""
        return len(self.layers) > 1

    def clear(self) -> None:
        """Forget the collected writes: they are in the database now."""
        for layer in self.layers:
            layer.tables.clear()
        self.count = 0

    def savepoint(self, sid: str) -> None:
        """Open a layer for a new savepoint."""
        self.layers.append(Layer(sid))

    def release(self, sid: str) -> None:
        """Hand the writes since ``sid`` to the layer below it."""
        index = self._index(sid)
        if index == 0:
            return
        for layer in self.layers[index:]:
            for write in layer:
                self.layers[index - 1].add(write)
        del self.layers[index:]

    def rollback_to(self, sid: str) -> None:
        """Drop the writes since ``sid``; the savepoint itself stays open.

        A savepoint that is older than the unit precedes every write in it.
        """
        index = self._index(sid)
        if index:
            del self.layers[index + 1 :]
            self.layers[index].tables.clear()
        else:
            del self.layers[1:]
            self.layers[0].tables.clear()

    def _index(self, sid: str) -> int:
        return next((i for i, layer in enumerate(self.layers) if layer.sid == sid), 0)
