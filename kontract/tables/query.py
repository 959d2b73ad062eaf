"""``env.storage.users.query(...)``: Django's lookups on the JSON of a logical table.

The queryset is Django's own, over the model of the physical table; only its FROM entry is ours (see ``mvcc.reading``),
made when the query is compiled, so that it shows the transaction's own writes up to that moment.
"""

import functools
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Self, TypeVar, overload

from django.core.exceptions import FieldError
from django.db import DataError, ProgrammingError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q, QuerySet
from django.db.models.sql import Query
from django.db.models.sql.datastructures import BaseTable

from kontract.exceptions import InvalidQueryError, KontractError
from kontract.models import Storage
from kontract.mvcc import access, asynchronous, reads
from kontract.mvcc.errors import translated
from kontract.mvcc.matching import narrowing
from kontract.mvcc.reading import Source, read, remember, resolve_moment, source
from kontract.mvcc.snapshot import check_intact
from kontract.mvcc.transaction import run_transaction
from kontract.mvcc.units import collect, require_unit
from kontract.mvcc.versions import reading
from kontract.mvcc.writes import Table, Write
from kontract.perms import Perm
from kontract.tables.documents import Document, encode
from kontract.tables.keys import conform
from kontract.tables.permitted import merge
from kontract.tables.place import Place

T = TypeVar("T")

_METADATA = {"_id": "id", "_owner": "owner", "_txid": "txid", "_order": "order"}
_CHUNK = 2000  # rows at a time where all of a table is walked through


class SourceTable(BaseTable):
    """A FROM entry that shows one logical table from one place."""

    def __init__(self, place: Place, table_name: str, alias: str | None) -> None:
        super().__init__(table_name, alias)
        self.place = place

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return the subselect with its values in it: the planner's statistics depend on the ptr."""
        table = self.place.resolve(connection)
        found = _readable(table, source(connection, table, self.place.moment))
        sql = connection.ops.compose_sql(found.sql, found.params)
        text = sql if isinstance(sql, str) else sql.decode()
        quote = getattr(compiler, "quote_name", None) or compiler.quote_name_unless_alias  # Django 6.1 has renamed it
        return f"({text.replace('%', '%%')}) {quote(self.table_alias)}", []

    def relabeled_clone(self, change_map: dict[str | None, str]) -> "SourceTable":
        """Return a copy under another alias."""
        return SourceTable(self.place, self.table_name, change_map.get(self.table_alias, self.table_alias))


def _readable(table: Table, found: Source) -> Source:
    """Return a FROM entry without what the running call may not read, so that no condition can tell it."""
    if access.find_level(table, Perm.R) is not None:
        return Source(reading.with_data(found.sql, "'{}'::jsonb"), found.params)
    if found.data is not None:
        found = Source(reading.with_data(found.sql, found.data), found.params)
    if hidden := access.lacking(table, Perm.R):
        without = reading.with_data(found.sql, "s.data - %(hidden_fields)s::text[]")
        return Source(without, found.params | {"hidden_fields": sorted(hidden)})
    return found


class TableQuery:
    """A lazy query on a logical table; each method returns a new one, and iterating runs it.

    Names in lookups, orders and values are keys of the document, with ``__`` reaching inside
    (``address__city__startswith``); ``_id``, ``_owner``, ``_txid`` and ``_order`` are the document's metadata.  Lookups
    compare as JSON does, see https://docs.djangoproject.com/en/stable/topics/db/queries/#querying-jsonfield.
    Documents come in the order of their insertion unless ``order_by`` says otherwise.
    """

    def __init__(
        self,
        place: Place,
        queryset: "QuerySet[Storage] | None" = None,
        names: tuple[str, ...] = (),
        used: frozenset[str] = frozenset(),
        conditions: tuple[Q, ...] = (),
    ) -> None:
        self._place = place
        self._names = names
        self._used = used  # keys of the document that conditions and orders name
        self._conditions = conditions  # all of which what is found meets
        self._found: list[Any] | None = None
        if queryset is None:
            query = Query(Storage)
            query.base_table_class = functools.partial(SourceTable, place)  # type: ignore[assignment]
            queryset = QuerySet(Storage, query=query, using=place.read_alias)
            queryset = queryset.filter(order__isnull=False).order_by("order")  # what the index of the order asks for
        self._queryset = queryset

    def _clone(
        self,
        change: "Callable[[QuerySet[Storage]], QuerySet[Storage]]",
        used: frozenset[str] = frozenset(),
        conditions: tuple[Q, ...] = (),
    ) -> Self:
        with query_errors():
            conditions = (*self._conditions, *conditions)
            return type(self)(self._place, change(self._queryset), self._names, self._used | used, conditions)

    def all(self) -> Self:
        """Return the same query, not yet run."""
        return self._clone(lambda queryset: queryset)

    def filter(self, *conditions: Q, **lookups: Any) -> Self:
        """Keep the documents that meet all conditions."""
        condition = Q(*conditions, **lookups)
        used = frozenset(_used_by(condition))
        return self._clone(lambda queryset: queryset.filter(_inside_q(condition)), used, (condition,))

    def exclude(self, *conditions: Q, **lookups: Any) -> Self:
        """Leave out the documents that meet all conditions."""
        condition = Q(*conditions, **lookups)
        return self._clone(lambda queryset: queryset.exclude(_inside_q(condition)), frozenset(_used_by(condition)))

    def order_by(self, *names: str) -> Self:
        """Order by keys; a leading ``-`` reverses."""
        used = frozenset(_first(name.removeprefix("-")) for name in names)
        return self._clone(lambda queryset: queryset.order_by(*map(_inside_order, names)), used)

    def limit(self, count: int, offset: int = 0) -> Self:
        """Keep at most ``count`` documents after the first ``offset``."""
        return self._clone(lambda queryset: queryset[offset : offset + count])

    def values(self, *names: str) -> "ValuesQuery":
        """Yield plain dicts of these keys only (None where absent)."""
        return ValuesQuery(self._place, self._queryset, names, self._used, self._conditions)

    def _columns(self) -> tuple[str, ...]:
        return ("id", "data", "txid", "owner")

    def _build(self, row: tuple[Any, ...]) -> Any:
        document_id, data, txid, owner = row
        return Document(data, id=document_id, txid=txid, owner=owner)

    def _check_names(self, table: Table) -> None:
        """Raise ``PermissionDeniedError`` where the query names what the running call may not read."""
        if access.in_call():
            for name in sorted(self._used.union(map(_first, self._names)) - {"_id"}):
                access.check_named(table, name)

    def _run(self, evaluate: "Callable[[QuerySet[Storage]], T]") -> T:
        """Evaluate, and check afterwards that a past that was read is whole."""
        connection = self._place.reading()

        def read(table: Table) -> T:
            self._check_names(table)
            with query_errors(), translated(), self._narrowed():
                found = evaluate(self._queryset.all())
            self._check(connection, table)
            return found

        return self._place.look(connection, read)

    def _narrowed(self) -> AbstractContextManager[None]:
        return reads.narrowed(functools.partial(narrowing, self._conditions))

    def _check(self, connection: BaseDatabaseWrapper, table: Table) -> None:
        if self._place.moment is not None:
            check_intact(connection, table, resolve_moment(connection, table, self._place.moment))

    def _fetch(self) -> list[Any]:
        """Run the query, once, as Django's querysets do; ``all()`` gives one that runs again."""
        if self._found is None:
            rows = self._run(lambda queryset: list(queryset.values_list(*self._columns())))
            self._found = [self._build(row) for row in rows]
        return self._found

    def iterator(self) -> Iterator[Any]:
        """Run the query and yield document by document, for results that do not fit in memory.

        One snapshot, through a server-side cursor; see QuerySet.iterator() of Django for connection poolers.
        """
        connection = self._place.reading()
        table = self._place.resolve(connection)
        self._check_names(table)
        empty = True
        with query_errors(), translated(), self._narrowed():
            for row in self._queryset.values_list(*self._columns()).iterator(chunk_size=_CHUNK):
                empty = False
                yield self._build(row)
        self._check(connection, table)
        if empty and self._place.resolve(connection, fresh=True) != table:
            yield from self.iterator()

    def first(self) -> Any:
        """Return the first document, or None."""
        return next(iter(self.limit(1) if self._queryset.query.can_filter() else self), None)

    def count(self) -> int:
        """Return how many documents there are."""
        return self._run(lambda queryset: queryset.count())

    def exists(self) -> bool:
        """Return whether there is any document."""
        return self._run(lambda queryset: queryset.exists())

    def update(self, changes: Mapping[str, Any]) -> int:
        """Merge ``changes`` into every document found, as one transaction; return how many there were.

        Raises ``ConflictError`` in a transaction where another one changed any of them first; outside it runs again.
        """
        encode(changes)
        connection = self._place.writing()

        def change(table: Table, found: Document) -> Write:
            text = conform(connection, table.name, found.id, encode(merge(table, found, changes)))
            return Write(table, found.id, "set", text, found.owner)

        return self._write(Perm.W, change)

    def delete(self) -> int:
        """Delete every document found, as one transaction; return how many there were.  Raises as ``update`` does."""
        return self._write(Perm.X, lambda table, found: Write(table, found.id, "delete"))

    def _write(self, bit: Perm, make: Callable[[Table, Document], Write]) -> int:
        connection = self._place.writing()

        def attempt() -> int:
            access.check(self._place.resolve(connection), bit)
            with access.matching(self._place.name):
                found = list(TableQuery(self._place, self._queryset.using(connection.alias), used=self._used))
            table, unit = self._place.resolve(connection), require_unit(connection)
            if access.in_call():  # what was found lacks what the call may not read
                found = _whole(connection, table, found)
            remember(unit, table, {document.id: document.txid for document in found})
            for document in found:
                collect(connection, unit, make(table, document))
            return len(found)

        return run_transaction(attempt, using=connection.alias)[0]

    def explain(self, **options: Any) -> str:
        """Return PostgreSQL's plan; options as for QuerySet.explain() of Django."""
        return self._run(lambda queryset: queryset.explain(**options))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._fetch())

    def __len__(self) -> int:
        return len(self._fetch())

    def __bool__(self) -> bool:
        return bool(self._fetch())

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            if index.step is not None or (index.start or 0) < 0 or (index.stop or 0) < 0:
                raise InvalidQueryError("A slice of a query has no step and no negative bounds: make a list first.")
            return self._clone(lambda queryset: queryset[index])
        if index < 0:
            raise InvalidQueryError("A query has no negative index. Reverse the order, or make a list of it first.")
        return self[index : index + 1]._fetch()[0]

    async def alist(self) -> list[Any]:
        """Return the list of all results."""
        return await asynchronous.call(self._fetch)

    async def afirst(self) -> Any:
        """See first()."""
        return await asynchronous.call(self.first)

    async def acount(self) -> int:
        """See count()."""
        return await asynchronous.call(self.count)

    async def aexists(self) -> bool:
        """See exists()."""
        return await asynchronous.call(self.exists)

    async def aupdate(self, changes: Mapping[str, Any]) -> int:
        """See update()."""
        return await asynchronous.call(self.update, changes)

    async def adelete(self) -> int:
        """See delete()."""
        return await asynchronous.call(self.delete)

    async def __aiter__(self) -> AsyncIterator[Any]:
        for document in await self.alist():
            yield document

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self._place.name!r}>"


class ValuesQuery(TableQuery):
    """A query that yields plain dicts of chosen keys."""

    def _columns(self) -> tuple[str, ...]:
        return tuple(_inside(name) for name in self._names) or ("data",)

    def _build(self, row: tuple[Any, ...]) -> dict[str, Any]:
        return dict(zip(self._names, row, strict=True)) if self._names else row[0]


@contextmanager
def query_errors() -> Iterator[None]:
    """Raise ``InvalidQueryError`` for a lookup that Django or PostgreSQL cannot make sense of."""
    try:
        yield
    except KontractError:
        raise
    except (FieldError, TypeError, ValueError, DataError, ProgrammingError) as error:
        raise InvalidQueryError(f"The query cannot be run: {error}".strip()) from error


def _whole(connection: BaseDatabaseWrapper, table: Table, found: list[Document]) -> list[Document]:
    rows = read(connection, table, [document.id for document in found])
    return [Document(json.loads(row.data), id=id_, txid=row.txid, owner=row.owner) for id_, row in rows.items()]


def _first(name: str) -> str:
    return name.partition("__")[0]


def _used_by(condition: Q) -> Iterator[str]:
    """Yield the keys that a condition names."""
    for child in condition.children:
        if isinstance(child, Q):
            yield from _used_by(child)
        elif isinstance(child, tuple):
            yield _first(child[0])


def _inside(name: str) -> str:
    """Return Django's name for a key of the document, or for its metadata."""
    first, separator, rest = name.partition("__")
    if first in _METADATA:
        return _METADATA[first] + separator + rest
    return f"data__{name}"


def _inside_order(name: str) -> str:
    return "-" + _inside(name[1:]) if name.startswith("-") else _inside(name)


def _inside_condition(name: str, value: Any) -> Q:
    """Return the condition on the stored row; equality of a key with a scalar as containment, which is faster."""
    if "__" not in name and name not in _METADATA and isinstance(value, (str, int, float, type(None))):
        return Q(data__contains={name: value})
    return Q((_inside(name), value))


def _inside_q(condition: Q) -> Q:
    children: list[Any] = []
    for child in condition.children:
        if isinstance(child, Q):
            children.append(_inside_q(child))
        elif isinstance(child, tuple):
            children.append(_inside_condition(*child))
        else:
            raise InvalidQueryError(f"{child!r} is no condition on a document. Use Q(key__lookup=value).")
    return type(condition)(*children, _connector=condition.connector, _negated=condition.negated)
