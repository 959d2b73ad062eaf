"""Primary keys of several types."""

import uuid

from django.db import models


class Keyed(models.Model):
    """What the models here have beside their keys."""

    name = models.CharField(max_length=20, default="")

    class Meta:
        abstract = True


class Auto(Keyed):
    """An automatic key of 32 bits."""

    id = models.AutoField(primary_key=True)

    class Meta(Keyed.Meta):
        abstract = True


class SmallAuto(Keyed):
    """An automatic key of 16 bits, under another name."""

    number = models.SmallAutoField(primary_key=True)

    class Meta(Keyed.Meta):
        abstract = True


class BigAuto(Keyed):
    """An automatic key of 64 bits."""

    id = models.BigAutoField(primary_key=True)

    class Meta(Keyed.Meta):
        abstract = True


class Uuid(Keyed):
    """A key made at random."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)

    class Meta(Keyed.Meta):
        abstract = True


class Slug(Keyed):
    """A key that people choose, in a column of another name."""

    slug = models.SlugField(primary_key=True, db_column="short_name")

    class Meta(Keyed.Meta):
        abstract = True


class Amount(Keyed):
    """A decimal key."""

    amount = models.DecimalField(max_digits=6, decimal_places=2, primary_key=True)

    class Meta(Keyed.Meta):
        abstract = True


class Day(Keyed):
    """A date as a key."""

    day = models.DateField(primary_key=True)

    class Meta(Keyed.Meta):
        abstract = True


class Linked(Keyed):
    """A key that is another object's."""

    to = models.OneToOneField("Slug", models.CASCADE, primary_key=True)

    class Meta(Keyed.Meta):
        abstract = True
