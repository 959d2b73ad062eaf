"""A real PgBouncer in transaction mode: each transaction may get another server connection."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import ProgrammingError, connections
from django.test import override_settings

import kontract
from kontract import env
from kontract.events import listener
from tests.databases import database_alias
from tests.processes import Report, Worker

CONFIG = """
[databases]
* = host={host} port={port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
server_round_robin = 1
ignore_startup_parameters = extra_float_digits, options
"""


@pytest.fixture
def pooled(namespace: str, tmp_path: Path) -> Iterator[str]:
    """Give an alias of the tests' database that goes through PgBouncer, with two server connections for everybody."""
    program = shutil.which("pgbouncer")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("PgBouncer is not installed")
    settings = connections["default"].settings_dict
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = free.getsockname()[1]
    config = tmp_path / "pgbouncer.ini"
    values = {key: settings[key.upper()] or default for key, default in
              {"host": "127.0.0.1", "port": 5432, "user": "postgres", "password": "none"}.items()}  # fmt: skip
    config.write_text(CONFIG.format(**values, listen=listen))
    changes = {"HOST": "127.0.0.1", "PORT": listen, "OPTIONS": {}}
    with run_as_owner([program, str(config)], settings["HOST"], tmp_path), database_alias("pooled", **changes) as alias:
        wait_for(listen)
        yield alias


@contextlib.contextmanager
def run_as_owner(command: list[str], host: str, folder: Path) -> Iterator[None]:
    """Run a program that refuses to be root as whoever may use the server's socket."""
    options: dict[str, Any] = {}
    if os.geteuid() == 0:
        owner = os.stat(host).st_uid if host.startswith("/") else 65534
        options = {"user": owner, "group": owner, "extra_groups": []}
        for path in (folder, *folder.parents[:3]):
            path.chmod(path.stat().st_mode | 0o055)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert time.monotonic() < deadline, "PgBouncer does not listen"
        time.sleep(0.05)


def increment(alias: str, times: int) -> None:
    users = env.storage.users.using(alias)

    @kontract.transactional(using=alias, retries=100)
    def once() -> None:
        users.set("sum", {"n": users["sum"]["n"] + 1})

    for n in range(times):
        once()
        users.set(f"own-{n}", {"n": n})
    connections.close_all()


def work(alias: str, namespace: str) -> None:
    with kontract.namespace(namespace):
        increment(alias, 15)


def test_transactions_of_many_clients_share_two_server_connections(pooled: str, namespace: str) -> None:
    env.storage.users.set("sum", {"n": 0})
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(work, pooled, namespace) for _ in range(4)]:
            future.result(timeout=60)
    assert env.storage.users["sum"] == {"n": 60}
    assert env.storage.users.query(_id__startswith="own-").count() == 15


def write_on_both(alias: str) -> None:
    """Write often enough to prepare, then once more while another client has the server connection used so far."""
    users = env.storage.users.using(alias)
    for n in range(10):
        users.set("user-1", {"n": n})
    settings = connections[alias].settings_dict
    with psycopg.connect(host=settings["HOST"], port=settings["PORT"], dbname=settings["NAME"], user="any") as other:
        other.execute("SELECT 1")
        users.set("user-1", {"n": -1})


def test_nothing_is_prepared_behind_a_pooler(pooled: str) -> None:
    write_on_both(pooled)
    assert env.storage.users["user-1"] == {"n": -1}


def test_what_is_prepared_all_the_same_is_missing_on_the_next_server_connection(pooled: str) -> None:
    with override_settings(KONTRACT={"TABLES": ["users"], "PREPARED_STATEMENTS": True}):
        with pytest.raises(ProgrammingError, match="prepared statement"):
            write_on_both(pooled)


def write_some(report: Report, count: int) -> None:
    for n in range(count):
        env.storage.users.set(f"u{n}", {"n": n})
    report("done")


def test_changes_of_others_are_followed_by_looking_where_nobody_can_listen(pooled: str) -> None:
    tables, options = ["users"], {"listen": False, "tick_seconds": 0.1}
    with override_settings(KONTRACT={"TABLES": tables, "EVENTS": options}), closing_listeners():
        env.storage.users.set("first", {})
        changes = kontract.feed(tables=tables, follow=True, using=pooled, limit=21)
        assert next(changes).id == "first"
        with Worker(write_some, 20) as worker:
            assert [change.id for change in changes] == [f"u{n}" for n in range(20)]
            assert worker.report() == "done"


@contextlib.contextmanager
def closing_listeners() -> Iterator[None]:
    try:
        yield
    finally:
        listener.stop()
