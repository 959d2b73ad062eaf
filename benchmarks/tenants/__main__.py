"""``python -m benchmarks.tenants COUNT``: print how long django-tenants takes to migrate so many schemas, in seconds.

The environment's ``BENCHMARK_DATABASE`` has the settings of the database, as JSON; it is to be empty.
"""

import json
import os
import sys
import time

import django
from django.conf import settings
from django.core.management import call_command

SHARED = ["django_tenants", "django.contrib.contenttypes", "benchmarks.tenants"]
TENANTS = ["benchmarks.tenants.things"]


def main(count: int) -> None:
    """Make the schemas at the first migration of the app, then measure the second."""
    database = json.loads(os.environ["BENCHMARK_DATABASE"])
    settings.configure(
        DATABASES={"default": {**database, "ENGINE": "django_tenants.postgresql_backend"}},
        DATABASE_ROUTERS=["django_tenants.routers.TenantSyncRouter"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[*SHARED, *TENANTS],
        SHARED_APPS=SHARED,
        TENANT_APPS=TENANTS,
        TENANT_MODEL="tenants.Client",
        TENANT_DOMAIN_MODEL="tenants.Domain",
        USE_TZ=True,
    )
    django.setup()
    _make_schemas(count)
    started, processor = time.perf_counter(), time.process_time()
    call_command("migrate_schemas", tenant=True, verbosity=0)
    print(time.perf_counter() - started, time.process_time() - processor)


def _make_schemas(count: int) -> None:
    from django.db import connection

    from benchmarks.tenants.models import Client

    call_command("migrate_schemas", shared=True, verbosity=0)
    Client.objects.bulk_create(Client(schema_name=f"tenant_{n}", name=str(n)) for n in range(count))
    with connection.cursor() as cursor:
        for n in range(count):
            cursor.execute(f"CREATE SCHEMA tenant_{n}")
    call_command("migrate_schemas", "things", "0001", tenant=True, verbosity=0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
