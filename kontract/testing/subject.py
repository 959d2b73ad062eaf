"""What is watched: a logical table, or a versioned model."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.db import router
from django.db.models import Model

from kontract.conf import TableOptions
from kontract.mvcc.connections import get_connection
from kontract.orm.parts import document_id
from kontract.orm.source import is_versioned
from kontract.tables.catalog import locate, resolve
from kontract.tables.proxy import TableProxy

ABSENT: Final = object()


class Subject:
    """A logical table and its documents."""

    def __init__(self, name: str, using: str | None) -> None:
        self.name = name
        self._using = using

    def __str__(self) -> str:
        return f"the table {self.name!r}"

    def is_versioned(self) -> bool:
        """Return whether the log tells what changes in it."""
        connection, ns = locate(self._using)
        options: TableOptions = resolve(connection, ns, self.name).options
        return options.versioned

    def read(self, ids: Iterable[str], moment: int | None = None) -> Mapping[str, Any]:
        """Return the documents with these ids, as they are now or were at ``moment``."""
        table = TableProxy(self.name, using=self._using)
        return (table if moment is None else table.as_of(moment)).get_many(ids)

    def read_all(self) -> Mapping[str, Any]:
        """Return all documents by id."""
        return dict(TableProxy(self.name, using=self._using).items())

    def key_of(self, name: Any) -> Any:
        """Return what tests call the document with this id."""
        return name

    def get(self, document: Any, name: str) -> Any:
        """Return a document's field, or ``ABSENT``."""
        return document.get(name, ABSENT)

    def show(self, document: Any) -> str:
        """Return a document for people to read."""
        return repr(dict(document))


class ModelSubject(Subject):
    """A versioned model and its instances."""

    def __init__(self, model: type[Model], using: str | None) -> None:
        super().__init__(model._meta.db_table, using)
        self._model: Any = model

    def __str__(self) -> str:
        return f"the model {self._model.__name__}"

    def read(self, ids: Iterable[str], moment: int | None = None) -> Mapping[str, Any]:
        """See Subject.read(); of instances."""
        alias = self._using or router.db_for_read(self._model)
        objects = self._model._base_manager.using(alias)
        found = (objects if moment is None else objects.as_of(moment)).filter(pk__in=[self.key_of(id_) for id_ in ids])
        connection = get_connection(alias)
        return {document_id(self._model, instance.pk, connection): instance for instance in found}

    def key_of(self, name: Any) -> Any:
        """Return the primary key of the instance with this id, or of this instance, or this one as its type has it."""
        fields, key = self._model._meta.pk_fields, getattr(name, "pk", name)
        if len(fields) == 1:
            return fields[0].to_python(key)
        parts = json.loads(key) if isinstance(key, str) else key
        return tuple(f.to_python(part) for f, part in zip(fields, parts, strict=True))

    def get(self, document: Any, name: str) -> Any:
        """See Subject.get(); of an instance."""
        return getattr(document, name, ABSENT)

    def show(self, document: Any) -> str:
        """See Subject.show(); of an instance."""
        return repr(document)


def make_subject(table: str | type[Model], using: str | None) -> Subject:
    """Return what ``table`` names.  Raises ``TypeError`` for what is neither a name nor a versioned model."""
    if isinstance(table, str):
        return Subject(table, using)
    if isinstance(table, type) and issubclass(table, Model) and is_versioned(table):
        return ModelSubject(table, using)
    raise TypeError(f"{table!r} is neither the name of a logical table nor a versioned model.")
