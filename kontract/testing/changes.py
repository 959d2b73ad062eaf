"""``assert_changes``: exactly what a block has inserted, updated and deleted."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from types import TracebackType
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from kontract.models import Trx
from kontract.mvcc import asynchronous, clock
from kontract.mvcc.history import find_changes
from kontract.mvcc.units import find_unit
from kontract.mvcc.versions.ptrs import FIRST_PTR
from kontract.mvcc.writes import combine_changes
from kontract.tables.catalog import list_tables, locate
from kontract.testing.expected import Expected, explain, read_expected
from kontract.testing.subject import Subject, make_subject

Ids = dict[str, list[str]]  # by "insert", "update" and "delete"


@dataclass(slots=True)
class Changes:
    """What a block has changed in one table, by id, once it is over.

    Documents (of a model: instances, by primary key) are as the block left them; deleted ones as they were before it.
    """

    inserts: dict[Any, Any] = field(default_factory=dict)
    updates: dict[Any, Any] = field(default_factory=dict)
    deletes: dict[Any, Any] = field(default_factory=dict)


def assert_changes(
    table: str | type[Model],
    /,
    *,
    inserts: Expected = None,
    updates: Expected = None,
    deletes: Expected = None,
    using: str | None = None,
) -> "Watch":
    """Return a block (``with`` or ``async with``) that raises ``AssertionError`` unless it changes just that.

    ``table`` is a logical table's name or a versioned model.  What is expected is a number of documents, or their ids,
    or a dict of ids to the fields that are to have these values; what is left out is not to happen.  The block gives a
    ``Changes``, to look closer at afterwards.

    Several changes of one document count as one: created and deleted again is none.  Those of others count, too, if
    they commit to the same namespace meanwhile.  An update that changes nothing is one, except in an unversioned table,
    which has no log.  Raises ``RuntimeError`` inside of a transaction, where nothing is written before its end.
    """
    return Watch(make_subject(table, using), {"inserts": inserts, "updates": updates, "deletes": deletes}, using)


def assert_no_changes(*, using: str | None = None) -> "Watch":
    """Return a block that raises ``AssertionError`` if it changes a document of any versioned table."""
    return Watch(None, {}, using)


class Watch:
    """A block that is watched; see ``assert_changes``."""

    def __init__(self, subject: Subject | None, expected: Mapping[str, Expected], using: str | None) -> None:
        self._subject = subject
        self._expected = {name: read_expected(each, subject) for name, each in expected.items() if subject}
        self._using = using
        self._found = Changes()
        self._before: Mapping[str, Any] | None = None  # all documents, where no log tells what happens to them

    def __enter__(self) -> Changes:
        connection, ns = self._locate()
        if self._subject is not None and not self._subject.is_versioned():
            self._before = self._subject.read_all()
        self._start = clock.latest(connection, ns)
        return self._found

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._check()

    async def __aenter__(self) -> Changes:
        return await asynchronous.call(self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asynchronous.call(self.__exit__, kind, error, traceback)

    def _locate(self) -> tuple[BaseDatabaseWrapper, int]:
        connection, ns = locate(self._using)
        if find_unit(connection) is not None:
            raise RuntimeError("What a transaction changes is known at its end: look at it from outside.")
        return connection, ns

    def _check(self) -> None:
        connection, ns = self._locate()
        if self._subject is None:
            self._check_nothing(connection, ns)
            return
        self._find(self._subject, connection, ns)
        problems = [
            line
            for name, expected in self._expected.items()
            for line in explain(name, expected, getattr(self._found, name), self._subject)
        ]
        if problems:
            raise AssertionError("\n  ".join([f"The block did not change {self._subject} as expected:", *problems]))

    def _check_nothing(self, connection: BaseDatabaseWrapper, ns: int) -> None:
        tables = list_tables(connection, ns)
        lines = [
            f"{op} of {document_id!r} in {tables[ptr].name if ptr in tables else 'a table that is gone'}"
            for (ptr, document_id), op in _read_log(connection, ns, self._start).items()
            if ptr >= FIRST_PTR
        ]
        if lines:
            raise AssertionError("\n  ".join(["The block was to change nothing, but did:", *lines]))

    def _find(self, subject: Subject, connection: BaseDatabaseWrapper, ns: int) -> None:
        """Fill in what the block has changed."""
        if self._before is not None:
            ids, before = _compare(self._before, subject.read_all()), self._before.get
        else:
            ids = _list_changes(connection, ns, self._start, subject.name)
            before = subject.read(ids["delete"], self._start).get
        now = subject.read([*ids["insert"], *ids["update"]])
        self._found.inserts = _pick(subject, ids["insert"], now.get)
        self._found.updates = _pick(subject, ids["update"], now.get)
        self._found.deletes = _pick(subject, ids["delete"], before)


def _pick(subject: Subject, ids: Iterable[str], find: Callable[[str], Any]) -> dict[Any, Any]:
    return {subject.key_of(document_id): find(document_id) for document_id in ids}


def _list_changes(connection: BaseDatabaseWrapper, ns: int, after: int, name: str) -> Ids:
    """Return the ids of the documents of a table that were changed, by how."""
    ptrs = {ptr for ptr, table in list_tables(connection, ns).items() if table.name == name}
    ids: Ids = {"insert": [], "update": [], "delete": []}
    for (ptr, document_id), op in _read_log(connection, ns, after).items():
        if ptr in ptrs:
            ids[op].append(document_id)
    return ids


def _read_log(connection: BaseDatabaseWrapper, ns: int, after: int) -> dict[tuple[int, str], str]:
    """Return what the transactions since ``after`` have changed together."""
    log = Trx.objects.using(connection.alias).filter(ns=ns, txid__gt=after, status=Trx.Status.COMMITTED)
    txids = log.order_by("txid").values_list("txid", flat=True)
    return reduce(combine_changes, (find_changes(connection, ns, txid) for txid in txids), {})


def _compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Ids:
    return {
        "insert": [key for key in after if key not in before],
        "update": [key for key in after if key in before and after[key] != before[key]],
        "delete": [key for key in before if key not in after],
    }
