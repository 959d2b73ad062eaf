"""What a transaction writes, before it is SQL: pure values and functions."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from kontract.conf import TableOptions
from kontract.mvcc.casts import Casts
from kontract.mvcc.rules import Rules

_quote = json.encoder.encode_basestring_ascii

Op = Literal["set", "insert", "merge", "delete"]
Key = tuple[int, int, str]  # namespace, ptr, id
Changes = dict[tuple[int, str], str]  # (ptr, id) -> "insert" | "update" | "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A logical table, resolved: where its documents lie and how they are kept.

    ``schema`` is the number that documents are written at, and ``casts`` bring those of other numbers to it; None where
    there are none.
    """

    ns: int
    ptr: int
    name: str
    options: TableOptions = field(default_factory=TableOptions, hash=False)
    rules: Rules | None = field(default=None, hash=False)
    referring: tuple[int | None, ...] = ()  # ptrs of the tables that ``rules.referrers`` are about
    schema: int = field(default=1, hash=False)
    casts: Casts | None = field(default=None, hash=False)

    def cast(self, data: str, number: int) -> str:
        """Return the JSON text of a document, written at the schema ``number``, as it is now."""
        return data if number == self.schema or self.casts is None else self.casts.cast(data, number)

    @property
    def old_data(self) -> str:
        """SQL for the live document of the row ``s`` under today's names, for use in a statement.

        Its values are those that it was written with, which is what its key rows were made of.
        """
        if self.casts is None or (data := self.casts.renaming().sql("s", live=True)) is None:
            return "s.data"
        return data.replace("%", "%%")

    @property
    def is_mixed(self) -> bool:
        """Whether live documents may have to be cast, so that SQL can merge nothing into them as they are."""
        return self.casts is not None and self.casts.sql("s", live=True) is not None


class Write(NamedTuple):
    """One document's new state.  ``data`` is JSON text; ``owner`` and ``order`` override what the row would get.

    ``insert`` is a ``set`` that fails where there is a document already; ``merge`` replaces keys of one that exists,
    and removes the keys that are ``absent``.
    """

    table: Table
    id: str
    op: Op
    data: str | None = None
    owner: str | None = None
    order: int | None = None
    absent: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """The document's place."""
        return (self.table.ns, self.table.ptr, self.id)


def encode(writes: Iterable[Write], *, start: int = 0, seen: Mapping[Key, int] | None = None) -> str:
    """Return ``writes`` as the JSON array that the write statements unpack.

    ``start`` is the ordinal of the first one within its transaction.  ``seen`` gives the txid of the version that the
    transaction read (0: none), to be compared under the clock.
    """
    rows = []
    for n, write in enumerate(writes, start):
        row = f'{{"n":{n},"ptr":{write.table.ptr},"id":{_quote(write.id)},"op":"{write.op}"'
        if write.data is not None:
            row += f',"data":{write.data}'
        if write.owner is not None:
            row += f',"owner":{_quote(write.owner)}'
        if write.order is not None:
            row += f',"ord":{write.order}'
        if write.table.schema != 1:
            row += f',"schema":{write.table.schema}'
        if write.op == "merge":
            row += f',"absent":[{",".join(map(_quote, write.absent))}]'
        if seen and write.key in seen:
            row += f',"seen":{seen[write.key]}'
        rows.append(row + "}")
    return f"[{','.join(rows)}]"


def as_params(write: Write) -> dict[str, Any]:
    """Return one write as the parameters of the statement for a single document."""
    return {
        "ptr": write.table.ptr,
        "id": write.id,
        "data": write.data,
        "owned": write.owner,
        "ord": write.order,
        "absent": as_array(write.absent),
        "schema": write.table.schema,
    }


def as_array(texts: Iterable[str]) -> str:
    """Return ``texts`` as the literal of an array of PostgreSQL's."""
    return "{" + ",".join('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts) + "}"


def decode_changes(text: str | None) -> Changes:
    """Return the changes that a log entry's JSON text lists."""
    return {
        (int(ptr), document_id): op
        for ptr, ops in json.loads(text or "{}").items()
        for op, ids in ops.items()
        for document_id in ids
    }


def encode_changes(changes: Changes) -> str:
    """Return ``changes`` as a log entry's JSON text."""
    grouped: dict[str, dict[str, list[str]]] = {}
    for (ptr, document_id), op in changes.items():
        grouped.setdefault(str(ptr), {}).setdefault(op, []).append(document_id)
    return json.dumps(grouped)


# What two writes of one document in one transaction amount to; None: nothing.
_COMBINED: dict[tuple[str, str], str | None] = {
    ("insert", "update"): "insert",
    ("insert", "delete"): None,
    ("update", "update"): "update",
    ("update", "delete"): "delete",
    ("delete", "insert"): "update",
}


def combine_changes(first: Changes, then: Changes) -> Changes:
    """Return what ``first`` followed by ``then``, in one transaction, changed as a whole."""
    combined = dict(first)
    for key, op in then.items():
        before = combined.pop(key, None)
        after = op if before is None else _COMBINED[before, op]
        if after is not None:
            combined[key] = after
    return combined
