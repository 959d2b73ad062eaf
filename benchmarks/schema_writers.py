"""How long a writer waits while the documents of its table are rewritten, beside how long it does otherwise."""

import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

TABLE = "bench_moved"
PAUSE = 0.005  # seconds between two writes of a writer
CALM = 10.0  # seconds
_PACKAGE = "benchmarks.kontract_migrations"
_FILE = f"""
from kontract.schema import moves

class Migration(moves.Migration):
    operations = [moves.RenameField(table="{TABLE}", old="name", new="title")]
"""


class Waits(NamedTuple):
    """How long writes took, in seconds, in order of size, and how often one had to be done again."""

    seconds: list[float]
    conflicts: int

    def __str__(self) -> str:
        p50, p99 = (self.seconds[int(len(self.seconds) * part)] * 1000 for part in (0.5, 0.99))
        return (
            f"{len(self.seconds):>8,} writes, p50 {p50:>6.1f} ms, p99 {p99:>6.1f} ms, at most "
            f"{self.seconds[-1] * 1000:>6.1f} ms, {self.conflicts} conflicts"
        )


def measure(count: int) -> None:
    """Measure and print: a writer of whole documents, and one that reads what it changes; calm, and meanwhile."""
    from kontract import env, tables
    from kontract.schema import moving
    from kontract.tables.catalog import locate

    tables.create(TABLE)
    env.storage[TABLE].set_many({f"{n:06}": {"name": f"Book {n}", "pages": n} for n in range(count)})
    print(f"\nTwo writers, one write in some {PAUSE * 1000:.0f} ms each, in a table of {count:,} documents:")
    with _writing(count) as writers:
        time.sleep(CALM)
    _print("calm", writers)
    with _file(), _writing(count) as writers:
        started, processor = time.perf_counter(), time.process_time()
        moving.up(*locate())
        seconds, processor = time.perf_counter() - started, time.process_time() - processor
    _print("while a field is renamed", writers)
    print(f"The documents were rewritten in {seconds:.1f} s, {processor:.1f} s of the migrating process.")


def _print(what: str, waits: dict[str, Waits]) -> None:
    for name, found in waits.items():
        print(f"{what:26}{name:18}{found}")


@contextmanager
def _writing(count: int) -> Iterator[dict[str, Waits]]:
    """Let writers write; what they have measured is in the dict afterwards."""
    from django.db import connection

    connection.close()
    context = multiprocessing.get_context("fork")
    found: dict[str, Waits] = {}
    stop, pipes = context.Event(), {}
    for function in (_set, _read_and_set):
        pipes[function.__name__.strip("_").replace("_", " ")], sender = context.Pipe(duplex=False)
        context.Process(target=_write, args=(function, count, stop, sender), daemon=True).start()
        sender.close()  # ours: so that a writer that fails is noticed
    for pipe in pipes.values():
        pipe.recv()  # it has begun
    yield found
    stop.set()
    found.update({name: pipe.recv() for name, pipe in pipes.items()})


def _write(function: Any, count: int, stop: Any, sender: Any) -> None:
    seconds, conflicts, choice = [], 0, random.Random(function.__name__)
    _until_done(function, choice.randrange(count))  # connects
    sender.send(None)
    while not stop.is_set():
        n, started = choice.randrange(count), time.perf_counter()
        conflicts += _until_done(function, n)
        seconds.append(time.perf_counter() - started)
        time.sleep(PAUSE)
    sender.send(Waits(sorted(seconds), conflicts))


def _until_done(function: Any, n: int) -> int:
    """Write the document number ``n``, and return how many conflicts came before that."""
    from kontract.exceptions import ConflictError

    conflicts = 0
    while True:
        try:
            function(n)
        except ConflictError:
            conflicts += 1
        else:
            return conflicts


def _set(n: int) -> None:
    from kontract import env

    env.storage[TABLE].update(f"{n:06}", {"pages": n + 1})


def _read_and_set(n: int) -> None:
    import kontract
    from kontract import env

    with kontract.transaction():
        pages = env.storage[TABLE][f"{n:06}"]["pages"]
        env.storage[TABLE].update(f"{n:06}", {"pages": pages + 1})


@contextmanager
def _file() -> Iterator[None]:
    """Let the app ``benchmarks`` have a migration file."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "0001_title.py").write_text(_FILE)
        package = sys.modules[_PACKAGE] = ModuleType(_PACKAGE)
        package.__path__ = [folder]
        try:
            yield
        finally:
            del sys.modules[_PACKAGE]
