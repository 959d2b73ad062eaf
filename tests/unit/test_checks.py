# ruff: noqa: DJ008 - nobody looks at these models
"""What manage.py check says of models."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.apps.registry import Apps
from django.contrib.auth.models import User
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateRangeField, HStoreField, RangeOperators
from django.contrib.postgres.indexes import BrinIndex, GinIndex
from django.core.checks import CheckMessage, run_checks
from django.db import models
from django.db.models import Deferrable, UniqueConstraint
from django.test import override_settings
from django.test.utils import isolate_apps

from kontract import checks
from kontract.orm import VersionedManager, VersionedModel, source
from kontract.orm.checks import check_all, check_table_names
from kontract.tables import keys


class Elsewhere:
    """A router that keeps users in a database of their own."""

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "users" if model is User else None


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Apps]:
    monkeypatch.setattr(keys, "_declared", dict(keys._declared))
    monkeypatch.setattr(source, "_models", dict(source._models))
    monkeypatch.setattr(apps, "get_containing_app_config", lambda module: apps.get_app_config("app"))
    with isolate_apps("tests.app") as isolated:
        assert isolated is not None
        yield isolated


def ids(*models: Any) -> list[str | None]:
    return [message.id for message in found(*models)]


def found(*models: Any) -> list[CheckMessage]:
    messages = check_all(models)
    assert all(message.hint and str(message.msg).endswith(".") for message in messages)
    return messages


def test_an_ordinary_project_has_no_messages() -> None:
    kontract_messages = [message for message in run_checks(databases=[]) if (message.id or "").startswith("kontract.")]
    assert kontract_messages == []
    assert checks.check_models(None) == []


def test_ordinary_references_to_a_versioned_model() -> None:
    class Target(VersionedModel):
        pass

    class ByKey(models.Model):
        target = models.ForeignKey(Target, models.CASCADE)

    class ByOne(models.Model):
        target = models.OneToOneField(Target, models.CASCADE)

    class ByMany(models.Model):
        targets = models.ManyToManyField(Target)

    class Unconstrained(models.Model):
        target = models.ForeignKey(Target, models.CASCADE, db_constraint=False, related_name="+")

    class Joining(models.Model):
        target = models.ForeignKey(Target, models.CASCADE, db_constraint=False, related_name="+")
        objects = VersionedManager()

    class Ordinary(models.Model):
        other = models.ForeignKey(ByKey, models.CASCADE)

    through = ByMany._meta.get_field("targets").remote_field.through
    assert ids(ByKey) == ids(ByOne) == ids(ByMany, through) == ["kontract.E005"]
    assert ids(Unconstrained) == ["kontract.W001"]
    assert ids(Joining, Ordinary, Target) == []


def test_versioned_references_are_free() -> None:
    class Label(models.Model):
        pass

    class Thing(VersionedModel):
        owner = models.ForeignKey(User, models.CASCADE, related_name="+")
        labels = models.ManyToManyField(Label)
        parent = models.ForeignKey("self", models.CASCADE, null=True)
        missing = models.ForeignKey("nowhere.Model", models.CASCADE, related_name="+")

    assert ids(Thing) == []


def test_a_name_that_no_table_can_have() -> None:
    class Odd(VersionedModel):
        class Meta:
            db_table = "no good"

    assert ids(Odd) == ["kontract.E006"]


def test_two_models_with_one_table(registry: Apps, monkeypatch: pytest.MonkeyPatch) -> None:
    class First(VersionedModel):
        class Meta:
            db_table = "same"

    class Second(VersionedModel):
        class Meta:
            db_table = "same"

    class Proxy(First):
        class Meta:
            proxy = True

    monkeypatch.setattr("kontract.orm.checks.apps", registry)
    assert [message.id for message in check_table_names([First, Second, Proxy])] == ["kontract.E007"]
    assert check_table_names([First, Proxy]) == []


def test_what_cannot_be_read_back() -> None:
    class Odd(VersionedModel):
        pairs = HStoreField()

    assert ids(Odd) == ["kontract.E008"]


def test_indexes_that_cannot_be_and_those_that_can() -> None:
    class Odd(VersionedModel):
        number = models.IntegerField()
        words = ArrayField(models.TextField())

        class Meta:
            indexes = [
                BrinIndex(fields=["number"], name="odd_brin"),
                models.Index(fields=["words"], name="odd_words"),
                GinIndex(fields=["words"], name="odd_gin"),
                models.Index(fields=["number"], name="odd_number", include=["words"]),
            ]

    assert ids(Odd) == ["kontract.E009", "kontract.E009", "kontract.W006"]
    assert ["odd_brin" in found(Odd)[0].msg, "odd_words" in found(Odd)[1].msg] == [True, False]


def test_constraints_that_are_not_kept() -> None:
    class Odd(VersionedModel):
        number = models.IntegerField()
        days = DateRangeField()

        class Meta:
            constraints = [
                ExclusionConstraint(name="odd_days", expressions=[("days", RangeOperators.OVERLAPS)]),
                UniqueConstraint(fields=["number"], name="odd_number", deferrable=Deferrable.DEFERRED),
                UniqueConstraint(fields=["number", "days"], name="odd_both"),
            ]

    assert ids(Odd) == ["kontract.E010", "kontract.W007"]


@override_settings(DATABASE_ROUTERS=["tests.unit.test_checks.Elsewhere"])
def test_references_to_another_database() -> None:
    class Thing(VersionedModel):
        owner = models.ForeignKey(User, models.CASCADE, related_name="+")

    class Loose(VersionedModel):
        owner = models.ForeignKey(User, models.CASCADE, related_name="+", db_constraint=False)

    assert ids(Thing) == ["kontract.E011"]
    assert ids(Loose) == []


def test_managers() -> None:
    class Stubborn(models.Manager[Any]):
        def get_queryset(self) -> models.QuerySet[Any]:
            return models.QuerySet(self.model)

    class Curious(models.Manager[Any]):
        def get_queryset(self) -> models.QuerySet[Any]:
            raise LookupError("who asks?")

    class Odd(VersionedModel):
        objects = Stubborn()
        others = Curious()
        plain = models.Manager()

    assert ids(Odd) == ["kontract.E012"]


@override_settings(KONTRACT={"TABLES": {"counted": {"versioned": False}, "kept": {}}})
def test_a_model_without_a_past() -> None:
    class Counted(VersionedModel):
        class Meta:
            db_table = "counted"

    class Kept(VersionedModel):
        class Meta:
            db_table = "kept"

    assert ids(Counted, Kept) == ["kontract.W002"]


def test_names_that_hide_what_versioned_models_have() -> None:
    class Odd(VersionedModel):
        history = models.TextField()  # type: ignore[assignment]

        def restore(self, txid: Any) -> None:
            raise NotImplementedError

    assert ids(Odd) == ["kontract.W003", "kontract.W003"]


def test_options_and_indexes_without_effect() -> None:
    class Odd(VersionedModel):
        took = models.DurationField(db_index=True)
        lasts = models.DurationField(unique=True)

        class Meta:
            db_tablespace = "fast"
            db_table_comment = "odd"

    assert ids(Odd) == ["kontract.W004", "kontract.W004", "kontract.W005"]


@override_settings(KONTRACT={"NO_SUCH": 1})
def test_settings_that_are_wrong_have_one_message() -> None:
    assert checks.check_models(None) == []
    assert [message.id for message in checks.check_settings()] == ["kontract.E001"]


def test_checks_of_chosen_apps() -> None:
    assert checks.check_models([]) == []
