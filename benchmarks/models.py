"""The same four columns once for each contender that keeps them in an ordinary Django model."""

import pghistory
import reversion  # type: ignore[import-untyped]
from django.db import models
from simple_history.models import HistoricalRecords  # type: ignore[import-untyped]


class Document(models.Model):
    """What every contender stores."""

    name = models.CharField(max_length=100)
    email = models.EmailField()
    age = models.IntegerField()
    bio = models.TextField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class Plain(Document):
    """No versions."""


class Floor(Document):
    """No versions; written and read with psycopg alone."""


class SimpleHistory(Document):
    """Versions by django-simple-history: a signal copies each saved row into a table of its own."""

    history = HistoricalRecords()


@reversion.register()
class Reversion(Document):
    """Versions by django-reversion: each saved object is serialized into a table that all models share."""


@pghistory.track()
class PgHistory(Document):
    """Versions by django-pghistory: triggers copy each written row into a table of its own."""
