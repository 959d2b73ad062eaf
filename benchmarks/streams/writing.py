"""Processes that write: ``random`` transactions, some of them rolled back, or single documents at a steady rate."""

import os
import random
import sys
import time

import django

django.setup()

from django.db import InterfaceError, OperationalError, connection  # noqa: E402

import kontract  # noqa: E402
from kontract import env  # noqa: E402
from kontract.exceptions import KontractError  # noqa: E402


class _RolledBack(Exception):
    pass


def write_randomly(seed: int, seconds: float, pause: float) -> None:
    """Write for some seconds, whatever becomes of the database meanwhile."""
    chance = random.Random(seed)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with kontract.transaction():
                _write(chance)
                if chance.random() < 0.2:
                    raise _RolledBack
        except (_RolledBack, KontractError):
            pass
        except (OperationalError, InterfaceError):
            connection.close()
            time.sleep(0.2)
        time.sleep(chance.uniform(0, 2 * pause))


def _write(chance: random.Random) -> None:
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        document_id = f"d{chance.randrange(50)}"
        if chance.random() < 0.2:
            env.storage.items.delete(document_id)
        else:
            env.storage.items.set(document_id, {"n": chance.randrange(1000), "text": "x" * chance.randrange(300)})


def _say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def write_together(writers: int, seconds: float, pause: float) -> None:
    """Write randomly from several processes, which are forks of this one."""
    _say_ready()
    for child in [_fork(seed, seconds, pause) for seed in range(writers)]:
        os.waitpid(child, 0)


def _fork(seed: int, seconds: float, pause: float) -> int:
    if (child := os.fork()) == 0:
        try:
            write_randomly(seed, seconds, pause)
        finally:
            os._exit(0)
    return child


def write_steadily(table: str, count: int, pause: float, rows: int) -> None:
    """Write single documents; print for each the number of its row, its transaction, and when it was committed."""
    env.storage[table].get("r0")  # so that the connection is there
    _say_ready()
    written = []
    for number in range(count):
        row = number % rows
        document = env.storage[table].set(f"r{row}", {"number": row, "round": number})
        written.append((row, document.txid, time.monotonic()))
        time.sleep(pause)
    sys.stdout.writelines(f"{row} {txid} {at}\n" for row, txid, at in written)


if __name__ == "__main__":
    if sys.argv[1] == "random":
        write_together(int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
    else:
        write_steadily(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
