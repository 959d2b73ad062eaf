"""``make demo`` as a newcomer meets it: every command that it prints is pasted into a shell."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.acceptance.conftest import PROJECT, START_TIMEOUT, Demo, wait_for

LOCK = PROJECT / "kontract.lock.json"
COMMITTED = LOCK.read_text()  # before the demo runs, which writes it anew where models have changed


def paste(command: str) -> Any:
    """Run a printed command as it is; return the response's JSON, and its headers as text where they are shown."""
    run = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=20, check=True)
    head, _, body = run.stdout.rpartition("\n\n") if run.stdout.startswith("HTTP/") else ("", "", run.stdout)
    return head, json.loads(body)


@pytest.fixture
def taken() -> Iterator[None]:
    """The demo's usual port belongs to somebody else."""
    with socket.socket() as other:
        with suppress(OSError):  # somebody has it already
            other.bind(("127.0.0.1", 8000))
            other.listen()
        yield


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """What the demo prints."""
    return tmp_path / "output"


@pytest.fixture
def running(loaded: Demo, taken: None, output: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The demo, started once more, and served on a free port."""
    if shutil.which("curl") is None and "CI" not in os.environ:
        pytest.skip("curl is not installed")
    command = [sys.executable, "manage.py", "demo"]
    with (
        output.open("w") as log,
        subprocess.Popen(command, cwd=PROJECT, env=loaded.environment, stdout=log, stderr=log) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()


def test_every_printed_command_works_until_ctrl_c(running: "subprocess.Popen[bytes]", output: Path) -> None:
    root = wait_for_root(running, output)
    printed = output.read_text()
    assert printed.startswith("\nIn another terminal")  # without progress, for there is nothing left to load
    assert urlsplit(root).port != 8000
    try_commands(re.findall(r"^curl .*\\\n.*$", printed, re.MULTILINE))
    check_page(root)
    before = output.read_text()
    interrupt_while_following(running, root)
    assert output.read_text() == before


def wait_for_root(process: "subprocess.Popen[bytes]", output: Path) -> str:
    """Return the address that the demo prints, once it is served."""
    deadline = time.monotonic() + START_TIMEOUT
    while (found := re.search(r"is at (http://127.0.0.1:\d+/)", output.read_text())) is None:
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.05)
    wait_for(urlsplit(found[1]).port or 0, process, output)
    return found[1]


def try_commands(commands: list[str]) -> None:
    listed, found, tried, changed, history, past, undone, back, refused = map(paste, commands)
    assert [country["name"] for country in listed[1]["result"]] == ["Afghanistan", "Albania", "Algeria"]
    assert {"table": "countries", "code": "SZ", "name": "Eswatini"} in found[1]["result"]
    (change,) = tried[1]["changes"]
    assert (change["op"], change["before"]["name"], change["after"]["name"]) == ("update", "New Zealand", "Aotearoa")
    assert changed[1]["result"]["name"] == "New Zealand"
    assert changed[1]["result"]["note"] == "Kia ora!"
    assert [state["country"]["name"] for state in history[1]["result"]] == ["Eswatini", "Swaziland"]
    assert history[1]["result"][0]["changed_by"] == "ISO 3166-1, update of 2018"
    assert past[1]["result"]["name"] == "Swaziland"
    assert undone[1] == {"result": None}
    assert txid_in(undone[0]) > txid_in(changed[0]) > history[1]["result"][0]["txid"]
    assert back[1]["result"]["name"] == "Swaziland"
    assert refused[0].startswith("HTTP/1.1 422 ")
    assert [error["path"] for error in refused[1]["errors"]] == [["limit"], ["page"]]


def txid_in(headers: str) -> int:
    found = re.search(r"^Kontract-Txid: (\d+)$", headers, re.MULTILINE | re.IGNORECASE)
    assert found
    return int(found[1])


def check_page(root: str) -> None:
    """Check that the page shows the same, with commands that work after what has happened meanwhile."""
    with urllib.request.urlopen(f"{root}atlas/") as response:  # noqa: S310 - of the test's own server
        page = response.read().decode()
    assert "<b>country_as_of</b>(code, moment)" in page
    assert "Reverse everything that a transaction wrote" in page
    assert page.count("<pre>curl -") == 9


def interrupt_while_following(process: "subprocess.Popen[bytes]", root: str) -> None:
    """Press Ctrl-C while somebody follows the board."""
    url, followed = f"{root}kontract/events/", {"live": "show_board"}
    with suppress(httpx.RemoteProtocolError), httpx.stream("GET", url, params=followed, timeout=30) as response:
        lines = response.iter_lines()
        assert "event: live" in lines
        process.send_signal(signal.SIGINT)
        list(lines)
    assert process.wait(20) == 0


def test_secrets_are_their_owners_alone_and_not_in_the_client(loaded: Demo) -> None:
    home = Path(loaded.environment["ATLAS_DIR"])
    path = home / "secrets.json"
    assert path.stat().st_mode & 0o777 == 0o600
    secrets = json.loads(path.read_text())
    client = (home / "static" / "trips" / "api.js").read_text()
    hidden = [secrets["secret_key"], secrets["wrapping_key"], *(key["key"] for key in secrets["keys"])]
    assert len(set(hidden)) == 4
    assert "atlas.example" in client  # the name of the channel, next to its public keys
    assert not [secret for secret in hidden if secret in client]


def test_the_lock_file_is_that_of_the_models(loaded: Demo) -> None:
    assert LOCK.read_text() == COMMITTED
    assert loaded.manage("kontract_migrate", "--check").stdout.endswith("Code and database agree.\n")
