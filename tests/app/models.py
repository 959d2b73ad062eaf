"""Models with an index of each kind, for the tests of plans and of ``kontract_migrate``."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, HashIndex, OpClass
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Upper

from kontract.orm import VersionedModel


class Journal(VersionedModel):
    """What articles appear in."""

    title = models.CharField(max_length=100, unique=True)

    class Meta:
        db_table = "journals"

    def __str__(self) -> str:
        return self.title


class Article(VersionedModel):
    """Something to search for."""

    title = models.CharField(max_length=100, db_index=True)
    journal = models.ForeignKey(Journal, models.CASCADE, related_name="articles")
    pages = models.IntegerField(db_index=True)
    price = models.DecimalField(max_digits=8, decimal_places=2, db_index=True)
    appeared = models.DateField(db_index=True)
    read_at = models.DateTimeField(null=True, db_index=True)
    starts = models.TimeField(db_index=True)
    doi = models.UUIDField(unique=True)
    is_free = models.BooleanField(default=False)
    words = ArrayField(models.CharField(max_length=50), default=list)
    numbers = ArrayField(models.IntegerField(), default=list)
    extra = models.JSONField(default=dict)

    class Meta:
        db_table = "articles"
        indexes = [
            models.Index(fields=["journal", "-read_at"], name="article_latest"),
            models.Index(fields=["id"], name="article_key"),
            models.Index(fields=["pages"], name="article_free", condition=Q(is_free=True, read_at__isnull=False)),
            models.Index(Upper("title"), name="article_upper"),
            models.Index(Lower("title").desc(), F("pages"), name="article_lower"),
            models.Index(OpClass(Lower("title"), "text_pattern_ops"), name="article_lower_like"),
            models.Index(F("extra__rank"), name="article_rank"),
            HashIndex(fields=["price"], name="article_price_hash"),
            GinIndex(fields=["words"], name="article_words"),
            GinIndex(fields=["numbers"], name="article_numbers", opclasses=["jsonb_path_ops"]),
            GinIndex(fields=["extra"], name="article_extra"),
        ]
        constraints = [models.UniqueConstraint(fields=["title", "journal"], name="article_once")]

    def __str__(self) -> str:
        return self.title
