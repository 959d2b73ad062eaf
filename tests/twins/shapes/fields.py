"""A field of every type that Django has, and the two kinds whose values the database makes."""

from decimal import Decimal

from django.contrib.postgres import fields as postgres
from django.db import models
from django.db.models import F, Value
from django.db.models.functions import Now, Upper


class Colour(models.TextChoices):
    """Choices that are texts."""

    RED = "r", "Red"
    BLUE = "b", "Blue"


class Level(models.IntegerChoices):
    """Choices that are numbers."""

    LOW = 1, "Low"
    HIGH = 2, "High"


class Everything(models.Model):
    """A nullable field of each type."""

    id = models.IntegerField(primary_key=True)
    char = models.CharField(max_length=20, null=True)  # noqa: DJ001 - NULL is what is tested
    text = models.TextField(null=True)  # noqa: DJ001
    slug = models.SlugField(null=True)  # noqa: DJ001
    email = models.EmailField(null=True)  # noqa: DJ001
    url = models.URLField(null=True)  # noqa: DJ001
    collated = models.CharField(max_length=20, null=True, db_collation="C")  # noqa: DJ001
    small = models.SmallIntegerField(null=True)
    integer = models.IntegerField(null=True)
    big = models.BigIntegerField(null=True)
    positive_small = models.PositiveSmallIntegerField(null=True)
    positive = models.PositiveIntegerField(null=True)
    positive_big = models.PositiveBigIntegerField(null=True)
    float = models.FloatField(null=True)
    decimal = models.DecimalField(max_digits=10, decimal_places=3, null=True)
    boolean = models.BooleanField(null=True)
    date = models.DateField(null=True)
    moment = models.DateTimeField(null=True)
    time = models.TimeField(null=True)
    duration = models.DurationField(null=True)
    uuid = models.UUIDField(null=True)
    json = models.JSONField(null=True)
    binary = models.BinaryField(null=True)
    ip = models.GenericIPAddressField(null=True)
    file = models.FileField(upload_to="files", null=True)
    image = models.ImageField(upload_to="images", null=True)
    path = models.FilePathField(path="/tmp", null=True)  # noqa: S108, DJ001 - no file is looked at
    colour = models.CharField(max_length=1, choices=Colour, null=True)  # noqa: DJ001
    level = models.IntegerField(choices=Level, null=True)
    numbers = postgres.ArrayField(models.IntegerField(), null=True)
    words = postgres.ArrayField(models.TextField(), null=True)
    days = postgres.ArrayField(models.DateField(), null=True)
    matrix = postgres.ArrayField(postgres.ArrayField(models.IntegerField()), null=True)
    blobs = postgres.ArrayField(models.BinaryField(), null=True)
    papers = postgres.ArrayField(models.JSONField(), null=True)
    table = postgres.ArrayField(postgres.ArrayField(models.TextField()), null=True)
    int_range = postgres.IntegerRangeField(null=True)
    big_range = postgres.BigIntegerRangeField(null=True)
    decimal_range = postgres.DecimalRangeField(null=True)
    date_range = postgres.DateRangeField(null=True)
    moment_range = postgres.DateTimeRangeField(null=True)

    class Meta:
        abstract = True
        ordering = ["id"]


class Line(models.Model):
    """An order line: defaults and sums that the database makes."""

    id = models.IntegerField(primary_key=True)
    name = models.CharField(max_length=20, db_default=Value("thing"))
    price = models.DecimalField(max_digits=8, decimal_places=2, db_default=Decimal("1.50"))
    quantity = models.IntegerField(db_default=2)
    at = models.DateTimeField(db_default=Now())
    total = models.GeneratedField(
        expression=F("price") * F("quantity"),
        output_field=models.DecimalField(max_digits=12, decimal_places=2),
        db_persist=True,
    )
    label = models.GeneratedField(
        expression=Upper("name"), output_field=models.CharField(max_length=20), db_persist=True
    )

    class Meta:
        abstract = True
        ordering = ["id"]


class Draft(models.Model):
    """Values that Django makes when it saves."""

    title = models.CharField(max_length=20, default="untitled")
    tags = models.JSONField(default=list)
    made = models.DateTimeField(auto_now_add=True)
    changed = models.DateTimeField(auto_now=True)
    day = models.DateField(auto_now_add=True)

    class Meta:
        abstract = True
