"""``make demo`` as a newcomer meets it: every command that it prints is pasted into a shell."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import PROJECT, Demo, find_free_port, wait_for


def paste(command: str) -> Any:
    """Run a printed command as it is; return the response's JSON, and its headers as text where they are shown."""
    run = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=20, check=True)
    head, _, body = run.stdout.rpartition("\n\n") if run.stdout.startswith("HTTP/") else ("", "", run.stdout)
    return head, json.loads(body)


@pytest.fixture
def port() -> int:
    """The port that the demo is served on."""
    return find_free_port()


@pytest.fixture
def commands(loaded: Demo, port: int) -> Iterator[list[str]]:
    """The printed commands, while the demo is served."""
    if shutil.which("curl") is None and "CI" not in os.environ:
        pytest.skip("curl is not installed")
    with loaded.serve(port, "manage.py", "demo", "--port", str(port)) as output:
        printed = output.read_text()
        assert f"http://127.0.0.1:{port}/" in printed
        yield re.findall(r"^curl .*\\\n.*$", printed, re.MULTILINE)


def test_every_printed_command_works(commands: list[str], port: int) -> None:
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
    check_page(port)


def txid_in(headers: str) -> int:
    found = re.search(r"^Kontract-Txid: (\d+)$", headers, re.MULTILINE | re.IGNORECASE)
    assert found
    return int(found[1])


def check_page(port: int) -> None:
    """Check that the page shows the same, with commands that work after what has happened meanwhile."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/atlas/") as response:
        page = response.read().decode()
    assert "<b>country_as_of</b>(code, moment)" in page
    assert "Reverse everything that a transaction wrote" in page
    assert page.count("<pre>curl -") == 9


def test_a_second_run_loads_nothing_and_leaves_a_port_that_is_taken(loaded: Demo) -> None:
    with socket.socket() as other:
        with suppress(OSError):  # somebody has it already
            other.bind(("127.0.0.1", 8000))
            other.listen()
        report = loaded.manage("demo", "--no-serve")
    assert report.stderr == ""
    assert "http://127.0.0.1:" in report.stdout
    assert "http://127.0.0.1:8000/" not in report.stdout


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


def test_ctrl_c_ends_it_quietly_while_somebody_follows(loaded: Demo, port: int, tmp_path: Path) -> None:
    url, after = f"http://127.0.0.1:{port}/kontract/rpc/watch_trips", {"kwargs": {"after": 0}}
    output = tmp_path / "output"
    command = [sys.executable, "manage.py", "demo", "--port", str(port)]
    with (
        output.open("w") as log,
        subprocess.Popen(command, cwd=PROJECT, env=loaded.environment, stdout=log, stderr=log) as process,
    ):
        wait_for(port, process, output)
        with suppress(httpx.RemoteProtocolError), httpx.stream("POST", url, json=after) as response:
            next(lines := response.iter_lines())
            process.send_signal(signal.SIGINT)
            list(lines)
        assert process.wait(20) == 0
    assert output.read_text().endswith("(Ctrl-C ends it)\n")
