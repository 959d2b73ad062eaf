"""Inheritance: in several tables, by a proxy, from an abstract model."""

from typing import Any

from django.db import models


class Named(models.Model):
    """What has a name."""

    name = models.CharField(max_length=30, unique=True)

    class Meta:
        abstract = True
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Place(Named):
    """A place: the first table."""

    size = models.IntegerField(default=1)

    class Meta(Named.Meta):
        abstract = True


class Restaurant(models.Model):
    """A place that serves something: the second table."""

    stars = models.IntegerField(default=0)

    class Meta:
        abstract = True


class Pizzeria(models.Model):
    """A restaurant with an oven: the third table."""

    oven = models.CharField(max_length=20, default="wood")

    class Meta:
        abstract = True


class BigPlaces(models.Manager[Any]):
    """The places that are big."""

    def get_queryset(self) -> models.QuerySet[Any]:
        """Leave out the small ones."""
        return super().get_queryset().filter(size__gte=10)


class BigPlace(models.Model):
    """A proxy of ``Place``."""

    objects = BigPlaces()

    class Meta:
        abstract = True

    def is_big(self) -> bool:
        """Say so."""
        return True


class Guide(models.Model):
    """What refers to one of the tables of a restaurant."""

    id = models.IntegerField(primary_key=True)
    restaurant = models.ForeignKey("Restaurant", models.CASCADE, related_name="guides", null=True)
    place = models.ForeignKey("Place", models.SET_NULL, related_name="visits", null=True)

    class Meta:
        abstract = True
