"""The tenants, in the schema that all share."""

from django.db import models
from django_tenants.models import DomainMixin, TenantMixin


class Client(TenantMixin):
    """A tenant; the benchmark makes its schema, at the first migration."""

    name = models.CharField(max_length=20)

    auto_create_schema = False

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Domain(DomainMixin):
    """What django-tenants asks for; no request is made here."""
