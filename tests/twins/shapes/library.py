"""Books, who writes and sells them, and where: relations of every kind with plain keys."""

from typing import Any, Self

from django.db import models


class Publisher(models.Model):
    """A publisher; its name is its key."""

    name = models.CharField(max_length=30, primary_key=True)
    founded = models.IntegerField(default=1900)

    class Meta:
        abstract = True
        ordering = ["name"]


class Author(models.Model):
    """An author with an explicit key, so that both twins have the same."""

    id = models.IntegerField(primary_key=True)
    name = models.CharField(max_length=30)
    age = models.IntegerField(null=True)
    mentor = models.ForeignKey("self", models.SET_NULL, null=True, related_name="pupils")

    class Meta:
        abstract = True
        ordering = ["id"]


class BookQuerySet(models.QuerySet[Any]):
    """A queryset of a project's own."""

    def long(self) -> Self:
        """Keep the books of 300 pages and more."""
        return self.filter(pages__gte=300)


class Published(models.Manager[Any]):
    """A manager that leaves something out."""

    def get_queryset(self) -> models.QuerySet[Any]:
        """Leave out what has no date."""
        return super().get_queryset().exclude(published=None)


class Book(models.Model):
    """A book."""

    id = models.IntegerField(primary_key=True)
    title = models.CharField(max_length=50)
    pages = models.IntegerField(default=100)
    price = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    rating = models.FloatField(null=True)
    published = models.DateField(null=True)
    added = models.DateTimeField(null=True)
    data = models.JSONField(null=True)
    publisher = models.ForeignKey("Publisher", models.CASCADE, null=True, related_name="books")
    authors: Any = models.ManyToManyField("Author", related_name="books")

    objects = models.Manager.from_queryset(BookQuerySet)()
    published_ones = Published()

    class Meta:
        abstract = True
        ordering = ["id"]
        get_latest_by = "published"


class Profile(models.Model):
    """What there is at most once for an author."""

    id = models.IntegerField(primary_key=True)
    author = models.OneToOneField("Author", models.CASCADE)
    text = models.TextField(default="")

    class Meta:
        abstract = True


class Store(models.Model):
    """A shop that sells books."""

    id = models.IntegerField(primary_key=True)
    name = models.CharField(max_length=30)
    books: Any = models.ManyToManyField("Book", related_name="stores")

    class Meta:
        abstract = True
        ordering = ["id"]


class Category(models.Model):
    """A tree."""

    id = models.IntegerField(primary_key=True)
    name = models.CharField(max_length=30)
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="children")

    class Meta:
        abstract = True
        ordering = ["id"]


class Country(models.Model):
    """A country, that others know by its code."""

    id = models.IntegerField(primary_key=True)
    code = models.CharField(max_length=2, unique=True)

    class Meta:
        abstract = True


class City(models.Model):
    """A city, that refers to a country's code."""

    id = models.IntegerField(primary_key=True)
    country = models.ForeignKey("Country", models.CASCADE, to_field="code", related_name="cities")

    class Meta:
        abstract = True
