"""``make demo`` as a newcomer meets it: every line that it prints is pasted into a shell."""

import json
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Demo


def paste(line: str) -> Any:
    """Run a printed line as it is; return the response's JSON, and its headers as text where they are shown."""
    run = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=20, check=True)
    head, _, body = run.stdout.rpartition("\n\n") if run.stdout.startswith("HTTP/") else ("", "", run.stdout)
    return head, json.loads(body)


@pytest.fixture
def lines(loaded: Demo, port: int) -> Any:
    """The printed curl lines by procedure, while the demo is served; a procedure may have several."""
    with loaded.serve(port, "manage.py", "demo", "--port", str(port)) as output:
        printed = output.read_text()
        assert f"http://127.0.0.1:{port}/" in printed
        yield [line for line in printed.splitlines() if line.startswith("curl ")]


def test_every_printed_line_works(lines: list[str], port: int) -> None:
    listed, found, changed, history, past, undone, back, refused = map(paste, lines)
    assert [country["name"] for country in listed[1]["result"]] == ["Afghanistan", "Albania", "Algeria"]
    assert {"table": "countries", "code": "SZ", "name": "Eswatini"} in found[1]["result"]
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
    found = re.search(r"^Kontract-Txid: (\d+)$", headers, re.MULTILINE)
    assert found
    return int(found[1])


def check_page(port: int) -> None:
    """Check that the page shows the same, with lines that work after what has happened meanwhile."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as response:
        page = response.read().decode()
    assert "<b>country_as_of</b>(code, moment)" in page
    assert "Reverse everything that a transaction wrote" in page
    assert page.count("<pre>curl -") == 8


def test_a_second_run_loads_nothing_and_its_lines_work_again(loaded: Demo) -> None:
    report = loaded.manage("demo", "--no-serve")
    assert report.stderr == ""
    assert "http://127.0.0.1:" in report.stdout


def test_the_port_is_another_one_where_the_usual_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "testproject")
    command = __import__("atlas.management.commands.demo", fromlist=["find_port"])
    assert 0 < command.find_port() < 65536
