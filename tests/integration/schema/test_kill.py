"""A migration that is killed, at each of its steps, and run again."""

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kontract import env
from kontract.schema import ledger, moving, rewriting
from kontract.tables.catalog import locate
from tests.integration.schema.releases import Files
from tests.processes import Report, Worker

DOCUMENTS = 40

OPERATIONS = """
    RenameField(table="users", old="name", new="title"),
    RunPython(table="users", forwards=double, backwards=halve),
    SplitField(table="users", name="title", into=("first", "last"), split=split, join=join),
    RemoveField(table="users", name="extra"),
"""
CODE = """
def double(data): return {**data, "n": data["n"] * 2}
def halve(data): return {**data, "n": data["n"] // 2}
def split(name): return name.split(" ")
def join(first, last): return f"{first} {last}"
"""


def migrate(report: Report, folder: str, direction: str, stop_at: int, size: int) -> None:
    """Run the migration; right before its commit number ``stop_at`` wait, so as to be killed there."""
    engine: Any = ledger
    count, run = 0, engine.run_transaction

    def run_and_stop(function: Callable[[], Any], **options: Any) -> Any:
        def wait_at_the_end() -> Any:
            nonlocal count
            result = function()
            count += 1
            if count == stop_at:
                report("waiting")
                time.sleep(60)
            return result

        return run(wait_at_the_end, **options)

    engine.run_transaction = run_and_stop
    vars(rewriting)["BATCH"] = size
    with Files(Path(folder)).installed():
        move = moving.up if direction == "up" else moving.down
        move(*locate())
    report("done")


def fill(count: int) -> dict[str, dict[str, Any]]:
    documents = {f"u{n:06}": {"name": f"A{n} B{n}", "n": n, "extra": n % 7} for n in range(count)}
    env.storage.users.set_many(documents)
    return documents


def migrated(documents: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        id_: {"n": data["n"] * 2, "first": f"A{data['n']}", "last": f"B{data['n']}"} for id_, data in documents.items()
    }


def kill_at_every_step(folder: Path, direction: str, size: int) -> Iterator[int]:
    """Run a migration again and again, each time for one commit, until it comes to its end."""
    for kill in range(100):
        with Worker(migrate, str(folder), direction, 2, size) as worker:
            if worker.report() == "done":
                return
        yield kill
    raise AssertionError("the migration does not end")


@pytest.mark.usefixtures("consistent")
def test_a_kill_at_every_step_both_ways(files: Files) -> None:
    documents = fill(DOCUMENTS)
    then = env.storage.users.set("u000000", documents["u000000"]).txid or 0
    files.add(OPERATIONS, CODE)
    kills = sum(1 for _ in kill_at_every_step(files.folder, "up", 20))
    assert kills > 5
    assert dict(env.storage.users.items()) == migrated(documents)
    shown = {id_: {**data, "n": data["n"] // 2} for id_, data in migrated(documents).items()}
    assert dict(env.storage.users.as_of(then).items()) == shown
    kills = sum(1 for _ in kill_at_every_step(files.folder, "down", 20))
    assert kills > 5
    assert dict(env.storage.users.items()) == documents


LARGE = int(os.environ.get("KONTRACT_TEST_MIGRATED", "3000"))  # documents; 100,000 takes about a minute


def test_kills_at_any_moment_of_a_large_migration(files: Files) -> None:
    documents = fill(LARGE)
    files.add(OPERATIONS, CODE)
    done, begun, kills = False, time.monotonic(), 0
    while not done:
        with Worker(migrate, str(files.folder), "up", 0, 500) as worker:
            patience = random.uniform(0.2, 1.0) * max(1.0, LARGE / 20_000) * (1 + kills)
            done = worker._receiver.poll(patience) and worker.report() == "done"
        kills += not done
    assert dict(env.storage.users.items()) == migrated(documents)
    print(f"{LARGE:,} documents, {kills} kills, {time.monotonic() - begun:.1f} s")
