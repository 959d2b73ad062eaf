"""Bringing documents from the schema number that they were written at to that of the code that reads them.

A row's ``_schema`` says at which number of its table's schema its data is written.  The catalog lists the changes of
shape since number 1, each of which knows its way forward and back; numbers only grow, so that going back is a change,
too.  A process reads and writes at the number of its own code, which may be older or newer than that of others that run
beside it.

A change is done to a document's members as texts, or by PostgreSQL to whole FROM entries; where it is Python code in a
project's migration file only the former is possible.
"""

import functools
import importlib
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, NamedTuple, Protocol

from kontract.exceptions import SchemaCodeMissingError
from kontract.mvcc.members import join_members, members
from kontract.mvcc.versions import casting

Texts = dict[str, str]  # JSON texts by key

NEWEST: Final = 1 << 31  # beyond every number


class DocumentCode(Protocol):
    """An operation in a migration file that changes documents by Python."""

    def forward_document(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return what ``data`` becomes."""

    def backward_document(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return what ``data`` was."""


class Change(NamedTuple):
    """The change of shape that leads to the number ``to``; ``arguments`` are those of its kind, as in the catalog."""

    to: int
    kind: str
    arguments: tuple[Any, ...]
    columns: frozenset[str]  # that it touches
    undoes: int | None = None  # the number of the change that it takes back

    @classmethod
    def parse(cls, described: Mapping[str, Any]) -> "Change":
        """Return the change that the catalog describes."""
        kind = next(name for name in _FORWARD if name in described)
        arguments = tuple(described[kind])
        if kind == "add" or kind == "remove":
            arguments = (arguments[0], json.dumps(arguments[1], ensure_ascii=False))
        columns = described.get("columns") or (arguments if kind == "rename" else arguments[:1])
        return cls(described["to"], kind, arguments, frozenset(columns), described.get("undoes"))

    @property
    def is_code(self) -> bool:
        """Whether only Python can do it."""
        return self.kind == "code"

    def run(self, texts: Texts, *, forward: bool) -> Texts:
        """Return the members of a document after the change, or before it."""
        found: Texts = (_FORWARD if forward else _BACKWARD)[self.kind](texts, *self.arguments)
        return found

    def sql(self, d: str, *, forward: bool) -> str:
        """Return SQL for a document after the change, or before it, where ``d`` is SQL for the other."""
        found: str = (_FORWARD_SQL if forward else _BACKWARD_SQL)[self.kind](d, *self.arguments)
        return found


# --- What changes do to members --------------------------------------------------------------------------------------


def _rename(texts: Texts, old: str, new: str) -> Texts:
    if old not in texts:
        return texts
    return {key: text for key, text in texts.items() if key not in (old, new)} | {new: texts[old]}


def _add(texts: Texts, key: str, text: str) -> Texts:
    return {key: text} | texts


def _remove(texts: Texts, key: str, default: str) -> Texts:
    return {other: text for other, text in texts.items() if other != key}


def _convert(texts: Texts, key: str, kind: str) -> Texts:
    return texts | {key: _CONVERT[kind](texts[key]) or "null"} if key in texts else texts


def _as_text(text: str) -> str:
    return text if text.startswith('"') or text == "null" else json.dumps(text, ensure_ascii=False)


def _as_number(text: str) -> str | None:
    if text in ("true", "false"):
        return "1" if text == "true" else "0"
    value = _scalar(text)
    return f"{Decimal(value):f}" if _NUMBER.match(value) else None


def _as_integer(text: str) -> str | None:
    number = _as_number(text)
    return None if number is None else f"{Decimal(number).to_integral_value(ROUND_HALF_UP):f}"


def _as_boolean(text: str) -> str | None:
    value = _scalar(text).strip(" ").lower()
    return "true" if value in casting.TRUE else "false" if value in casting.FALSE else None


def _scalar(text: str) -> str:
    value: str = json.loads(text) if text.startswith('"') else text
    return value


_NUMBER = re.compile(casting.NUMBER.replace("$", r"\Z"), re.ASCII)
_CONVERT: Final = {"text": _as_text, "integer": _as_integer, "number": _as_number, "boolean": _as_boolean}


def _run_code(method: str, texts: Texts, module: str, index: int) -> Texts:
    before = {key: json.loads(text) for key, text in texts.items()}
    after = getattr(find_code(module, index), method)(dict(before))
    return {
        key: texts[key] if key in before and before[key] is value else json.dumps(value, ensure_ascii=False)
        for key, value in after.items()
    }


@functools.cache
def find_code(module: str, index: int) -> DocumentCode:
    """Return the operation number ``index`` of a migration file.  Raises ``SchemaCodeMissingError``."""
    try:
        code: DocumentCode = importlib.import_module(module).Migration.operations[index]
        code.forward_document, code.backward_document  # noqa: B018 - whether it has them
    except (ImportError, AttributeError, IndexError) as error:
        raise SchemaCodeMissingError(
            f"Old versions of documents need operation {index} of {module}, which cannot be loaded: {error}. Keep a "
            "migration file as long as there are versions that are older than it."
        ) from error
    return code


def _forward_code(texts: Texts, module: str, index: int, backwards: bool) -> Texts:
    return _run_code("backward_document" if backwards else "forward_document", texts, module, index)


def _backward_code(texts: Texts, module: str, index: int, backwards: bool) -> Texts:
    return _forward_code(texts, module, index, not backwards)


_FORWARD: Final[dict[str, Any]] = {
    "rename": _rename,
    "add": _add,
    "remove": _remove,
    "convert": lambda texts, key, kind, back: _convert(texts, key, kind),
    "code": _forward_code,
    "keep": lambda texts, key: texts,
}
_BACKWARD: Final[dict[str, Any]] = {
    "rename": lambda texts, old, new: _rename(texts, new, old),
    "add": _remove,
    "remove": _add,
    "convert": lambda texts, key, kind, back: _convert(texts, key, back),
    "code": _backward_code,
}
_FORWARD_SQL: Final[dict[str, Any]] = {
    "rename": casting.rename,
    "add": casting.add,
    "remove": lambda d, key, text: casting.remove(d, key),
    "convert": lambda d, key, kind, back: casting.convert(d, key, kind),
}
_BACKWARD_SQL: Final[dict[str, Any]] = {
    "rename": lambda d, old, new: casting.rename(d, new, old),
    "add": lambda d, key, text: casting.remove(d, key),
    "remove": casting.add,
    "convert": lambda d, key, kind, back: casting.convert(d, key, back),
}


# --- A table's changes -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Casts:
    """What brings the documents of one table to the number ``own`` of this process's code.

    ``changes`` are all that there were, in order.  Live documents are at ``live`` or above.
    """

    changes: tuple[Change, ...]
    own: int
    live: int = 1

    def cast(self, data: str, number: int) -> str:
        """Return the JSON text of a document that was written at ``number``."""
        chain = self.chain(number)
        if not chain:
            return data
        texts = dict(members(data))
        for change in chain:
            texts = change.run(texts, forward=number < self.own)
        return join_members(texts)

    def chain(self, number: int) -> tuple[Change, ...]:
        """Return the changes between ``number`` and our own, in the order in which they are to be done or undone.

        Those that were taken back again are left out: so nothing is lost on the way.  So is ``keep``, which takes an
        ``add`` back and leaves to documents what they were given meanwhile.
        """
        low, high = min(number, self.own), max(number, self.own)
        chain: list[Change] = []
        for change in self.changes:
            if not low < change.to <= high:
                continue
            if chain and change.undoes is not None and any(change.undoes == done.to for done in chain):
                chain = [done for done in chain if done.to != change.undoes]
            elif change.kind != "keep":
                chain.append(change)
        return tuple(chain if number < self.own else reversed(chain))

    def touched(self, *, live: bool) -> frozenset[str]:
        """Return the columns whose values may have to be cast, of live documents only or of all."""
        return frozenset().union(*(change.columns for low, _ in self._ranges(live) for change in self.chain(low)))

    def by_code(self, *, live: bool) -> list[tuple[int, int]]:
        """Return the ranges of numbers from which only Python leads to ours."""
        return [(low, high) for low, high in self._ranges(live) if any(change.is_code for change in self.chain(low))]

    def sql(self, row: str, *, live: bool) -> str | None:
        """Return SQL for the document of ``row`` at our number; None where it is the stored one.

        Where Python has to cast, it takes it from the parameter ``casts``, see ``casting.patched``.
        """
        return _sql(self, row, live)

    def renaming(self) -> "Casts":
        """Return the changes that leave values what they were."""
        return Casts(tuple(c for c in self.changes if c.kind not in ("convert", "code")), self.own, self.live)

    def _ranges(self, live: bool) -> Iterable[tuple[int, int]]:
        """Yield the ranges of numbers that have one chain, those in which a document is as we read it left out."""
        bounds = [1, *(change.to for change in self.changes), NEWEST]
        for low, high in itertools.pairwise(bounds):
            if self.chain(low) and not (live and high <= self.live):
                yield low, high


@functools.lru_cache(maxsize=1024)
def _sql(casts: Casts, row: str, live: bool) -> str | None:
    cases = [
        f"WHEN {row}._schema >= {low} AND {row}._schema < {high} THEN {_chain_sql(casts, low, row)}"
        for low, high in casts._ranges(live)
    ]
    return f"(CASE {' '.join(cases)} ELSE {row}.data END)" if cases else None


def _chain_sql(casts: Casts, number: int, row: str) -> str:
    chain = casts.chain(number)
    if any(change.is_code for change in chain):
        return casting.patched(row)
    sql = f"{row}.data"
    for change in chain:
        sql = casting.after(sql, change.sql("x.d", forward=number < casts.own))
    return sql
