"""Create the two tables, unless somebody with the rights has done so already."""

from typing import Any

from django.db import migrations, models

from kontract.mvcc.schema import create_tables, drop_tables


def forwards(apps: Any, schema_editor: Any) -> None:
    create_tables(schema_editor.connection)


def backwards(apps: Any, schema_editor: Any) -> None:
    drop_tables(schema_editor.connection)


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.RunPython(forwards, backwards),
        migrations.CreateModel(
            name="Storage",
            fields=[
                ("ns", models.IntegerField(default=0)),
                ("ptr", models.IntegerField()),
                ("id", models.TextField(primary_key=True, serialize=False)),
                ("txid", models.BigIntegerField(db_column="_txid")),
                ("deleted_txid", models.BigIntegerField(db_column="_deleted_txid", null=True)),
                ("owner", models.TextField(db_column="_owner", default="")),
                ("order", models.BigIntegerField(db_column="_order", null=True)),
                ("schema", models.IntegerField(db_column="_schema", default=1)),
                ("data", models.JSONField()),
            ],
            options={"db_table": "storage", "managed": False},
        ),
        migrations.CreateModel(
            name="Trx",
            fields=[
                ("txid", models.BigIntegerField(primary_key=True, serialize=False)),
                ("ns", models.IntegerField(default=0)),
                ("sid", models.TextField(null=True)),
                ("owner", models.TextField(default="")),
                ("label", models.TextField(null=True)),
                ("status", models.SmallIntegerField(choices=[(1, "Committed"), (2, "Active")])),
                ("snapshot", models.BigIntegerField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("committed_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("changes", models.JSONField(null=True)),
            ],
            options={"db_table": "trxs", "managed": False, "ordering": ["ns", "txid"]},
        ),
    ]
