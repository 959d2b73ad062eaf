"""The demo project in processes of its own, on an embedded server of its own."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kontract.embedded import watcher

PROJECT = Path(__file__).parents[2] / "testproject"
START_TIMEOUT = 60.0  # seconds


class Demo:
    """The demo project with its data in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("KONTRACT_", "PG", "DJANGO_"))}
        self.environment = kept | {"ATLAS_DIR": str(directory / "pg"), "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a management command to its end."""
        return subprocess.run(
            [sys.executable, "-W", "error", "manage.py", *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT,
            check=True,
        )

    @contextmanager
    def serve(self, port: int, *command: str) -> Iterator[Path]:
        """Run a server until the block ends; give the file that it prints to."""
        with tempfile.NamedTemporaryFile() as output:
            with subprocess.Popen(
                [sys.executable, *command], cwd=PROJECT, env=self.environment, stdout=output, stderr=output
            ) as process:
                try:
                    wait_for(port, process, Path(output.name))
                    yield Path(output.name)
                finally:
                    process.terminate()


def wait_for(port: int, process: "subprocess.Popen[bytes]", output: Path) -> None:
    """Wait until someone listens on the port; fail with what the process printed where it does not."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"The server did not start:\n{output.read_text()}")


def find_free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """The demo project with nothing loaded.  Not in tmp_path: pytest closes that to the server of root."""
    home = Path(tempfile.mkdtemp(prefix="kontract-demo-"))
    yield Demo(home)
    for data in home.rglob("data"):
        watcher.stop(data)
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def loaded(demo: Demo) -> Demo:
    """The demo project with its data."""
    report = demo.manage("demo", "--no-serve")
    assert "languages" in report.stderr  # the progress
    return demo
