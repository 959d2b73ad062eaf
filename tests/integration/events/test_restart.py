"""Followers outlive the server: after a crash and a restart they go on where they were."""

import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.core.management import call_command
from django.db import connections

import kontract
from kontract import embedded
from kontract.embedded import watcher
from kontract.events import bus, listener
from kontract.events.change import Change
from kontract.tables.proxy import TableProxy
from tests.databases import database_alias


@pytest.fixture
def cluster() -> Iterator[Path]:
    """A server of our own to kill.  Not in tmp_path: pytest closes that to the account the server of root runs as."""
    home = Path(tempfile.mkdtemp(prefix="kontract-"))
    yield home / "pg"
    watcher.stop(home / "pg" / "data")
    shutil.rmtree(home)


def kill_server(cluster: Path) -> None:
    postmaster = watcher.find_postmaster(cluster / "data")
    assert postmaster
    servers = [psutil.Process(postmaster.pid), *psutil.Process(postmaster.pid).children(recursive=True)]
    for server in servers:
        server.send_signal(signal.SIGKILL)
    psutil.wait_procs(servers, timeout=20)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.05)


@pytest.mark.more_privilege  # a server of its own
def test_the_bus_outlives_the_server(cluster: Path, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "EVENTS": {}}
    with database_alias("crash", **embedded.database(cluster)) as alias, kontract.namespace(""):
        call_command("migrate", "kontract", database=alias, stdout=StringIO())
        users, heard = TableProxy("users", using=alias), list[Change]()
        end = bus.subscribe("users", heard.append, using=alias)
        for n in range(3):
            users.set(f"before{n}", {})
        wait_until(lambda: len(heard) == 3)
        kill_server(cluster)
        connections[alias].close()
        time.sleep(0.5)
        embedded.database(cluster)
        for n in range(3):
            users.set(f"after{n}", {})
        wait_until(lambda: len(heard) == 6)
        assert heard == list(kontract.feed(tables=["users"], using=alias))
        end()
        listener.stop()
    assert 1 <= sum("no connection" in record.getMessage() for record in caplog.records) <= 2
