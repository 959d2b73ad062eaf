"""What a block reads: which tables, and which of their documents; for whoever is to be told when that changes.

Recording is for live queries.  Where nobody records, each read asks one context variable and goes on.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from kontract.mvcc.matching import Comparison
from kontract.mvcc.writes import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What one read depends on: documents of a table that are among ``ids``, are ``owner``'s and meet ``conditions``.

    None: of any id, of any owner.
    """

    ns: int
    table: str
    ids: frozenset[str] | None = None
    owner: str | None = None
    conditions: tuple[Comparison, ...] = ()

    def has(self, document_id: str, owner: str | None, data: Mapping[str, Any]) -> bool:
        """Return whether the read may have to do with a document in this state; ``owner`` None: not known."""
        return (
            (self.ids is None or document_id in self.ids)
            and (self.owner is None or owner is None or owner == self.owner)
            and all(condition.matches(document_id, data) for condition in self.conditions)
        )


Narrow = Callable[[], tuple[Comparison, ...]]

_recorded: ContextVar[list[Read] | None] = ContextVar("kontract_reads", default=None)
_narrow: ContextVar[Narrow | None] = ContextVar("kontract_narrow", default=None)


@contextmanager
def recording() -> Iterator[list[Read]]:
    """Collect what is read within the block."""
    found: list[Read] = []
    token = _recorded.set(found)
    try:
        yield found
    finally:
        _recorded.reset(token)


def is_recording() -> bool:
    """Return whether somebody is to be told when what is read changes."""
    return _recorded.get() is not None


@contextmanager
def narrowed(narrow: Narrow) -> Iterator[None]:
    """Let the tables that the block reads be read for documents only which meet what ``narrow`` returns."""
    if _recorded.get() is None:
        yield
        return
    token = _narrow.set(narrow)
    try:
        yield
    finally:
        _narrow.reset(token)


def note_ids(table: Table, ids: Iterable[str]) -> None:
    """Record that documents were looked up by id, whether or not they exist."""
    if (found := _recorded.get()) is not None:
        found.append(Read(ns=table.ns, table=table.name, ids=frozenset(ids)))


def note(table: Table, owner: str | None = None) -> None:
    """Record that a query reads a table, or only what ``owner`` has in it."""
    if (found := _recorded.get()) is not None:
        narrow = _narrow.get()
        conditions = () if narrow is None else narrow()
        found.append(Read(ns=table.ns, table=table.name, owner=owner, conditions=conditions))
