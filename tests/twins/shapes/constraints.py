"""Everything that a model's ``Meta`` and fields can demand."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower


class Account(models.Model):
    """Unique fields, of which NULL may be had more than once."""

    id = models.IntegerField(primary_key=True)
    email = models.EmailField(unique=True)
    code = models.IntegerField(unique=True, null=True)

    class Meta:
        abstract = True


class Seat(models.Model):
    """Unique together."""

    id = models.IntegerField(primary_key=True)
    row = models.CharField(max_length=2)
    number = models.IntegerField(null=True)

    class Meta:
        abstract = True
        unique_together = [("row", "number")]


class Booking(models.Model):
    """Constraints of all kinds."""

    id = models.IntegerField(primary_key=True)
    name = models.CharField(max_length=20)
    room = models.IntegerField(null=True)
    day = models.DateField(null=True)
    active = models.BooleanField(default=True)
    start = models.IntegerField(default=0)
    end = models.IntegerField(default=1)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(fields=["room", "day"], name="%(app_label)s_room_day"),
            models.UniqueConstraint(Lower("name"), "start", name="%(app_label)s_name_start"),
            models.UniqueConstraint(fields=["end"], condition=Q(active=True), name="%(app_label)s_active_end"),
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="%(app_label)s_end_after_start"),
            models.CheckConstraint(condition=Q(room__lt=100) | Q(room=None), name="%(app_label)s_room_exists"),
        ]


class Reading(models.Model):
    """NULL only once, as ``nulls_distinct=False`` demands."""

    id = models.IntegerField(primary_key=True)
    sensor = models.IntegerField(null=True)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(fields=["sensor"], nulls_distinct=False, name="%(app_label)s_reading_sensor")
        ]
