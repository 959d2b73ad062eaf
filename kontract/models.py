"""The two physical tables, as Django sees them.

They are unmanaged: ``mvcc.versions`` holds their only DDL, which both the migration and ``kontract_migrate --sql``
use.  Neither has a single-column primary key in the database; the one named here only satisfies Django and is never
used to find a row.
"""

from typing import ClassVar

from django.db import models


class Storage(models.Model):
    """Every version of every document, and the catalog."""

    ns = models.IntegerField(default=0)
    ptr = models.IntegerField()
    id = models.TextField(primary_key=True)
    txid = models.BigIntegerField(db_column="_txid")
    deleted_txid = models.BigIntegerField(db_column="_deleted_txid", null=True)
    owner = models.TextField(db_column="_owner", default="")
    order = models.BigIntegerField(db_column="_order", null=True)
    schema = models.IntegerField(db_column="_schema", default=1)
    data = models.JSONField()

    class Meta:
        managed = False
        db_table = "storage"
        app_label = "kontract"

    def __str__(self) -> str:
        return f"{self.ns}/{self.ptr}/{self.id}@{self.txid}"


class Trx(models.Model):
    """One row per transaction: the clock, the log, and the active ones that pin a snapshot."""

    class Status(models.IntegerChoices):
        """What a row of ``trxs`` stands for."""

        COMMITTED = 1
        ACTIVE = 2

    txid = models.BigIntegerField(primary_key=True)
    ns = models.IntegerField(default=0)
    sid = models.TextField(null=True)  # noqa: DJ001 - the column is nullable by design
    owner = models.TextField(default="")
    label = models.TextField(null=True)  # noqa: DJ001
    status = models.SmallIntegerField(choices=Status)
    snapshot = models.BigIntegerField(null=True)
    started_at = models.DateTimeField(null=True)
    committed_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    changes = models.JSONField(null=True)

    class Meta:
        managed = False
        db_table = "trxs"
        app_label = "kontract"
        ordering: ClassVar = ["ns", "txid"]

    def __str__(self) -> str:
        return f"{self.ns}/{self.txid}"
