"""``env.storage``: logical tables as mappings of documents."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q

from kontract.conf import get_settings
from kontract.exceptions import ConflictError, DocumentNotFound
from kontract.mvcc import access, asynchronous
from kontract.mvcc.flush import Outcome
from kontract.mvcc.history import Version, read_history
from kontract.mvcc.reading import Row, owners_of, read, read_all, remember_taken
from kontract.mvcc.snapshot import AsOf, Moment, as_of
from kontract.mvcc.steps import take_step
from kontract.mvcc.transaction import run_transaction
from kontract.mvcc.unit import Unit
from kontract.mvcc.units import collect, find_unit, run_now, write_now
from kontract.mvcc.writes import Table, Write
from kontract.perms import Perm
from kontract.tables import permitted
from kontract.tables.documents import Document, check_id, encode
from kontract.tables.keys import conform, is_declared, make_id
from kontract.tables.place import Place
from kontract.tables.query import TableQuery

T = TypeVar("T")

_COLLECTED = Outcome()  # nothing is known before the flush


class TableProxy:
    """One logical table.  Every method that touches the database has an ``a`` twin for coroutines.

    Outside a transaction each operation is one of its own; inside, writes are collected and reads see them.  Writes
    raise ``InvalidIdError``, ``InvalidDocumentError``, ``ReadOnlyError`` when looking at the past, and
    ``ClockTimeoutError``; everything raises ``TableNotFound`` for a table that nobody declared.
    """

    def __init__(self, name: str, *, using: str | None = None, moment: AsOf | None = None) -> None:
        self._name = name
        self._using = using
        self._moment = moment

    def __repr__(self) -> str:
        return f"<table {self._name!r}>"

    def _place(self) -> Place:
        return Place.here(self._name, self._using, self._moment)

    def using(self, alias: str) -> "TableProxy":
        """Return the table of this name in another database of ``DATABASES``."""
        return TableProxy(self._name, using=alias, moment=self._moment)

    def as_of(self, moment: Moment) -> "TableProxy":
        """Return the table as it was, to read from; see ``kontract.as_of``."""
        return TableProxy(self._name, using=self._using, moment=as_of(moment))

    # --- Reading ---

    def get(self, document_id: str, default: Any = None) -> Any:
        """Return a document, or ``default`` where there is none."""
        return self.get_many([document_id]).get(document_id, default)

    async def aget(self, document_id: str, default: Any = None) -> Any:
        """See get()."""
        return await asynchronous.call(self.get, document_id, default)

    def get_many(self, document_ids: Iterable[str]) -> dict[str, Document]:
        """Return the documents that exist among ``document_ids``, by id, in the order asked for."""
        ids = [check_id(document_id) for document_id in document_ids]
        place = self._place()
        connection = place.reading()

        def look(table: Table) -> dict[str, Document]:
            access.check(table, Perm.R)
            hidden = access.lacking(table, Perm.R)
            rows = read(connection, table, ids, place.moment)
            return {document_id: _as_document(document_id, row, hidden) for document_id, row in rows.items()}

        return place.look(connection, look) if ids else {}

    async def aget_many(self, document_ids: Iterable[str]) -> dict[str, Document]:
        """See get_many()."""
        return await asynchronous.call(self.get_many, list(document_ids))

    def query(self, *conditions: Q, **lookups: Any) -> TableQuery:
        """Return a lazy query: ``query(name="Bob", age__gte=18).order_by("-age").limit(10)``."""
        return TableQuery(self._place()).filter(*conditions, **lookups)

    def count(self) -> int:
        """Return how many documents there are."""
        return self.query().count()

    async def acount(self) -> int:
        """See count()."""
        return await asynchronous.call(self.count)

    def history(self, document_id: str) -> list[Version]:
        """Return all versions of a document, newest first; what is not yet flushed is not among them.

        Raises ``NotVersionedError`` for an unversioned table.
        """
        check_id(document_id)
        place = self._place()
        connection = place.reading()
        return place.look(connection, lambda table: read_history(connection, table, document_id))

    async def ahistory(self, document_id: str) -> list[Version]:
        """See history()."""
        return await asynchronous.call(self.history, document_id)

    # --- Writing ---

    def set(self, document_id: str, data: Mapping[str, Any]) -> Document:
        """Write a document, new or in place of the one with this id; return it as written."""
        table = self._bound_table()
        if table is not None and self._writing()[2] is None:
            return self._alone(lambda: self.set(document_id, data))
        texts = self._texts({document_id: data}, table)
        outcome = self._write(texts)
        owner, _ = outcome.extra or (None, None)
        written = json.loads(texts[document_id]) if table is not None or is_declared(self._name) else data
        if table is not None:
            written = permitted.show(table, written, given=data)
        return Document(written, id=document_id, txid=outcome.txid, owner=owner)

    async def aset(self, document_id: str, data: Mapping[str, Any]) -> Document:
        """See set()."""
        return await asynchronous.call(self.set, document_id, data)

    def set_many(self, documents: Mapping[str, Mapping[str, Any]]) -> int | None:
        """Write many documents as one transaction; return its txid (None: a transaction is open, or has none)."""
        table = self._bound_table()
        if table is not None and self._writing()[2] is None:
            return self._in_transaction(lambda: self.set_many(documents))[1]
        return self._write(self._texts(documents, table)).txid or None

    async def aset_many(self, documents: Mapping[str, Mapping[str, Any]]) -> int | None:
        """See set_many()."""
        return await asynchronous.call(self.set_many, documents)

    def push(self, data: Mapping[str, Any]) -> Document:
        """Write a new document, last in order, under an id made here; return it with its ``id``.

        The id is a UUIDv7, or what the table's model has for keys.
        """
        return self.set(make_id(self._name), data)

    async def apush(self, data: Mapping[str, Any]) -> Document:
        """See push()."""
        return await asynchronous.call(self.push, data)

    def update(self, document_id: str, changes: Mapping[str, Any]) -> Document:
        """Merge ``changes`` into a document, key by key at the top level; return the whole.

        Raises ``DocumentNotFound``.
        """
        check_id(document_id)
        text = encode(changes)
        if self._needs_transaction_to_merge():
            return self._alone(lambda: self.update(document_id, changes))
        place, connection, unit = self._writing()
        if unit is not None:
            found = place.look(
                connection, lambda table: self._merge_in_unit(connection, unit, table, document_id, text)
            )
        else:
            found = self._now(place, connection, lambda table: self._merge_now(connection, table, document_id, text))
        if found is None:
            raise self._missing(document_id)
        return found

    async def aupdate(self, document_id: str, changes: Mapping[str, Any]) -> Document:
        """See update()."""
        return await asynchronous.call(self.update, document_id, changes)

    def delete(self, document_id: str) -> bool:
        """Delete a document, keeping its history; return whether there was one."""
        check_id(document_id)
        if self._needs_transaction():
            return self._in_transaction(lambda: self.delete(document_id))[0]
        place, connection, unit = self._writing()
        if unit is None:
            return self._now(place, connection, lambda table: self._delete_now(connection, table, document_id))
        return place.look(connection, lambda table: self._delete_in_unit(connection, unit, table, document_id))

    async def adelete(self, document_id: str) -> bool:
        """See delete()."""
        return await asynchronous.call(self.delete, document_id)

    def pop(self) -> Document | None:
        """Delete the last document in order of insertion and return it; None where there is none."""
        return self._take(last=True)

    async def apop(self) -> Document | None:
        """See pop()."""
        return await asynchronous.call(self.pop)

    def shift(self) -> Document | None:
        """Delete the first document in order of insertion and return it; None where there is none."""
        return self._take(last=False)

    async def ashift(self) -> Document | None:
        """See shift()."""
        return await asynchronous.call(self.shift)

    # --- As a mapping: iterating gives ids, in order of insertion ---

    def __getitem__(self, document_id: str) -> Document:
        if (document := self.get(document_id)) is None:
            raise self._missing(document_id)
        found: Document = document
        return found

    def __setitem__(self, document_id: str, data: Mapping[str, Any]) -> None:
        self.set(document_id, data)

    def __delitem__(self, document_id: str) -> None:
        if not self.delete(document_id):
            raise self._missing(document_id)

    def __contains__(self, document_id: object) -> bool:
        return isinstance(document_id, str) and document_id != "" and self.get(document_id) is not None

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        return True  # it is a table, empty or not; ask len() or query().exists()

    def __iter__(self) -> Iterator[str]:
        return (document.id for document in self.values())

    def keys(self) -> Iterator[str]:
        """Yield all ids."""
        return iter(self)

    def values(self) -> Iterator[Document]:
        """Yield all documents, of one snapshot."""
        return self.query().iterator()

    def items(self) -> Iterator[tuple[str, Document]]:
        """Yield all ids with their documents, of one snapshot."""
        return ((document.id, document) for document in self.values())

    # --- How a write goes ---

    def _writing(self) -> tuple[Place, BaseDatabaseWrapper, Unit | None]:
        place = self._place()
        connection = place.writing()
        return place, connection, find_unit(connection)

    def _bound_table(self) -> Table | None:
        """Return the table if what the running call may write, or see of that, depends on the document."""
        if not access.in_call():
            return None
        place = self._place()
        table = place.resolve(place.writing())
        return table if access.is_bound(table) or access.find_level(table, Perm.R) is not None else None

    def _needs_transaction(self) -> bool:
        """Return whether a write is to be its own transaction, but depends on the document that is there."""
        return self._bound_table() is not None and self._writing()[2] is None

    def _needs_transaction_to_merge(self) -> bool:
        """Return whether a merge is to be its own transaction, but has to read the document first."""
        if self._needs_transaction():
            return True
        place, connection, unit = self._writing()
        return unit is None and place.resolve(connection).is_mixed

    def _in_transaction(self, function: Callable[[], T]) -> tuple[T, int | None]:
        return run_transaction(function, using=self._place().writing().alias)

    def _alone(self, write: Callable[[], Document]) -> Document:
        """Return what is written in a transaction of its own."""
        document, txid = self._in_transaction(write)
        document.txid = txid
        return document

    def _permitted(self, table: Table, documents: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Return the documents to be written when the running call writes ``documents``.

        Raises ``PermissionDeniedError``.
        """
        access.check(table, Perm.W)
        connection = self._place().writing()
        found = read_all(connection, table, documents)
        scope = access.scope(table)
        if scope is not None:
            for document_id, owner in owners_of(connection, table, found).items():
                if owner != scope:
                    raise access.not_yours(table, document_id)
        stored = {document_id: json.loads(row.data) for document_id, row in found.items()}
        return {id_: permitted.replace(table, stored.get(id_), data) for id_, data in documents.items()}

    def _texts(self, documents: Mapping[str, Mapping[str, Any]], bound: Table | None) -> dict[str, str]:
        """Return documents as JSON texts, by id, in the form that the table's model stores."""
        texts = {check_id(document_id): encode(data) for document_id, data in documents.items()}
        if bound is not None:
            texts = {id_: encode(data) for id_, data in self._permitted(bound, documents).items()}
        if not is_declared(self._name):
            return texts
        connection = self._place().writing()
        return {id_: conform(connection, self._name, id_, text) for id_, text in texts.items()}

    def _write(self, texts: Mapping[str, str]) -> Outcome:
        """Collect documents, JSON texts by id, or write them now where no transaction is open."""
        place, connection, unit = self._writing()
        if unit is None:
            return self._now(place, connection, lambda table: _only(write_now(connection, _sets(table, texts))))
        collect(connection, unit, *_sets(place.resolve(connection), texts))
        return _COLLECTED

    def _now(self, place: Place, connection: BaseDatabaseWrapper, run: Callable[[Table], T]) -> T:
        """Run a transaction of a single write; it reads nothing that could be stale but the catalog's cache."""
        for _ in range(get_settings().RETRIES):
            try:
                return place.look(connection, run)
            except ConflictError:
                place.resolve(connection, fresh=True)
        return place.look(connection, run)

    def _merge_now(self, connection: BaseDatabaseWrapper, table: Table, document_id: str, text: str) -> Document | None:
        text = conform(connection, table.name, document_id, text, partial=True)
        outcome = _only(write_now(connection, [Write(table, document_id, "merge", text)]))
        if outcome.extra is None:
            return None
        owner, data = outcome.extra
        if access.in_call():
            data = permitted.show(table, data, given=json.loads(text))
        return Document(data, id=document_id, txid=outcome.txid, owner=owner)

    def _merge_in_unit(
        self, connection: BaseDatabaseWrapper, unit: Unit, table: Table, document_id: str, text: str
    ) -> Document | None:
        access.check(table, Perm.W)
        row = read(connection, table, [document_id]).get(document_id)
        if row is None:
            return None
        changes = json.loads(conform(connection, table.name, document_id, text, partial=True))
        merged = encode(permitted.merge(table, json.loads(row.data), changes))
        collect(connection, unit, Write(table, document_id, "set", merged, row.owner))
        data = json.loads(merged)
        shown = permitted.show(table, data, given=changes) if access.in_call() else data
        return Document(shown, id=document_id, txid=None, owner=row.owner)

    def _delete_now(self, connection: BaseDatabaseWrapper, table: Table, document_id: str) -> bool:
        return _only(write_now(connection, [Write(table, document_id, "delete")])).extra is not None

    def _delete_in_unit(self, connection: BaseDatabaseWrapper, unit: Unit, table: Table, document_id: str) -> bool:
        access.check(table, Perm.X)
        found = document_id in read(connection, table, [document_id])
        if found:
            collect(connection, unit, Write(table, document_id, "delete"))
        return found

    def _take(self, *, last: bool) -> Document | None:
        place, connection, unit = self._writing()
        table = place.resolve(connection)
        access.check(table, Perm.R)
        access.check(table, Perm.X)
        if unit is None and (table.rules is not None or table.casts is not None or access.is_bound(table)):
            return self._in_transaction(lambda: self._take(last=last))[0]  # it takes more than one statement
        if unit is None:
            return self._now(place, connection, lambda table: _take_now(connection, table, last=last))
        first: Document | None = TableQuery(place).order_by("-_order" if last else "_order").first()
        if first is not None:
            table = place.resolve(connection)
            remember_taken(unit, table, first.id, first.txid)
            collect(connection, unit, Write(table, first.id, "delete"))
        return first

    def _missing(self, document_id: str) -> DocumentNotFound:
        return DocumentNotFound(f"The table {self._name!r} has no document {document_id!r}.")


def _sets(table: Table, texts: Mapping[str, str]) -> list[Write]:
    return [Write(table, document_id, "set", text) for document_id, text in texts.items()]


def _only(outcomes: list[Outcome]) -> Outcome:
    return outcomes[0] if outcomes else Outcome()


def _as_document(document_id: str, row: Row, hidden: frozenset[str]) -> Document:
    data = json.loads(row.data)
    shown = permitted.without(data, hidden) if hidden else data
    return Document(shown, id=document_id, txid=row.txid, owner=row.owner)


def _take_now(connection: BaseDatabaseWrapper, table: Table, *, last: bool) -> Document | None:
    outcome = run_now(connection, take_step(table, last=last, label=None))
    if outcome.extra is None:
        return None
    document_id, data, txid, owner = outcome.extra
    return Document(data, id=document_id, txid=txid, owner=owner)
