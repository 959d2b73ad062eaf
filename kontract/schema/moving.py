"""Applying migration files and taking them back: first the record, then the documents.

Each operation is one short transaction that also notes that it is done; so what is killed goes on where it was.  An
operation that changes what documents look like changes none of them then: it is recorded, and from that moment all code
reads every document through it.  Afterwards the documents are rewritten, see ``kontract.schema.rewriting``.

Until ``finish`` older code may run beside the newer: each reads and writes at its own schema number.  All functions are
about one namespace, which is to be the current one.
"""

import functools
from collections.abc import Callable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.exceptions import SchemaError
from kontract.mvcc import clock
from kontract.schema import record
from kontract.schema.batches import run_batch
from kontract.schema.declared import describe_table
from kontract.schema.ledger import MIGRATION, MOVING, REMOVED, TABLE, Entry, Ledger
from kontract.schema.loader import Migration, load
from kontract.schema.moves import Cast, Move, RemoveTable, RenameTable, RunPython
from kontract.schema.moves.referred import refuse_referred
from kontract.schema.record import Record, new_run
from kontract.schema.rewriting import end_older_code, finish_moving, in_batches, refuse_older, start_moving, wait
from kontract.schema.upcasts import flip, note_casts

# --- What there is to do ---------------------------------------------------------------------------------------------


def pending(connection: BaseDatabaseWrapper, ns: int) -> list[str]:
    """Return the names of the migration files that are not applied, or whose documents are not all rewritten."""
    ledger = Ledger(connection, ns)
    done, unfinished = _applied(ledger), {moving["by"] for moving in ledger.list(MOVING).values()}
    return [migration.name for migration in load() if migration.name not in done or migration.name in unfinished]


def remaining(connection: BaseDatabaseWrapper, ns: int) -> list[Move]:
    """Return the operations of migration files that are not recorded yet, in their order."""
    ledger = Ledger(connection, ns)
    done = _applied(ledger)
    files = [migration for migration in load() if migration.name not in done]
    return [move for file in files for move in file.operations[ledger.position(file.name)["done"] :]]


def applied(connection: BaseDatabaseWrapper, ns: int) -> list[str]:
    """Return the names of the migration files that are applied, in their order."""
    done = _applied(Ledger(connection, ns))
    return [migration.name for migration in load() if migration.name in done]


def _applied(ledger: Ledger) -> set[str]:
    return {name for name, position in ledger.list(MIGRATION).items() if position["state"] == "applied"}


# --- Forwards --------------------------------------------------------------------------------------------------------


def up(connection: BaseDatabaseWrapper, ns: int, count: int | None = None, out: Any = None) -> None:
    """Apply what is pending, at most ``count`` files, and rewrite the documents."""
    begin(connection, ns, count, out)
    finish_moving(Ledger(connection, ns, out))


def begin(connection: BaseDatabaseWrapper, ns: int, count: int | None = None, out: Any = None) -> bool:
    """Apply what is pending, at most ``count`` files; return whether documents are to be rewritten then."""
    ledger = Ledger(connection, ns, out)
    done = _applied(ledger)
    for migration in [migration for migration in load() if migration.name not in done][:count]:
        _apply(ledger, migration)
    return bool(ledger.list(MOVING))


def rewrite(connection: BaseDatabaseWrapper, ns: int, out: Any = None) -> None:
    """Rewrite the documents once ``begin`` is done in all namespaces and each process knows of it."""
    finish_moving(Ledger(connection, ns, out), waited=True)


def finish(connection: BaseDatabaseWrapper, ns: int, out: Any = None) -> None:
    """End the time in which older code may run beside the newer: it is refused from now on.

    What it has left is rewritten, so that documents are read as they are stored again.
    """
    if refuse_older_code(connection, ns, out):
        wait()
    conclude(connection, ns, out)


def refuse_older_code(connection: BaseDatabaseWrapper, ns: int, out: Any = None) -> bool:
    """Refuse older code from now on; return whether documents are to be rewritten then."""
    ledger = Ledger(connection, ns, out)
    finish_moving(ledger)
    return refuse_older(ledger)


def conclude(connection: BaseDatabaseWrapper, ns: int, out: Any = None) -> None:
    """Rewrite what older code has left, once each process knows that it is refused, and forget what it needed."""
    end_older_code(Ledger(connection, ns, out))


def fake(connection: BaseDatabaseWrapper, ns: int) -> None:
    """Record that all migration files are applied, and do nothing."""
    ledger = Ledger(connection, ns)
    done = _applied(ledger)
    for migration in load():
        if migration.name not in done:
            position = {"state": "applied", "done": len(migration.operations), "numbers": {}, "run": new_run()}
            position["faked"] = True
            ledger.put(migration.name, MIGRATION + migration.name, position)


def _apply(ledger: Ledger, migration: Migration) -> None:
    done = ledger.position(migration.name)["done"]
    for operation in migration.operations[done:]:
        refuse_referred(operation)
    for index, operation in list(enumerate(migration.operations))[done:]:
        if isinstance(operation, RunPython) and operation.table:
            _run_over(ledger, migration, index, operation.forwards)
        else:
            ledger.run(migration.name, functools.partial(_apply_one, ledger, migration, index, operation))
    ledger.run(migration.name, functools.partial(_note, ledger, migration, state="applied"))
    ledger.say(f"Applied {migration.name}.")


def _note(ledger: Ledger, migration: Migration, **members: Any) -> None:
    ledger.write(MIGRATION + migration.name, ledger.position(migration.name) | members)


def _apply_one(ledger: Ledger, migration: Migration, index: int, operation: Move) -> None:
    """Do one operation and note that it is done, unless it is already."""
    position = ledger.position(migration.name)
    if position["done"] > index:
        return
    numbers = position["numbers"]
    if isinstance(operation, RunPython):
        operation.forwards()
    elif isinstance(operation, RemoveTable):
        _remove_table(ledger, operation.table, migration.name)
    else:
        found = _find_record(ledger, operation.table)
        resolved = operation.resolve(found.state, describe_table(_name_after(operation), ledger.connection))
        number = _advance(ledger, found, resolved, migration.name, resolved.cast(migration.module, index))
        numbers = numbers | {str(index): [_name_after(resolved), number]}
    _note(ledger, migration, done=index + 1, numbers=numbers, after="")


def _name_after(operation: Move) -> str:
    return operation.new if isinstance(operation, RenameTable) else operation.table


def _find_record(ledger: Ledger, name: str) -> Record:
    found = record.read(ledger.connection, ledger.ns, name)
    if found is None:
        raise SchemaError(f"The state of the logical table {name!r} is not recorded. Run kontract_migrate before.")
    return found


def _advance(ledger: Ledger, before: Record, operation: Move, by: str, cast: Cast | None, undoes: str = "") -> int:
    """Record an operation on a table; return the table's number after it."""
    name, new_name = operation.table, _name_after(operation)
    state = operation.apply({name: before.state})[new_name]
    after = before.become(state, [operation], run=new_run(), by=by, undoes=undoes)
    note_casts(ledger.connection, ledger.ns, before.state, after.state, [cast] if cast else [], renames=True)
    if new_name != name:
        _rename_table(ledger, name, new_name)
        record.write(ledger.connection, ledger.ns, name, None)
    record.write(ledger.connection, ledger.ns, new_name, after)
    if cast:
        start_moving(ledger, new_name, to=after.schema, by=by, undone=cast.get("undoes"))
    return after.schema


def _run_over(ledger: Ledger, migration: Migration, index: int, function: Callable[[Any], Any]) -> None:
    """Run a function over the documents of a table, unless that is done."""
    position = ledger.position(migration.name)
    if position["done"] > index:
        return
    table = migration.operations[index].table
    if "total" not in position:
        ledger.put(migration.name, MIGRATION + migration.name, position | {"after": "", "moved": 0, "total": 0})
    is_due = functools.partial(_is_due, index)
    batch = functools.partial(run_batch, name=table, function=function, is_due=is_due)
    entry, what = MIGRATION + migration.name, f"{migration.name}: documents of {table}"
    conclude = functools.partial(_note_done, ledger, migration, index, index + 1)
    in_batches(ledger, entry, what=what, label=migration.name, batch=batch, conclude=conclude)


def _is_due(index: int, position: Entry) -> bool:
    done: int = position["done"]
    return done == index


def _is_due_back(index: int, position: Entry) -> bool:
    return _is_due(index + 1, position)


def _note_done(ledger: Ledger, migration: Migration, before: int, after: int) -> None:
    """Note that ``after`` operations are done where ``before`` were, unless another process has noted that."""
    if ledger.position(migration.name)["done"] == before:
        state = "running" if after > before else "reverting"
        _note(ledger, migration, state=state, done=after, after="", moved=0, total=0)


# --- Tables ----------------------------------------------------------------------------------------------------------


def _rename_table(ledger: Ledger, old: str, new: str) -> None:
    """Let both names lead to the table; ``finish`` takes the old one away."""
    entry, taken = ledger.read(TABLE + old), ledger.read(TABLE + new)
    if entry is None or (taken is not None and "renamed_to" not in taken):
        raise SchemaError(
            f"The table {old!r} cannot become {new!r}, which is there already: perhaps newer code ran before this "
            "migration. Drop that table if it is empty, and run the migration again."
        )
    own = {key: value for key, value in entry.items() if key != "renamed_to"}
    ledger.write(TABLE + new, own)
    ledger.write(TABLE + old, own | {"renamed_to": new})


def _remove_table(ledger: Ledger, name: str, by: str) -> None:
    """Note what a table was, and that its documents are to be deleted and then its name."""
    entry, found = ledger.read(TABLE + name), _find_record(ledger, name)
    since = clock.latest(ledger.connection, ledger.ns)
    ledger.write(REMOVED + name, {"entry": entry, "record": found.to_text(), "since": since})
    ledger.write(MOVING + name, {"removes": name, "after": "", "by": by})


def _bring_back(ledger: Ledger, name: str, by: str) -> None:
    """Give a removed table its name back, and note that its documents are to be restored."""
    removed = ledger.read(REMOVED + name)
    if removed is None:
        raise SchemaError(f"What the table {name!r} was is not known any more, so that it cannot be restored.")
    ledger.write(TABLE + name, removed["entry"])
    record.write(ledger.connection, ledger.ns, name, Record.from_text(removed["record"]))
    ledger.write(REMOVED + name, None)
    ledger.write(MOVING + name, {"restores": removed["since"], "after": "", "by": by})


# --- Backwards -------------------------------------------------------------------------------------------------------


def down(connection: BaseDatabaseWrapper, ns: int, count: int = 1, out: Any = None) -> None:
    """Take the last ``count`` applied files back: their operations from the last to the first, and the documents.

    What a file removed comes back from the history, as far as vacuum has left it.  Raises ``SchemaError`` for a file
    that has no way back.
    """
    ledger = Ledger(connection, ns, out)
    runs = runs_of_files(connection, ns)
    begun = sorted((migration for migration in load() if migration.name in runs), key=lambda file: runs[file.name])
    for migration in begun[: -count - 1 : -1]:
        _take_back(ledger, migration)


def runs_of_files(connection: BaseDatabaseWrapper, ns: int) -> dict[str, str]:
    """Return when each migration file that is applied, wholly or in part, was last gone on with, as a run's name."""
    ledger = Ledger(connection, ns)
    runs = {name: position.get("run", "") for name, position in ledger.list(MIGRATION).items()}
    for found in record.read_all(connection, ns).values():
        for step in found.steps:
            if step.by in runs:
                runs[step.by] = max(runs[step.by], step.run)
    return runs


def _take_back(ledger: Ledger, migration: Migration) -> None:
    if "faked" in ledger.position(migration.name):  # what it says was never done
        ledger.put(f"{migration.name} (down)", MIGRATION + migration.name, None)
        return
    for operation in migration.operations:
        if isinstance(operation, RunPython):
            operation.reverse({})  # raises where there is no way back, before anything is done
    finish_moving(ledger)
    label = f"{migration.name} (down)"
    done = ledger.position(migration.name)["done"]
    for index, operation in reversed(list(enumerate(migration.operations))[:done]):
        if isinstance(operation, RunPython) and operation.table:
            finish_moving(ledger)
            _run_back(ledger, migration, index, operation)
        else:
            ledger.run(label, functools.partial(_revert_one, ledger, migration, index, operation))
    finish_moving(ledger)
    ledger.put(label, MIGRATION + migration.name, None)
    ledger.say(f"Took {migration.name} back.")


def _revert_one(ledger: Ledger, migration: Migration, index: int, operation: Move) -> None:
    """Undo one operation and note that it is undone, unless it is already."""
    position = ledger.position(migration.name)
    if position["done"] <= index:
        return
    if isinstance(operation, RunPython):
        if operation.backwards is not None:
            operation.backwards()
    elif isinstance(operation, RemoveTable):
        _bring_back(ledger, operation.table, migration.name)
    elif str(index) in position["numbers"]:  # else it was only recorded as applied
        _revert_recorded(ledger, migration, *position["numbers"][str(index)])
    _note(ledger, migration, state="reverting", done=index)


def _revert_recorded(ledger: Ledger, migration: Migration, name: str, number: int) -> None:
    found = _find_record(ledger, name)
    (step,) = (step for step in found.steps if step.schema == number)
    reverse: Any = step.operations[0].reverse({})
    entry: Entry = ledger.read(TABLE + name) or {}
    cast = next((flip(cast) for cast in entry.get("casts", ()) if cast["to"] == number), None)
    _advance(ledger, found, reverse, migration.name, cast, undoes=step.run)


def _run_back(ledger: Ledger, migration: Migration, index: int, operation: RunPython) -> None:
    position, label = ledger.position(migration.name), f"{migration.name} (down)"
    if position["done"] <= index or operation.backwards is None:
        return
    if position.get("back") != index:
        ledger.put(label, MIGRATION + migration.name, position | {"after": "", "moved": 0, "total": 0, "back": index})
    is_due = functools.partial(_is_due_back, index)
    batch = functools.partial(run_batch, name=operation.table, function=operation.backwards, is_due=is_due)
    what = f"{label}: documents of {operation.table}"
    conclude = functools.partial(_note_done, ledger, migration, index + 1, index)
    in_batches(ledger, MIGRATION + migration.name, what=what, label=label, batch=batch, conclude=conclude)
