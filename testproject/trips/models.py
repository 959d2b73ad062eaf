"""What is planned: trips, and the stops on them."""

from typing import ClassVar

from django.db import models

from kontract.orm import VersionedManager, VersionedModel


class Trip(VersionedModel):
    """A journey, its owner's alone to change."""

    objects: ClassVar = VersionedManager()

    title = models.CharField(max_length=80)

    class Meta:
        db_table = "trips"
        owner_scoped = True

    def __str__(self) -> str:
        return self.title


class Stop(VersionedModel):
    """A place on a trip; ``country`` is the code of one in the atlas.  Keys ascend by time, and so give the order."""

    objects: ClassVar = VersionedManager()

    trip = models.ForeignKey(Trip, models.CASCADE, related_name="stops")
    place = models.CharField(max_length=80)
    country = models.CharField(max_length=2)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "stops"
        owner_scoped = True

    def __str__(self) -> str:
        return self.place
