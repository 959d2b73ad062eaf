"""Writers and servers that are killed: what was acknowledged is there, and no transaction is there by half."""

import itertools
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, connections

import kontract
from kontract import embedded, env
from kontract.conf import Durability
from kontract.embedded import watcher
from tests.consistency import check_consistency
from tests.databases import database_alias
from tests.processes import Report, Worker


@pytest.fixture(params=["strict", "group"])
def durability(request: pytest.FixtureRequest, settings: Any) -> Durability:
    level: Durability = request.param
    settings.KONTRACT = {**settings.KONTRACT, "DURABILITY": level}
    return level


def write_for_ever(report: Report, name: str) -> None:
    """Write transactions of four documents, versioned and not, and report the number of each that was acknowledged."""
    for n in itertools.count(1):
        with kontract.transaction():
            env.storage.users.set(f"{name}-first", {"n": n})
            env.storage.orders.push({"name": name, "n": n})
            env.storage.counters.set(name, {"n": n})
            env.storage.users.set(f"{name}-last", {"n": n})
        report(n)


def check_writer(name: str, acknowledged: list[int], using: str = "default") -> None:
    """Fail unless each acknowledged transaction is there, at most the one in flight besides, and all of each."""
    users, orders, counters = (env.storage[table].using(using) for table in ("users", "orders", "counters"))
    n = users[f"{name}-first"]["n"]
    last = acknowledged[-1] if acknowledged else 1
    assert n in (last, last + 1)
    assert users[f"{name}-last"] == counters[name] == {"n": n}
    assert [order["n"] for order in orders.query(name=name)] == list(range(1, n + 1))
    assert [version.data["n"] for version in users.history(f"{name}-last")] == list(range(n, 0, -1))


def wait_for_end_of(worker: Worker) -> None:
    """Wait until the server has noticed that the process is dead, for it finishes what it has received."""
    with connection.cursor() as cursor:
        for _ in range(1000):
            query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
            cursor.execute(query, [worker.application_name])
            if cursor.fetchone() == (0,):
                return
            time.sleep(0.02)
    raise AssertionError("the backend outlives its client")


@pytest.mark.usefixtures("consistent", "declared")
@pytest.mark.parametrize("flush_limit", [10_000, 2], ids=["one message", "several messages"])
def test_killed_writers(durability: Durability, flush_limit: int, settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "FLUSH_LIMIT": flush_limit}
    with ExitStack() as stack:
        workers = {f"w{n}": stack.enter_context(Worker(write_for_ever, f"w{n}")) for n in range(5)}
        for worker in workers.values():
            assert worker.report() == 1
            time.sleep(random.uniform(0, 0.05))
            worker.kill()
        env.storage.users.set("after", {})  # nobody holds the clock
        for name, worker in workers.items():
            wait_for_end_of(worker)
            check_writer(name, worker.reports())


# --- The server ------------------------------------------------------------------------------------------------------


def write_until_the_server_dies(report: Report, name: str) -> None:
    with suppress(OperationalError):
        write_for_ever(report, name)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """A server of our own to kill.  Not in tmp_path: pytest closes that to the account the server of root runs as."""
    home = Path(tempfile.mkdtemp(prefix="kontract-"))
    yield home / "pg"
    watcher.stop(home / "pg" / "data")
    shutil.rmtree(home)


def kill_server(cluster: Path) -> None:
    postmaster = watcher.find_postmaster(cluster / "data")
    assert postmaster
    processes = [psutil.Process(postmaster.pid), *psutil.Process(postmaster.pid).children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGKILL)
    psutil.wait_procs(processes, timeout=20)


@pytest.mark.more_privilege  # a server of its own
def test_killed_server(cluster: Path, durability: Durability) -> None:
    names = [f"{durability}{n}" for n in range(3)]
    with database_alias("crash", **embedded.database(cluster)) as alias, kontract.namespace(""):
        call_command("kontract_migrate", database=alias, stdout=StringIO())
        with ExitStack() as stack:
            workers = [stack.enter_context(Worker(write_until_the_server_dies, name, using=alias)) for name in names]
            for worker in workers:
                assert worker.report() == 1
            time.sleep(random.uniform(0.2, 0.5))
            kill_server(cluster)
            connections[alias].close()
            embedded.database(cluster)
            for name, worker in zip(names, workers, strict=True):
                check_writer(name, worker.reports(), alias)
        check_consistency(alias)
