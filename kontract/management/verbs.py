"""What ``kontract_migrate`` can be told to do, verb by verb."""

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.core.management.base import CommandError
from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.conf import is_debug
from kontract.exceptions import SchemaRefusedError
from kontract.management import migrating, reviewing
from kontract.management.indexing import build, find_steps
from kontract.management.migrating import Project
from kontract.schema.lock import find_path, write_lock
from kontract.tables.catalog import create_declared

Options = Mapping[str, Any]


def apply(project: Project, options: Options, out: Any) -> None:
    """Apply migration files, then what happens by itself, then build indexes."""
    connection, (ns,) = project.connection, project.creating
    _refuse(project, options, out)
    migrating.move(project, out)
    for table in create_declared(connection, ns):
        out.write(f"Logical table {table.name}: ptr {table.ptr}.")
    plans = project.plans()
    migrating.refuse(plans)
    migrating.apply(project, plans, out)
    if not options["no_indexes"]:
        build(connection, out, everywhere=options["namespace"] is None)
    if is_debug() and (path := find_path()) is not None:
        _write_lock(project, path, out)


def _refuse(project: Project, options: Options, out: Any) -> None:
    """Raise what keeps changes from happening; on a terminal begin the file for them."""
    plans = project.plans()
    try:
        migrating.refuse(plans)
    except SchemaRefusedError as error:
        if not (options["interactive"] and sys.stdin.isatty()):
            raise
        out.write(str(error))
        if name := input("Name of the file to write now (nothing: none): ").strip():
            reviewing.create(project, name, app=options["app"], interactive=True, out=out)
        raise CommandError("Nothing was changed.") from error


def fake(project: Project, options: Options, out: Any) -> None:
    """Record that everything is as code wants it."""
    create_declared(project.connection, *project.creating)
    migrating.fake(project)
    out.write("Recorded the state that the code wants. No document was looked at.")


def plan(project: Project, options: Options, out: Any) -> None:
    """Say what would be done."""
    pending = project.pending()
    for name, files in pending.items():
        out.write(f"{migrating.called(name)}: apply {', '.join(files)}")
    plans = [plan for plan in project.plans() if not plan.is_done]
    for found in plans:
        for reason in found.newer:
            out.write(f"refused: {reason}")
        migrating.describe(found, out)
    steps = [] if options["no_indexes"] else find_steps(project.connection, everywhere=options["namespace"] is None)
    for step in steps:
        out.write(f"{step.what}")
    if not (pending or plans or steps):
        out.write("Nothing is to be done.")


def check(project: Project, options: Options, out: Any) -> None:
    """Exit with 1 where anything is to be done."""
    everywhere = options["namespace"] is None
    found = migrating.find_drift(project, indexes=not options["no_indexes"], everywhere=everywhere)
    if found:
        raise CommandError("Code and database differ:\n" + "\n".join(f"- {line}" for line in found))
    out.write("Code and database agree.")


def up(project: Project, options: Options, out: Any) -> None:
    """Apply migration files only."""
    if not migrating.move(project, out, count=_count(options)):
        out.write("No migration file is to be applied.")


def finish(project: Project, options: Options, out: Any) -> None:
    """Refuse older code from now on."""
    migrating.finish(project, out)


def down(project: Project, options: Options, out: Any) -> None:
    """Take back what was done last."""
    reviewing.down(project, _count(options) or 1, out)


def _count(options: Options) -> int | None:
    given = options["argument"]
    if given is None:
        return None
    if not str(given).isdecimal() or int(given) < 1:
        raise CommandError(f"{options['verb']} takes a number from 1 on, not {given!r}.")
    return int(given)


def create(project: Project, options: Options, out: Any) -> None:
    """Begin a migration file."""
    if not options["argument"]:
        raise CommandError("create takes the name of the file to write: kontract_migrate create NAME.")
    interactive = options["interactive"] and sys.stdin.isatty()
    reviewing.create(project, options["argument"], app=options["app"], interactive=interactive, out=out)


def status(project: Project, options: Options, out: Any) -> None:
    """Say what is where."""
    reviewing.show_status(project, out)


def verify(project: Project, options: Options, out: Any) -> None:
    """Ask all documents."""
    migrating.ask_documents(project, out)


def lock(project: Project, options: Options, out: Any) -> None:
    """Write the lock file."""
    path = find_path()
    if path is None:
        raise CommandError('It is not known where the lock file is. Set KONTRACT["LOCK_FILE"], or run manage.py.')
    if not _write_lock(project, path, out):
        out.write(f"{path} is as the models are.")


def _write_lock(project: Project, path: Any, out: Any) -> bool:
    changed = write_lock(path, project.wanted)
    if changed:
        out.write(f"Wrote {path}. Commit it with the models.")
    return changed


VERBS: Final[dict[str, Callable[[Project, Options, Any], None]]] = {
    "apply": apply,
    "up": up,
    "finish": finish,
    "down": down,
    "create": create,
    "status": status,
    "verify": verify,
    "lock": lock,
}
OPTIONS: Final = {"plan": plan, "check": check, "fake": fake}


def find(options: Options) -> Callable[[Project, Options, Any], None]:
    """Return what the options say is to be done."""
    named = [verb for option, verb in OPTIONS.items() if options[option]]
    if len(named) > 1 or (named and options["verb"]):
        raise CommandError("Use one of the verbs, --plan, --check and --fake.")
    return named[0] if named else VERBS[options["verb"] or "apply"]


def open_project(connection: BaseDatabaseWrapper, options: Options) -> Project:
    """Return what the options are about."""
    everywhere = options["namespace"] is None
    return migrating.open_project(connection, everywhere=everywhere, revert=options["revert"])
