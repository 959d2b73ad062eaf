"""Processes: servers, writers, and the database below them."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
APPLICATION: Final = "benchmarks.streams.asgi:application"
_START_SECONDS: Final = 60.0

COMMANDS: Final = {
    "uvicorn": ("-m", "uvicorn", APPLICATION, "--port", "{port}", "--lifespan", "off", "--log-level", "warning"),
    "granian": (
        *("-m", "granian", "--interface", "asginl", APPLICATION, "--port", "{port}", "--no-ws"),
        *("--log-level", "warning", "--workers-kill-timeout", "2"),
    ),
}


def environment(home: Path) -> dict[str, str]:
    """Return the environment of all processes of one run."""
    return {
        **os.environ,
        "KONTRACT_STREAMS": str(home / "pg"),
        "DJANGO_SETTINGS_MODULE": "benchmarks.streams.settings",
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def serving(kind: str, count: int, home: Path) -> Iterator[list[tuple[int, int]]]:
    """Run ``count`` server processes of a kind; give the port and the process id of each."""
    with ExitStack() as stack:
        yield [stack.enter_context(_serve(kind, home)) for _ in range(count)]


@contextmanager
def _serve(kind: str, home: Path) -> Iterator[tuple[int, int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, *(part.format(port=port) for part in COMMANDS[kind])]
    with tempfile.NamedTemporaryFile() as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(home), stdout=output, stderr=output)
        try:
            _wait_for(port, process, Path(output.name))
            yield port, process.pid
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]", output: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"The server did not start:\n{output.read_text()}")


def start_writer(home: Path, *arguments: object) -> "subprocess.Popen[str]":
    """Start ``python -m benchmarks.streams.writing`` with some arguments, and wait until it is about to write."""
    command = [sys.executable, "-m", "benchmarks.streams.writing", *map(str, arguments)]
    writer = subprocess.Popen(command, cwd=ROOT, env=environment(home), stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    writer.stdout.readline()
    return writer
