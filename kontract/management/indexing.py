"""What ``kontract_migrate`` does about indexes, and says about it."""

import time

from django.core.management.base import CommandError, OutputWrapper
from django.db import Error, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.context import DEFAULT_NAMESPACE, get_namespace
from kontract.exceptions import UnsupportedError
from kontract.mvcc.schema import find_columns
from kontract.orm.building import Plan, Step, is_building, may_build, plan, run
from kontract.tables.catalog import list_namespaces, resolve_namespace


def print_script(connection: BaseDatabaseWrapper, out: OutputWrapper, *, everywhere: bool) -> None:
    """Print what a DBA has to run for the indexes of all namespaces or of the current one, as far as it is known."""
    try:
        ready = bool(find_columns(connection))
    except OperationalError as error:
        out.write(f"-- The indexes are not known, because the database cannot be reached: {str(error).strip()}")
        return
    if ready:
        _print(_plan(connection, everywhere).steps(), out)
    else:
        out.write("-- Indexes: run kontract_migrate once the two tables are there, and it says which are missing.")


def build(connection: BaseDatabaseWrapper, out: OutputWrapper, *, everywhere: bool) -> None:
    """Build what is missing and drop what is needless, or print how where the role may not.

    Raises ``CommandError`` where a statement fails, after all others were run.
    """
    steps = _plan(connection, everywhere).steps()
    if not steps:
        return
    if not may_build(connection):
        out.write("The role does not own the table storage, so that it cannot index it. Ask someone who does to run:\n")
        _print(steps, out)
        return
    if connection.in_atomic_block:
        raise CommandError("Indexes are built outside of a transaction. Call kontract_migrate outside of atomic().")
    if is_building(connection):
        raise CommandError("Another process is building an index of storage. Run kontract_migrate again afterwards.")
    failures = [failure for n, step in enumerate(steps, 1) if (failure := _run(connection, step, n, len(steps), out))]
    if failures:
        raise CommandError("\n".join(failures))


def find_steps(connection: BaseDatabaseWrapper, *, everywhere: bool) -> list[Step]:
    """Return what would make the indexes those that models ask for."""
    return _plan(connection, everywhere).steps()


def _run(connection: BaseDatabaseWrapper, step: Step, number: int, total: int, out: OutputWrapper) -> str:
    """Run one step with a line that says how it went; return what went wrong."""
    out.write(f"[{number}/{total}] {step.what} ... ", ending="")
    out.flush()
    start = time.monotonic()
    try:
        run(connection, step.sql)
    except Error as error:
        out.write("failed")
        if step.undo:
            run(connection, step.undo)
        return f"{step.what} failed: {str(error).strip()}\n{step.sql}"
    out.write(f"{time.monotonic() - start:.1f} s")
    return ""


def _print(steps: list[Step], out: OutputWrapper) -> None:
    out.write("-- Each of these runs by itself, outside of a transaction." if steps else "-- No index is missing.")
    for step in steps:
        out.write(f"-- {step.what}\n{step.sql};")


def _plan(connection: BaseDatabaseWrapper, everywhere: bool) -> Plan:
    """Return what is to be done in all namespaces, or in the current one; inside a block it is the block's."""
    name = get_namespace()
    everywhere = everywhere and name == DEFAULT_NAMESPACE
    numbers = list_namespaces(connection).values() if everywhere else [resolve_namespace(connection, name)]
    try:
        return plan(connection, numbers, everywhere=everywhere)
    except UnsupportedError as error:
        raise CommandError(str(error)) from error
