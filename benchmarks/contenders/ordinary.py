"""Ordinary Django models: plain, and with the packages that keep their history."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any, ClassVar

import reversion  # type: ignore[import-untyped]
from django.apps import apps
from django.db import models
from django.db.transaction import atomic
from django.utils import timezone
from reversion.models import Version  # type: ignore[import-untyped]
from simple_history.utils import bulk_create_with_history  # type: ignore[import-untyped]

from benchmarks.contenders.base import Contender
from benchmarks.documents import Data


class Django(Contender):
    """A plain Django model."""

    name: ClassVar[str] = "Django"
    keeps_versions: ClassVar[bool] = False
    model_name: ClassVar[str] = "Plain"

    def __init__(self) -> None:
        self.model: Any = apps.get_model("benchmarks", self.model_name)
        self.held: dict[int, Any] = {}

    def load(self, documents: Sequence[Data]) -> None:
        self.store([self.model(**data) for data in documents])

    def store(self, objs: Sequence[Any]) -> None:
        """Insert many objects at once."""
        self.model.objects.bulk_create(objs)

    def hold(self, numbers: Iterable[int]) -> None:
        self.held = self.model.objects.in_bulk(list(numbers))

    def write(self) -> AbstractContextManager[Any]:
        """Return the block that one write needs around it, so that its version is written with it or not at all."""
        return nullcontext()

    def write_together(self) -> AbstractContextManager[Any]:
        """Return the block that makes several writes one transaction."""
        return atomic()

    def insert(self, data: Data) -> None:
        with self.write():
            self.model.objects.create(**data)

    def update(self, number: int, data: Data) -> None:
        with self.write():
            self.save(number, data)

    def update_together(self, documents: Mapping[int, Data]) -> None:
        with self.write_together():
            for number, data in documents.items():
                self.save(number, data)

    def save(self, number: int, data: Data) -> None:
        """Assign to the object in memory, and save it."""
        held = self.held[number]
        held.name, held.email, held.age, held.bio = data["name"], data["email"], data["age"], data["bio"]
        held.save()

    def get(self, number: int) -> Any:
        return self.model.objects.get(pk=number)

    def find(self, name: str) -> Sequence[Any]:
        return list(self.model.objects.filter(name=name))

    def first(self, count: int) -> Sequence[Any]:
        return list(self.model.objects.order_by("pk")[:count])

    def count(self) -> int:
        count: int = self.model.objects.count()
        return count


class Recorded(Django):
    """A model whose versions lie in a table with an ascending key."""

    keeps_versions: ClassVar[bool] = True
    key: ClassVar[str]  # the ascending key
    reference: ClassVar[str]  # the document's

    def history(self) -> "models.QuerySet[Any]":
        """Return all versions of all documents."""
        raise NotImplementedError

    def history_of(self, number: int) -> "models.QuerySet[Any]":
        """Return the versions of one document."""
        return self.history().filter(**{self.reference: number})

    def moment(self) -> datetime:
        return timezone.now()

    def position(self) -> int:
        last: int | None = self.history().aggregate(last=models.Max(self.key))["last"]
        return last or 0

    def changes(self, position: int, limit: int) -> list[int]:
        later = self.history().filter(**{f"{self.key}__gt": position}).order_by(self.key)
        return [int(row[1]) for row in later.values_list(self.key, self.reference)[:limit]]

    def versions(self, number: int) -> int:
        return self.history_of(number).count()

    def total_versions(self) -> int:
        return self.history().count()


class SimpleHistory(Recorded):
    """django-simple-history.  It saves object and version one after the other, hence ``atomic``."""

    name = "simple-history"
    model_name = "SimpleHistory"
    key, reference = "history_id", "id"

    def write(self) -> AbstractContextManager[Any]:
        return atomic()

    def store(self, objs: Sequence[Any]) -> None:
        bulk_create_with_history(objs, self.model)

    def history(self) -> "models.QuerySet[Any]":
        history: models.QuerySet[Any] = self.model.history.all()
        return history

    def as_of(self, number: int, moment: datetime) -> Any:
        return self.model(pk=number).history.as_of(moment)


class Reversion(Recorded):
    """django-reversion."""

    name = "reversion"
    loads_in_bulk = False
    model_name = "Reversion"
    key, reference = "id", "object_id"

    def write(self) -> AbstractContextManager[Any]:
        block: AbstractContextManager[Any] = reversion.create_revision()
        return block

    def write_together(self) -> AbstractContextManager[Any]:
        return self.write()

    def store(self, objs: Sequence[Any]) -> None:
        with self.write():
            for created in self.model.objects.bulk_create(objs):
                reversion.add_to_revision(created)

    def history(self) -> "models.QuerySet[Any]":
        history: models.QuerySet[Any] = Version.objects.get_for_model(self.model)
        return history

    def as_of(self, number: int, moment: datetime) -> Any:
        version: Any = self.history_of(number).filter(revision__date_created__lte=moment).first()
        return self.model(**version.field_dict)


class PgHistory(Recorded):
    """django-pghistory."""

    name = "pghistory"
    model_name = "PgHistory"
    key, reference = "pgh_id", "pgh_obj_id"

    def history(self) -> "models.QuerySet[Any]":
        events: Any = apps.get_app_config("benchmarks").get_model("PgHistoryEvent")  # made by the decorator
        history: models.QuerySet[Any] = events.objects.all()
        return history

    def as_of(self, number: int, moment: datetime) -> Any:
        return self.history_of(number).filter(pgh_created_at__lte=moment).order_by("-pgh_id").first()
