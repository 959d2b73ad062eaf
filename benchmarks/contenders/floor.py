"""The floor: what PostgreSQL and psycopg take for the bare rows, without Django and without versions."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import psycopg
from django.db import connection as django_connection
from psycopg.rows import namedtuple_row

from benchmarks.contenders.base import Contender
from benchmarks.documents import Data

TABLE = "benchmarks_floor"
INSERT = f"INSERT INTO {TABLE} (name, email, age, bio) VALUES (%(name)s, %(email)s, %(age)s, %(bio)s)"  # noqa: S608
COPY = f"COPY {TABLE} (name, email, age, bio) FROM STDIN"
UPDATE = f"UPDATE {TABLE} SET name = %(name)s, email = %(email)s, age = %(age)s, bio = %(bio)s WHERE id = %(id)s"  # noqa: S608
SELECT = f"SELECT id, name, email, age, bio FROM {TABLE}"  # noqa: S608


class Floor(Contender):
    """Prepared statements on a connection of its own."""

    name: ClassVar[str] = "psycopg"
    keeps_versions: ClassVar[bool] = False

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None

    @property
    def connection(self) -> "psycopg.Connection[Any]":
        """The connection, made where it is first used."""
        if self._connection is None:
            parameters = django_connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}
            self._connection = psycopg.connect(**parameters, autocommit=True, row_factory=namedtuple_row)
        return self._connection

    def close(self) -> None:
        """Close the connection; the next use makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def load(self, documents: Sequence[Data]) -> None:
        with self.connection.transaction(), self.connection.cursor().copy(COPY) as copy:
            for data in documents:
                copy.write_row((data["name"], data["email"], data["age"], data["bio"]))

    def insert(self, data: Data) -> None:
        self.connection.execute(INSERT, data)

    def update(self, number: int, data: Data) -> None:
        self.connection.execute(UPDATE, {"id": number, **data})

    def update_together(self, documents: Mapping[int, Data]) -> None:
        with self.connection.pipeline(), self.connection.transaction():
            for number, data in documents.items():
                self.connection.execute(UPDATE, {"id": number, **data})

    def get(self, number: int) -> Any:
        return self.connection.execute(f"{SELECT} WHERE id = %s", [number]).fetchone()

    def find(self, name: str) -> Sequence[Any]:
        return self.connection.execute(f"{SELECT} WHERE name = %s", [name]).fetchall()

    def first(self, count: int) -> Sequence[Any]:
        return self.connection.execute(f"{SELECT} ORDER BY id LIMIT %s", [count]).fetchall()

    def count(self) -> int:
        (count,) = self.connection.execute(f"SELECT count(*) FROM {TABLE}").fetchone() or (0,)  # noqa: S608
        return int(count)
