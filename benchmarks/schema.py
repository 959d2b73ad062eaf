"""``python -m benchmarks.schema``: what changes of models cost, beside Django's migrations of ordinary tables.

Three questions: how long a change of one large table takes, what it writes and rewrites; how long writers wait while
documents are rewritten; and how long one change takes in many namespaces, beside the schemas of django-tenants.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from io import StringIO
from typing import Any

import django

from benchmarks import schema_writers

TABLES = 3  # in each namespace


def main() -> None:
    """Measure and print."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    django.setup()
    from benchmarks.database import fresh_database, server_version

    parser = argparse.ArgumentParser(prog="python -m benchmarks.schema", description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--moved", type=int, default=100_000, help="documents that are rewritten beside writers")
    parser.add_argument("--namespaces", type=int, default=1_000)
    parser.add_argument("--schemas", type=int, default=50)
    options = parser.parse_args()
    with fresh_database():
        print(f"PostgreSQL {server_version()}, Django {django.get_version()}")
        _large_table(options.documents)
        schema_writers.measure(options.moved)
        _many_namespaces(options.namespaces)
        _many_schemas(options.schemas, options.namespaces)


# --- One large table -------------------------------------------------------------------------------------------------


def _large_table(count: int) -> None:
    from django.db import models

    before = {"name": models.CharField(max_length=20), "pages": models.IntegerField()}
    steps: dict[str, dict[str, Any]] = {
        "new field with a default": {**before, "stock": models.IntegerField(default=7)},
        "integer to bigint": {**before, "stock": models.IntegerField(default=7), "pages": models.BigIntegerField()},
        "new unique constraint": {
            **before,
            "stock": models.IntegerField(default=7),
            "pages": models.BigIntegerField(unique=True),
        },
    }
    print(f"\n{count:,} documents, and as many rows of an ordinary table:")
    print(f"{'':28}{'kontract':>10}{'WAL':>12}{'rewritten':>12}{'Django':>12}{'WAL':>12}{'rewritten':>12}")
    ours, plain = Ours(before, count), Plain(before, count)
    for name, fields in steps.items():
        cells = [_measure(side, side.change(fields)) for side in (ours, plain)]
        print(f"{name:28}{''.join(cells)}")


def _measure(side: Any, change: Callable[[], None]) -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT pg_current_wal_lsn()")
        (lsn,) = cursor.fetchone()
        places = side.places()
        started = time.perf_counter()
        change()
        seconds = time.perf_counter() - started
        cursor.execute("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), %s)", [lsn])
        (written,) = cursor.fetchone()
    rewritten = "nothing" if side.places() == places else "all rows"
    return f"{seconds:>10.3f} s{float(written) / 1e6:>8.1f} MB{rewritten:>12}"


class Ours:
    """A versioned model whose table has many documents."""

    def __init__(self, fields: dict[str, Any], count: int) -> None:
        from django.db import connection

        _migrate([_define("Book", fields)])
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO storage (ns, ptr, id, _txid, _order, data) SELECT 0, %s, gen_random_uuid(), 1, n, "
                "jsonb_build_object('name', 'Book ' || n, 'pages', n) FROM generate_series(1, %s) n",
                [_ptr(), count],
            )
            cursor.execute("ANALYZE storage")

    def change(self, fields: dict[str, Any]) -> Callable[[], None]:
        """Return what makes the model have other fields."""
        model = _define("Book", fields)
        return lambda: _migrate([model])

    def places(self) -> Any:
        """Return what changes when rows are rewritten."""
        return _ask(
            "SELECT count(*), sum(hashtext(ctid::text || xmin::text)) FROM storage WHERE ns = 0 AND ptr = %s", [_ptr()]
        )


class Plain:
    """An ordinary model whose table has many rows, changed as a migration of Django's would."""

    def __init__(self, fields: dict[str, Any], count: int) -> None:
        from django.db import connection

        self.model = _define_plain(fields)
        with connection.schema_editor() as editor:
            editor.create_model(self.model)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO plain_book (id, name, pages) SELECT gen_random_uuid(), 'Book ' || n, n "
                "FROM generate_series(1, %s) n",
                [count],
            )
            cursor.execute("ANALYZE plain_book")

    def change(self, fields: dict[str, Any]) -> Callable[[], None]:
        """Return what makes the model have other fields."""
        after, before, self.model = _define_plain(fields), self.model, _define_plain(fields)

        def change() -> None:
            from django.db import connection

            with connection.schema_editor() as editor:
                for field in after._meta.local_fields:
                    if not any(old.name == field.name for old in before._meta.local_fields):
                        editor.add_field(before, field)
                    elif field.name != "id":
                        editor.alter_field(before, before._meta.get_field(field.name), field)

        return change

    def places(self) -> Any:
        """Return what changes when rows are rewritten."""
        return _ask("SELECT pg_relation_filenode('plain_book')", [])


# --- Many namespaces -------------------------------------------------------------------------------------------------


def _many_namespaces(count: int) -> None:
    from django.db import models

    from kontract import namespace, tables
    from kontract.tables.catalog import locate, resolve

    names = [f"tenant-{number}" for number in range(count)]
    before = [_define(f"Thing{n}", {"name": models.CharField(max_length=20)}) for n in range(TABLES)]
    for name in names:
        tables.create_namespace(name)
        with namespace(name):
            for model in before:
                resolve(*locate(), model._meta.db_table)
    after = [
        _define(f"Thing{n}", {"name": models.CharField(max_length=20), "size": models.IntegerField(default=1)})
        for n in range(TABLES)
    ]
    started, processor = time.perf_counter(), time.process_time()
    _migrate(after, names)
    seconds, processor = time.perf_counter() - started, time.process_time() - processor
    print(
        f"\nA new field in {TABLES} tables of {count:,} namespaces: {seconds:.1f} s, {processor:.1f} s of the process"
    )


def _many_schemas(count: int, extrapolated: int) -> None:
    """Let django-tenants, in a database of its own, do the same in ``count`` schemas."""
    from benchmarks.database import another_database

    with another_database("tenants") as database:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.tenants", str(count)],
            env={**os.environ, "BENCHMARK_DATABASE": json.dumps(database)},
            capture_output=True,
            text=True,
            check=True,
        )
    seconds, processor = map(float, done.stdout.split())
    peer = f"django-tenants {version('django-tenants')}"
    print(
        f"The same in {count} schemas of {peer}, `migrate_schemas`: {seconds:.1f} s, {processor:.1f} s of the process;"
    )
    print(f"at the same pace {seconds / count * extrapolated:.0f} s in {extrapolated:,}")


# --- Both ------------------------------------------------------------------------------------------------------------


def _define(name: str, fields: dict[str, Any]) -> Any:
    """Return a versioned model as one release has it."""
    from django.apps.registry import Apps

    from kontract.orm import VersionedModel, source
    from kontract.tables import catalog

    table = f"bench_{name.lower()}"
    source._models.pop(table, None)
    meta = type("Meta", (), {"app_label": "benchmarks", "apps": Apps(), "db_table": table})
    catalog.forget("default")
    return type(name, (VersionedModel,), {"__module__": __name__, "Meta": meta, **_copies(fields)})


def _define_plain(fields: dict[str, Any]) -> Any:
    import uuid

    from django.apps.registry import Apps
    from django.db import models

    meta = type("Meta", (), {"app_label": "benchmarks", "apps": Apps(), "db_table": "plain_book"})
    key = models.UUIDField(primary_key=True, default=uuid.uuid4)
    return type("Book", (models.Model,), {"__module__": __name__, "Meta": meta, "id": key, **_copies(fields)})


def _copies(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: field.clone() for name, field in fields.items()}


def _migrate(models: list[Any], names: list[str] | None = None) -> None:
    """Do what ``kontract_migrate --no-indexes`` does where these are the project's models."""
    from django.core.management.base import OutputWrapper

    from kontract.management.migrating import Project, apply, refuse
    from kontract.schema.declared import from_model, from_models
    from kontract.tables.catalog import list_namespaces, locate, resolve

    connection, ns = locate()
    known = list_namespaces(connection)
    project = Project(
        connection=connection,
        namespaces={name: known[name] for name in names or [""]},
        creating=frozenset([ns]),
        wanted={**from_models(connection), **{model._meta.db_table: from_model(model, connection) for model in models}},
        lock=None,
    )
    plans = project.plans()
    refuse(plans)
    apply(project, plans, OutputWrapper(StringIO()))
    if names is None:
        for model in models:
            resolve(connection, ns, model._meta.db_table)


def _ptr() -> int:
    from kontract.tables.catalog import locate, resolve

    return resolve(*locate(), "bench_book").ptr


def _ask(sql: str, params: list[Any]) -> Any:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchone()


if __name__ == "__main__":
    main()
