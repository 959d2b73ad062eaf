"""``manage.py kontract_vacuum``: remove history that is behind the horizon, and report sizes."""

from argparse import ArgumentParser
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.template.defaultfilters import filesizeformat
from tqdm import tqdm

from kontract.exceptions import NamespaceNotFound
from kontract.mvcc import vacuum
from kontract.mvcc.connections import get_alias, get_connection
from kontract.tables.catalog import list_stored, resolve_namespace


class Command(BaseCommand):
    """Remove versions that no snapshot which may still be asked for would show."""

    help = (
        "Remove history older than each table's retention (KONTRACT['RETENTION_DAYS'], or the table's retention_days), "
        "except what pinned snapshots show. Live documents are never touched. Safe to run at any time, and to stop."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("--database", help="alias of the database (default: what the routers say)")
        parser.add_argument("--namespace", help="vacuum this namespace only (default: all)")
        parser.add_argument("--days", type=float, help="keep this many days instead of each table's retention")
        parser.add_argument("--batch", type=int, default=5000, help="rows removed in one transaction (default: 5000)")
        parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
        parser.add_argument("--sizes", action="store_true", help="report the size of each logical table (reads it all)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        if options["batch"] < 1 or (options["days"] or 0) < 0:
            raise CommandError("--batch must be at least 1 and --days must not be negative.")
        connection = get_connection(get_alias(options["namespace"] or "", options["database"]))
        for ns in self._find_namespaces(connection, options["namespace"]):
            tables = list_stored(connection, ns)
            days = options["days"]
            plans = vacuum.plan(connection, ns, tables, None if days is None else timedelta(days=days))
            self._vacuum(connection, ns, plans, options)
            if not options["dry_run"]:
                buckets = sum(vacuum.remove_buckets(connection, ns, batch=options["batch"]))
                self.stdout.write(f"namespace {ns}: removed {buckets} rate limits that have run out")
                answers = sum(vacuum.remove_answers(connection, ns, batch=options["batch"]))
                self.stdout.write(f"namespace {ns}: removed {answers} answers to idempotency keys that have expired")
                channels = sum(vacuum.remove_channels(connection, ns, batch=options["batch"]))
                self.stdout.write(f"namespace {ns}: removed {channels} sessions of raystream that are over")
                if apps.is_installed("kontract.auth"):
                    self._collect(connection, ns, options["batch"])
            if options["sizes"]:
                self._report(connection, ns)

    def _find_namespaces(self, connection: BaseDatabaseWrapper, name: str | None) -> list[int]:
        if name is None:
            return vacuum.find_namespaces(connection)
        try:
            return [resolve_namespace(connection, name)]
        except NamespaceNotFound as error:
            raise CommandError(str(error)) from error

    def _vacuum(
        self, connection: BaseDatabaseWrapper, ns: int, plans: list[vacuum.Plan], options: dict[str, Any]
    ) -> None:
        for plan in plans:
            verb = "would remove" if options["dry_run"] else "removing"
            self.stdout.write(
                f"namespace {ns}, {plan.table.name}: {verb} {plan.versions} versions up to transaction {plan.horizon}"
            )
            if not options["dry_run"]:
                self._advance(vacuum.remove(connection, plan, batch=options["batch"]), plan.versions)
        if plans and not options["dry_run"]:
            horizon = min(plan.horizon for plan in plans)
            removed = sum(vacuum.remove_log(connection, ns, horizon, batch=options["batch"]))
            self.stdout.write(f"namespace {ns}: removed {removed} log entries")

    def _collect(self, connection: BaseDatabaseWrapper, ns: int, batch: int) -> None:
        from kontract.auth import collecting  # which has models

        ended = sum(collecting.remove_sessions(connection, ns, batch=batch))
        idle = sum(collecting.remove_principals(connection, ns, batch=batch))
        self.stdout.write(f"namespace {ns}: removed {ended} sessions that have expired")
        self.stdout.write(f"namespace {ns}: deleted {idle} anonymous principals that are idle and own nothing")

    def _advance(self, removed: Iterable[int], total: int) -> None:
        with tqdm(total=total, unit=" versions", disable=None, leave=False) as bar:
            for count in removed:
                bar.update(count)

    def _report(self, connection: BaseDatabaseWrapper, ns: int) -> None:
        names = {ptr: table.name for ptr, table in list_stored(connection, ns).items()}
        self.stdout.write(
            f"namespace {ns}:  {'table':30} {'documents':>10} {'live':>10} {'versions':>10} {'history':>10}"
        )
        for size in vacuum.measure(connection, ns):
            live, history = filesizeformat(size.live_bytes), filesizeformat(size.history_bytes)
            name = names.get(size.ptr, f"ptr {size.ptr}")
            self.stdout.write(f"  {name:30} {size.documents:>10} {live:>12} {size.versions:>10} {history:>12}")
