"""The tenants and their domains, as django-tenants wants them."""

from typing import Any

from django.db import migrations, models
from django_tenants.postgresql_backend.base import _check_schema_name


def _key() -> "models.Field[Any, Any]":
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


_NAME = models.CharField(db_index=True, max_length=63, unique=True, validators=[_check_schema_name])
_TENANT = models.ForeignKey("tenants.client", models.CASCADE, related_name="domains")


class Migration(migrations.Migration):
    """Two tables in the schema that all share."""

    initial = True
    operations = [
        migrations.CreateModel(
            "Client", [("id", _key()), ("schema_name", _NAME), ("name", models.CharField(max_length=20))]
        ),
        migrations.CreateModel(
            "Domain",
            [
                ("id", _key()),
                ("domain", models.CharField(db_index=True, max_length=253, unique=True)),
                ("is_primary", models.BooleanField(db_index=True, default=True)),
                ("tenant", _TENANT),
            ],
        ),
    ]
