"""The parts of ``kontract_migrate`` that look back and ahead: status, down, and beginning a migration file."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from kontract.context import namespace
from kontract.management.migrating import Project, called, find_refusals
from kontract.schema import executor, moving, scaffold
from kontract.schema.diff import Refusal
from kontract.schema.record import Record, read_all


def create(project: Project, name: str, *, app: str | None, interactive: bool, out: Any) -> None:
    """Write a migration file for what does not happen by itself, asking what may have been renamed.

    Raises ``CommandError`` where somebody would have to answer and cannot be asked.
    """
    refusals = find_refusals(project.plans())
    if not interactive:
        _refuse_to_guess(refusals)
    chosen = [found for refusal in refusals for found in _choose(refusal, interactive=interactive, out=out)]
    path = scaffold.create(name, refusals, [source for source, _ in chosen if source], app)
    out.write(f"Wrote {path}. Look it over, then run kontract_migrate.")
    for source, what in chosen:
        if not source:
            out.write(f"Not in it: {what}")


def _refuse_to_guess(refusals: Iterable[Refusal]) -> None:
    unclear = [refusal for refusal in refusals if refusal.is_likely]
    if unclear:
        listed = "\n".join(f"- {refusal.question} {_both_answers(refusal)}" for refusal in unclear)
        raise CommandError(
            f"Nobody can be asked here, and nothing was written:\n{listed}\nRun this at a terminal without --no-input, "
            "or write the file yourself."
        )


def _both_answers(refusal: Refusal) -> str:
    yes = [refusal.operation, *(refused.operation for refused in refusal.then if refused.operation)]
    return f"If so, write {', '.join(yes)}; else {', '.join(refusal.otherwise)}."


def _choose(refusal: Refusal, *, interactive: bool, out: Any) -> Iterator[tuple[str, str]]:
    """Yield the source of operations for a change, empty where there is none, and what the change is."""
    if refusal.question and interactive and not _ask(refusal.question):
        yield from ((source, refusal.what) for source in refusal.otherwise)
        return
    if refusal.question and not interactive:
        out.write(f"{refusal.question} Taken for a yes: else write {' and '.join(refusal.otherwise)} instead.")
    yield refusal.operation, refusal.what
    for further in refusal.then:
        yield from _choose(further, interactive=interactive, out=out)


def _ask(question: str) -> bool:
    while (answer := input(f"{question} [y/n] ").strip().lower()) not in ("y", "yes", "n", "no"):
        pass
    return answer.startswith("y")


def down(project: Project, count: int, out: Any) -> None:
    """Take back the last ``count`` runs in every namespace: files, and changes that have happened by themselves."""
    for name, ns in project.namespaces.items():
        for _ in range(count):
            with namespace(name):
                if not _take_back_last(project, ns, out, name):
                    out.write(f"{called(name)}: nothing to take back.")
                    break


def _take_back_last(project: Project, ns: int, out: Any, name: str) -> bool:
    """Take back what was done last, a file or what happened by itself; return whether there was anything."""
    automatic = find_last(read_all(project.connection, ns).values())
    files = moving.runs_of_files(project.connection, ns).values()
    if files and (automatic is None or max(files) > automatic):
        out.write(f"{called(name)}:")
        moving.down(project.connection, ns, 1, out)
    elif automatic is not None:
        for done in executor.take_back(project.connection, ns, automatic, out=out):
            out.write(f"{called(name)}: {done}.")
    return bool(files) or automatic is not None


def find_last(records: Iterable[Record]) -> str | None:
    """Return the last run of automatic changes that was not taken back; None where there is none."""
    steps = [step for record in records for step in record.steps if not step.by]
    undone = {step.undoes for step in steps}
    return max((step.run for step in steps if not step.undoes and step.run not in undone), default=None)


def show_status(project: Project, out: Any) -> None:
    """Say at which number each table is in each namespace, what was done last, and what is to be done."""
    pending = project.pending()
    for plan in project.plans():
        names = list(plan.numbers)
        out.write(called(names[0]) if len(names) == 1 else f"{len(names):,} namespaces, such as {called(names[0])}")
        records = {name: Record.from_text(text) for name, text in sorted(plan.texts.items())}
        for name, record in records.items():
            out.write(f"  {name}: number {record.schema}{_last_change(record)}")
        for file in pending.get(names[0], ()):
            out.write(f"  to be applied: {file}")
        for operation in plan.difference.operations:
            out.write(f"  to do: {operation.describe()}")
        for line in (*plan.newer, *(refusal.what for refusal in plan.difference.refusals)):
            out.write(f"  refused: {line}")


def _last_change(record: Record) -> str:
    if not record.steps:
        return ""
    step = record.steps[-1]
    done = "; ".join(operation.describe() for operation in step.operations)
    return f", {_moment(step.run)}: {done}{f' ({step.by})' if step.by else ''}"


def _moment(run: str) -> str:
    """Return when a run was: the milliseconds that a UUIDv7 begins with (RFC 9562)."""
    return datetime.fromtimestamp((UUID(run).int >> 80) / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
