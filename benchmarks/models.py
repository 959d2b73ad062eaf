"""The same columns once for each contender that keeps them in a Django model: of documents, and of books."""

import pghistory
import reversion  # type: ignore[import-untyped]
from django.db import models
from simple_history.models import HistoricalRecords  # type: ignore[import-untyped]

from kontract.orm import VersionedModel


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


# --- Books and their authors: what the cases of models are about -----------------------------------------------------


class Author(models.Model):
    """Who has written books."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=100)
    country = models.CharField(max_length=2, db_index=True)
    born = models.DateField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class Book(models.Model):
    """A dozen fields, with the one that says who has written it."""

    id = models.BigAutoField(primary_key=True)
    title = models.CharField(max_length=200)
    shelf = models.CharField(max_length=20, db_index=True)
    language = models.CharField(max_length=5)
    summary = models.TextField()
    series = models.IntegerField(db_index=True)
    pages = models.IntegerField()
    stock = models.IntegerField()
    price = models.DecimalField(max_digits=8, decimal_places=2)
    published_at = models.DateTimeField(db_index=True)
    is_available = models.BooleanField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.title


class PlainAuthor(Author):
    """The authors of all but the versioned books."""


class VersionedAuthor(Author, VersionedModel):
    """The same, in a logical table."""


class PlainBook(Book):
    """No versions."""

    author = models.ForeignKey(PlainAuthor, models.CASCADE)


class VersionedBook(Book, VersionedModel):
    """Versions by kontract: only the base class differs."""

    author = models.ForeignKey(VersionedAuthor, models.CASCADE)


class SimpleHistoryBook(Book):
    """Versions by django-simple-history."""

    author = models.ForeignKey(PlainAuthor, models.CASCADE, related_name="+")
    history = HistoricalRecords()


@reversion.register()
class ReversionBook(Book):
    """Versions by django-reversion."""

    author = models.ForeignKey(PlainAuthor, models.CASCADE, related_name="+")
