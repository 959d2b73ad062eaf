"""A migration that is killed at each of its steps, and run again."""

import gc
import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kontract import env
from kontract.schema import ledger, moving, rewriting
from kontract.schema.batches import BATCH
from kontract.tables.catalog import locate
from tests.integration.schema.releases import Files
from tests.processes import Report, Worker

pytestmark = pytest.mark.any_role

RENAME = 'RenameField(table="users", old="name", new="title"),'
DOUBLE = 'RunPython(table="users", forwards=double, backwards=halve),'
SPLIT = """
    SplitField(table="users", name="title", into=("first", "last"), split=split, join=join),
    RemoveField(table="users", name="extra"),
"""
CODE = """
def double(data): return {**data, "n": data["n"] * 2}
def halve(data): return {**data, "n": data["n"] // 2}
def split(name): return name.split(" ")
def join(first, last): return f"{first} {last}"
"""


def kill_at_every_step(report: Report, folder: str, direction: str, size: int) -> None:
    """Run a migration in one process after the other, each of which dies at its second step, until one ends it.

    So each transaction is once cut off right before its commit, and once committed by a process that gets no further.
    """
    vars(rewriting)["BATCH"] = size
    gc.freeze()  # what is loaded: so that the processes share its memory
    with Files(Path(folder)).installed():
        while (ended := _run_in_a_process(direction)) == -signal.SIGKILL:
            report("killed")
    assert ended == 0


def _run_in_a_process(direction: str) -> int:
    """Return the exit code of a process that migrates until it dies before its second commit."""
    process = os.fork()  # of one that has loaded everything, and is connected to nothing
    if process == 0:
        try:
            _die_before_the_second_commit()
            (moving.up if direction == "up" else moving.down)(*locate())
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _die_before_the_second_commit() -> None:
    engine: Any = ledger
    count, run = 0, engine.run_transaction

    def run_or_die(function: Callable[[], Any], **options: Any) -> Any:
        def die_at_the_end() -> Any:
            nonlocal count
            result = function()
            count += 1
            if count == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return run(die_at_the_end, **options)

    engine.run_transaction = run_or_die


def kills(folder: Path, direction: str, size: int = BATCH) -> int:
    """See kill_at_every_step()."""
    with Worker(kill_at_every_step, str(folder), direction, size) as worker:
        return len(worker.finish())


def fill(count: int) -> dict[str, dict[str, Any]]:
    documents = {f"u{n:06}": {"name": f"A{n} B{n}", "n": n, "extra": n % 7} for n in range(count)}
    env.storage.users.set_many(documents)
    return documents


def migrated(documents: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {id_: {"n": data["n"], "first": f"A{data['n']}", "last": f"B{data['n']}"} for id_, data in documents.items()}


@pytest.mark.usefixtures("consistent")
def test_a_kill_at_every_step_both_ways(files: Files) -> None:
    documents = fill(40)
    then = env.storage.users.set("u000000", documents["u000000"]).txid or 0
    files.add(RENAME + DOUBLE + SPLIT, CODE)
    kills(files.folder, "up", 20)
    after = migrated(documents)
    assert dict(env.storage.users.items()) == {id_: {**data, "n": data["n"] * 2} for id_, data in after.items()}
    assert dict(env.storage.users.as_of(then).items()) == after
    kills(files.folder, "down", 20)
    assert dict(env.storage.users.items()) == documents


def test_a_kill_at_every_step_of_a_hundred_thousand_documents(files: Files) -> None:
    documents = fill(100_000)
    files.add(RENAME + SPLIT, CODE)
    assert kills(files.folder, "up") == 3 + 1 + 200 + 1 - 1  # operations, the file, batches, the end; less the first
    assert dict(env.storage.users.items()) == migrated(documents)
    assert moving.pending(*locate()) == []
