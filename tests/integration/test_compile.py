"""``kontract_compile``: files that are written whole, checked, and written again when the source changes."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from threading import Timer

import pytest
from django.core.management import CommandError, call_command

from kontract.codegen import writer
from kontract.codegen.outputs import OUTPUTS

pytestmark = pytest.mark.any_role

ROOT = Path(__file__).parents[2]


def compile_(*arguments: object) -> str:
    output = StringIO()
    call_command("kontract_compile", *map(str, arguments), stdout=output)
    return output.getvalue()


def test_all_files_are_written_once(tmp_path: Path) -> None:
    paths = {name: tmp_path / "new" / name for name in OUTPUTS}
    options = [part for name, path in paths.items() for part in (f"--{name}", path)]
    assert compile_(*options).count(": written\n") == len(OUTPUTS)
    before = {path: path.stat().st_mtime_ns for path in paths.values()}
    assert compile_(*options).count(": up to date\n") == len(OUTPUTS)
    assert {path: path.stat().st_mtime_ns for path in paths.values()} == before
    assert compile_(*options, "--check") == ""
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(OUTPUTS)
    assert json.loads(paths["openapi"].read_text())["servers"] == [{"url": "/kontract"}]
    assert "zoo_echo" in json.loads(paths["routes"].read_text())["procedures"]
    compile(paths["python"].read_text(), "client.py", "exec")
    assert "zooEcho" in paths["typescript"].read_text()


def test_a_file_that_is_not_up_to_date_fails_the_check(tmp_path: Path) -> None:
    path = tmp_path / "client.py"
    with pytest.raises(CommandError, match="Run kontract_compile without --check"):
        compile_("--python", path, "--check")
    compile_("--python", path)
    path.write_text(path.read_text().replace("class Client(", "class Other("))
    output = StringIO()
    with pytest.raises(CommandError):
        call_command("kontract_compile", python=path, check=True, stdout=output)
    assert "-class Other(_kontract.SigningClient):\n+class Client(_kontract.SigningClient):\n" in output.getvalue()
    assert "class Other(" in path.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Say what to write, and where to: --typescript PATH --javascript PATH --python PATH"),
        (["--python", "x.py", "--check", "--watch"], "Give either --check or --watch"),
        (["--python", "/dev/null/x.py"], "Not a directory"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        compile_(*arguments)


def test_a_file_keeps_its_mode_and_a_new_one_has_the_usual(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("")
    old.chmod(0o640)
    mask = os.umask(0o022)
    try:
        assert writer.write(old, "text")
        assert writer.write(new, "text")
    finally:
        os.umask(mask)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (old, new)] == [0o640, 0o644]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    writer.write(path, "old")
    with pytest.raises(UnicodeEncodeError):
        writer.write(path, "new \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_difference_is_shown_in_short(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert writer.compare(path, "a") == f"{path} does not exist.\n"
    writer.write(path, "\n".join(map(str, range(1000))))
    assert writer.compare(path, path.read_text()) == ""
    lines = writer.compare(path, "".join(f"{number}\n" for number in range(1000, 2000))).splitlines()
    assert len(lines) == 21
    assert lines[-1].endswith("more lines.")
    path.write_bytes(b"\xff")
    assert writer.compare(path, "a") == f"{path} is no text.\n"


BACKEND = """
from kontract import backend

@backend
def {name}() -> int:
    return 1
"""
SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["kontract", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "none"}}
KONTRACT = {"ROUTES": "/nowhere/routes.json"}
"""


def listen_to_interrupts() -> None:
    """Take Ctrl-C, which those that a shell starts in the background ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_watching_writes_again_after_each_change(tmp_path: Path) -> None:
    """In a project whose manifest of routes is missing, whose source breaks, and which is stopped with Ctrl-C."""
    shop, client = tmp_path / "shop", tmp_path / "client.py"
    shop.mkdir()
    (shop / "__init__.py").touch()
    (shop / "backend.py").write_text(BACKEND.format(name="first"))
    (tmp_path / "project.py").write_text(SETTINGS)
    command = [sys.executable, "-m", "django", "kontract_compile", "--python", str(client), "--watch"]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "project", "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    log = tmp_path / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=output, stderr=output, preexec_fn=listen_to_interrupts
        ) as process,
    ):
        try:
            wait_for(client, "def first(")
            (shop / "backend.py").write_text("this is no Python")
            wait_for(log, "SyntaxError")
            (shop / "backend.py").write_text(BACKEND.format(name="second"))
            wait_for(client, "def second(")
        finally:
            process.send_signal(signal.SIGINT)
            stop = Timer(20, process.kill)
            stop.start()
            process.wait()
            stop.cancel()
    assert process.returncode == 0
    assert "KeyboardInterrupt" not in log.read_text()


def wait_for(path: Path, text: str) -> None:
    deadline = time.monotonic() + 30
    while not path.exists() or text not in path.read_text():
        assert time.monotonic() < deadline, "nothing is written"
        time.sleep(0.05)
