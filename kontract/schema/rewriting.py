"""Rewriting the documents of tables in batches, each an ordinary transaction that also notes how far it came.

So what is killed goes on where it was, and no document is done twice.  Other writers wait for one batch at most, and
batches are as large as they are done in a moment; where others keep writing their documents, they get smaller.
"""

import functools
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from kontract.conf import get_settings
from kontract.exceptions import ConflictError
from kontract.mvcc.transaction import attempts
from kontract.schema import record
from kontract.schema.batches import BATCH, Batch, delete_batch, move_batch, restore_batch
from kontract.schema.ledger import MOVING, REMOVED, TABLE, Entry, Ledger
from kontract.schema.leftovers import make_again, remove_all, remove_needless
from kontract.schema.progress import Progress

FINISH: Final = "kontract_migrate finish"  # the label of its transactions
_SMALL: Final = 100  # documents of a batch, however slow it is: fewer take nearly as long
_SMALLEST: Final = 10  # documents of a batch, however often it collides with other writers
_MOMENT: Final = 0.03  # seconds that a batch should take, because other writers wait for most of it
_PATIENCE: Final = 100  # times that all attempts at a transaction may be in vain, in all batches together


def start_moving(ledger: Ledger, table: str, *, to: int, by: str, undone: int | None = None) -> None:
    """Collect, for the open transaction, that a table's documents are to be brought to the number ``to``."""
    ledger.write(MOVING + table, {"to": to, "after": "", "by": by, "undone": undone})


def wait() -> None:
    """Wait until each process has looked at the catalog again, and so knows what was recorded."""
    time.sleep(get_settings().CATALOG_TTL)


def finish_moving(ledger: Ledger, *, waited: bool = False) -> None:
    """Rewrite the documents of every table that is not done with it, once each process knows how to read them."""
    unfinished = ledger.list(MOVING)
    if unfinished and not waited:
        wait()
    for table, moving in unfinished.items():
        _move(ledger, table, moving)


def _move(ledger: Ledger, table: str, moving: Entry) -> None:
    batch: Callable[..., Batch] = move_batch
    if "removes" in moving:
        batch = delete_batch
    elif "restores" in moving:
        batch = restore_batch
    what, by = f"{moving['by']}: documents of {table}", moving["by"]
    conclude = functools.partial(_conclude, ledger, table, batch)
    run = functools.partial(batch, name=table)
    in_batches(ledger, MOVING + table, what=what, label=by, batch=run, conclude=conclude)


def _conclude(ledger: Ledger, table: str, batch: Callable[..., Batch]) -> None:
    ledger.write(MOVING + table, None)
    if batch is restore_batch:
        make_again(ledger, table)
    if batch is delete_batch:  # its name goes last, because no document can be written, or deleted, without one
        ledger.write(TABLE + table, None)
        record.write(ledger.connection, ledger.ns, table, None)


def in_batches(
    ledger: Ledger, entry: str, *, what: str, label: str, batch: Callable[..., Batch], conclude: Callable[[], None]
) -> None:
    """Run ``batch`` until nothing is left, and then, in the transaction that finds that, ``conclude``.

    ``batch`` is given the position that the catalog's document ``entry`` holds.
    """
    progress: Progress | None = None
    for done, total, is_last in _batches(ledger, label, functools.partial(_step, ledger, entry, batch, conclude)):
        progress = progress or Progress(ledger.out, what, total)
        if is_last and (done or label != FINISH):
            progress.finish(done)
        elif is_last:
            continue
        else:
            progress.tell(done)


Step = Callable[[int], tuple[int, int, bool]]


def _batches(ledger: Ledger, label: str, step: Step) -> Iterator[tuple[int, int, bool]]:
    """Yield, after each batch, how many documents are done, how many there are in all, and whether it was the last."""
    size, pauses = BATCH, itertools.chain.from_iterable(attempts() for _ in range(_PATIENCE))
    while True:
        begun = time.monotonic()
        try:
            told = ledger.run(label, functools.partial(step, size))
        except ConflictError:
            if (pause := next(pauses, None)) is None:
                raise
            size = max(_SMALLEST, size // 2)
            time.sleep(pause)
            continue
        yield told
        if told[-1]:
            return
        size = _next_size(size, time.monotonic() - begun)


def _next_size(size: int, seconds: float) -> int:
    """Return how many documents the next batch is to have, where one of ``size`` took ``seconds``."""
    fitting = size * min(2.0, max(0.5, _MOMENT / seconds))  # step by step, because one batch may just have waited
    return round(min(BATCH, max(min(size, _SMALL), fitting)))


def _step(
    ledger: Ledger, entry: str, batch: Callable[..., Batch], conclude: Callable[[], None], size: int
) -> tuple[int, int, bool]:
    """Run one batch and note in the same transaction how far it came."""
    position = ledger.read(entry)
    if position is None:  # another process was faster
        return 0, 0, True
    count, last, total = batch(ledger.connection, ledger.ns, position, size)
    if last is None:
        conclude()
        return position.get("moved", 0), total, True
    total = max(total, position.get("total", 0))
    moved = position.get("moved", 0) + count
    ledger.write(entry, position | {"after": last, "moved": moved, "total": total})
    return moved, total, False


def refuse_older(ledger: Ledger) -> bool:
    """Refuse older code, and note that what it has left is to be rewritten; return whether that may be anything."""
    mixed = _find_mixed(ledger)
    for name in mixed:
        ledger.run(FINISH, functools.partial(_raise_number, ledger, name, "oldest"))
    for name in mixed:
        ledger.run(FINISH, functools.partial(_start_again, ledger, name))
    return bool(mixed)


def _find_mixed(ledger: Ledger) -> list[str]:
    """Return the tables whose documents may be at several numbers."""
    return [name for name, entry in ledger.list(TABLE).items() if "renamed_to" not in entry and _is_mixed(entry)]


def end_older_code(ledger: Ledger) -> None:
    """Rewrite what older code has left, and forget the old names of tables and the keys that it needed."""
    mixed = _find_mixed(ledger)
    finish_moving(ledger, waited=True)
    for name in mixed:
        ledger.run(FINISH, functools.partial(_conclude_older_code, ledger, name))
    for removed in ledger.list(REMOVED).values():
        ledger.run(FINISH, functools.partial(remove_all, ledger, removed))
    for name, entry in ledger.list(TABLE).items():
        if "renamed_to" in entry:
            ledger.put(FINISH, TABLE + name, None)


def _is_mixed(entry: Entry) -> bool:
    changes: list[Entry] = entry.get("casts", [])
    return any(entry.get("live", 1) < change["to"] for change in changes)


def _raise_number(ledger: Ledger, name: str, member: str) -> None:
    """Note that the ``oldest`` code that may run, or the ``live`` documents, are at a table's present number."""
    entry = ledger.read(TABLE + name) or {}
    ledger.write(TABLE + name, entry | {member: entry["oldest" if member == "live" else "schema"]})


def _conclude_older_code(ledger: Ledger, name: str) -> None:
    remove_needless(ledger, name)
    _raise_number(ledger, name, "live")


def _start_again(ledger: Ledger, name: str) -> None:
    entry: Any = ledger.read(TABLE + name)
    start_moving(ledger, name, to=entry["oldest"], by=FINISH)
