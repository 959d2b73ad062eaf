"""kontract, through its public face."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, ClassVar

from django.db import connection

import kontract
from benchmarks.contenders.base import Contender
from benchmarks.documents import Data
from kontract import env
from kontract.models import Trx
from kontract.mvcc import vacuum
from kontract.tables.catalog import locate, resolve
from kontract.tables.past import current_snapshot


class Kontract(Contender):
    """One logical table."""

    name: ClassVar[str] = "kontract"

    def __init__(self, table: str = "documents") -> None:
        self.table = env.storage[table]
        self.numbers = count(1)
        self.ptr = str(resolve(*locate(), table).ptr)

    def load(self, documents: Sequence[Data]) -> None:
        self.table.set_many({str(number): data for data, number in zip(documents, self.numbers, strict=False)})

    def insert(self, data: Data) -> None:
        self.table.push(data)

    def update(self, number: int, data: Data) -> None:
        self.table.set(str(number), data)

    def update_together(self, documents: Mapping[int, Data]) -> None:
        with kontract.transaction():
            for number, data in documents.items():
                self.table.set(str(number), data)

    def get(self, number: int) -> Any:
        return self.table.get(str(number))

    def find(self, name: str) -> Sequence[Any]:
        return list(self.table.query(name=name))

    def first(self, count: int) -> Sequence[Any]:
        return list(self.table.query().limit(count))

    def value(self, found: Any) -> int:
        age: int = found["age"]
        return age

    def count(self) -> int:
        return self.table.count()

    def moment(self) -> int:
        return current_snapshot()

    def as_of(self, number: int, moment: int) -> Any:
        return self.table.as_of(moment).get(str(number))

    def position(self) -> int:
        return current_snapshot()

    def changes(self, position: int, limit: int) -> list[int]:
        log = Trx.objects.filter(ns=0, status=Trx.Status.COMMITTED, txid__gt=position).order_by("txid")
        return [
            int(document_id)
            for changes in log.values_list("changes", flat=True)[:limit]
            for ids in (changes or {}).get(self.ptr, {}).values()
            for document_id in ids
        ]

    def versions(self, number: int) -> int:
        return len(self.table.history(str(number)))

    def total_versions(self) -> int:
        return count_versions(int(self.ptr))


def count_versions(ptr: int) -> int:
    """Return how many versions all documents of a logical table have."""
    (size,) = (size for size in vacuum.measure(connection, 0) if size.ptr == ptr)
    return size.documents + size.versions
