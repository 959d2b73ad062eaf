"""What ``kontract_migrate`` does about the schema of logical tables, and says about it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.core.management.base import CommandError
from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.context import DEFAULT_NAMESPACE, get_namespace, namespace
from kontract.exceptions import SchemaDataError, SchemaError, SchemaNewerError, SchemaRefusedError
from kontract.management.indexing import find_steps
from kontract.schema import executor, loader, moving
from kontract.schema.declared import from_models
from kontract.schema.diff import Refusal
from kontract.schema.lock import Lock, find_path, read_lock
from kontract.schema.planning import Plan, make_plans
from kontract.schema.progress import Progress
from kontract.schema.rewriting import wait
from kontract.schema.state import State
from kontract.schema.verifying import verify
from kontract.tables.catalog import list_namespaces, resolve_namespace

_ATTEMPTS = 5  # to do what a plan says, where other processes do the same
_TOGETHER = 25  # namespaces that are changed in one transaction, where no document is looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What code wants, and where: ``namespaces`` are numbers by names, ``creating`` those that get missing tables."""

    connection: BaseDatabaseWrapper
    namespaces: dict[str, int]
    creating: frozenset[int]
    wanted: State
    lock: Lock | None
    revert: bool = False

    def plans(self, names: Iterable[str] | None = None) -> list[Plan]:
        """Return what is to be done, in all namespaces or in those with these names."""
        namespaces = self.namespaces if names is None else {name: self.namespaces[name] for name in names}
        return make_plans(
            self.connection,
            namespaces,
            self.wanted,
            lock=self.lock,
            creating=self.creating,
            revert=self.revert,
            remaining=lambda ns: moving.remaining(self.connection, ns),
        )

    def pending(self) -> dict[str, list[str]]:
        """Return the migration files that are to be applied, by namespace; only those that have any."""
        if not loader.load():
            return {}
        found = {name: moving.pending(self.connection, ns) for name, ns in self.namespaces.items()}
        return {name: files for name, files in found.items() if files}


def open_project(connection: BaseDatabaseWrapper, *, everywhere: bool, revert: bool = False) -> Project:
    """Return the project, with all namespaces or with the current one; inside a block it is the block's.

    Raises ``CommandError`` for a lock file that cannot be read.
    """
    name = get_namespace()
    everywhere = everywhere and name == DEFAULT_NAMESPACE
    namespaces = list_namespaces(connection) if everywhere else {name: resolve_namespace(connection, name)}
    try:
        lock = read_lock(find_path())
    except ValueError as error:
        raise CommandError(str(error)) from error
    return Project(
        connection=connection,
        namespaces=namespaces,
        creating=frozenset([resolve_namespace(connection, name)]),
        wanted=from_models(connection),
        lock=lock,
        revert=revert,
    )


def refuse(plans: Sequence[Plan]) -> None:
    """Raise what keeps changes from happening by themselves: ``SchemaNewerError``, ``SchemaRefusedError``."""
    if newer := list(dict.fromkeys(reason for plan in plans for reason in plan.newer)):
        raise SchemaNewerError(
            "Newer code than this has changed the database. Deploy the newer code; or, if this code takes its changes "
            "back, run kontract_migrate --revert.\n" + "\n".join(f"- {reason}" for reason in newer)
        )
    if refusals := find_refusals(plans):
        listed = "\n".join(f"- {refusal.what}" for refusal in refusals)
        raise SchemaRefusedError(
            "These changes of models do not happen by themselves, because documents would lose what they hold:\n"
            f"{listed}\nWrite a migration file for them with `manage.py kontract_migrate create NAME`, which begins it "
            "for you, look it over, and run kontract_migrate again. If this code is older than the database, deploy "
            "the newer one.",
            [refusal.what for refusal in refusals],
        )


def find_refusals(plans: Iterable[Plan]) -> list[Refusal]:
    """Return what does not happen by itself, each once."""
    return list(dict.fromkeys(refusal for plan in plans for refusal in plan.difference.refusals))


def move(project: Project, out: Any, *, count: int | None = None) -> bool:
    """Apply the migration files that are pending, at most ``count``, in every namespace, then rewrite the documents.

    Return whether there were any.
    """
    rewritten, pending = [], project.pending()
    for name, files in pending.items():
        out.write(f"{called(name)}: {', '.join(files[:count])}.")
        with _naming(name):
            if moving.begin(project.connection, project.namespaces[name], count, out):
                rewritten.append(name)
    if rewritten:
        wait()
    for name in rewritten:
        with _naming(name):
            moving.rewrite(project.connection, project.namespaces[name], out)
    return bool(pending)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Work in a namespace, and say which one it is where documents stop that."""
    with namespace(name):
        try:
            yield
        except SchemaDataError as error:
            raise SchemaDataError(f"{called(name)}: {error}") from error


def finish(project: Project, out: Any) -> None:
    """End, in every namespace, the time in which older code may run beside this; see ``moving.finish``."""
    waits = False
    for name, ns in project.namespaces.items():
        with _naming(name):
            waits |= moving.refuse_older_code(project.connection, ns, out)
    if waits:
        wait()
    for name, ns in project.namespaces.items():
        with _naming(name):
            moving.conclude(project.connection, ns, out)
        out.write(f"{called(name)}: code that is older than the documents is refused from now on.")


def apply(project: Project, plans: Iterable[Plan], out: Any) -> None:
    """Do what happens by itself, in every namespace."""
    past = project.lock.past if project.lock else {}
    plans = [plan for plan in plans if not plan.is_done]
    asking = [plan for plan in plans if executor.asks_documents(project.connection, plan)]
    if len(project.namespaces) > 1:
        _examine(project, asking, out)
    for plan in plans:
        describe(plan, out)
        progress, names = Progress(out, "Namespaces", len(plan.numbers)), list(plan.numbers)
        size = 1 if plan in asking else _TOGETHER
        for first in range(0, len(names), size):
            _apply_in(project, plan, names[first : first + size], out, past)
            progress.tell(min(first + size, len(names)))


def _examine(project: Project, plans: Iterable[Plan], out: Any) -> None:
    """Raise ``SchemaDataError``, before the first namespace is changed, with what documents of any do not keep."""
    found = [
        f"- {called(name)}: {offence}"
        for plan in plans
        for name, ns in plan.numbers.items()
        for offence in executor.examine(project.connection, plan, ns, out=out)
    ]
    if found:
        raise SchemaDataError(
            "Documents do not fit what models demand now, and nothing was changed in any namespace. Change them "
            "first:\n" + "\n".join(found)
        )


def _apply_in(project: Project, plan: Plan, names: Sequence[str], out: Any, past: Any) -> None:
    """Do what a plan says in namespaces, in one transaction; one by one where other processes do the same."""
    for _ in range(_ATTEMPTS):
        try:
            executor.apply(project.connection, plan, [project.namespaces[name] for name in names], out=out, past=past)
            return
        except executor.Changed:  # by another process, which may have done it all
            plans = [plan for plan in project.plans(names) if not plan.is_done]
            refuse(plans)
            if not plans:
                return
            if len(names) > 1:
                for left in plans:
                    for name in left.numbers:
                        _apply_in(project, left, [name], out, past)
                return
            (plan,) = plans
        except SchemaDataError as error:
            raise SchemaDataError(f"{called(names[0])}: {error}") from error
    raise SchemaError(f"Other processes keep changing the schema of {called(names[0])}. Run kontract_migrate again.")


def describe(plan: Plan, out: Any) -> None:
    """Say what a plan does."""
    operations = plan.difference.operations
    if operations or plan.difference.refusals:
        names = list(plan.numbers)
        out.write(f"{called(names[0]) if len(names) == 1 else f'{len(names):,} namespaces'}:")
    for operation in operations:
        out.write(f"  {operation.describe()}")
    for refusal in plan.difference.refusals:
        out.write(f"  refused: {refusal.what}")


def called(name: str) -> str:
    """Return how a namespace is called in a sentence."""
    return f"Namespace {name}" if name else "The default namespace"


def fake(project: Project) -> None:
    """Record what code wants, whatever documents look like."""
    for name, ns in project.namespaces.items():
        with namespace(name):
            moving.fake(project.connection, ns)
        executor.fake(project.connection, ns, project.wanted)


def ask_documents(project: Project, out: Any) -> None:
    """Raise ``CommandError`` where documents do not keep what models demand."""
    found = [
        f"{called(name)}: {offence}"
        for name, ns in project.namespaces.items()
        for offence in verify(project.connection, ns, out)
    ]
    if found:
        raise CommandError("Documents do not keep what models demand:\n" + "\n".join(found))
    out.write("All documents keep what models demand.")


def find_drift(project: Project, *, indexes: bool, everywhere: bool) -> list[str]:
    """Return in which ways code, lock file, catalog and indexes differ, as sentences."""
    found = []
    if project.lock is not None and not project.lock.fits(project.wanted):
        found.append("The lock file differs from the models. Run `manage.py kontract_migrate lock`, and commit it.")
    for name, files in project.pending().items():
        found.append(f"{called(name)} lacks the migration files {', '.join(files)}.")
    for plan in project.plans():
        where = ", ".join(map(called, list(plan.numbers)[:3])) + ("" if len(plan.numbers) < 4 else ", ...")
        found += [f"{where}: {reason}" for reason in plan.newer]
        found += [f"{where}: to {operation.describe()}." for operation in plan.difference.operations]
        found += [f"{where}: {refusal.what}" for refusal in plan.difference.refusals]
        found += [f"{where}: the table {name} has no record yet." for name in plan.adopted]
    if indexes:
        found += [f"Indexes: {step.what}." for step in find_steps(project.connection, everywhere=everywhere)]
    return found
