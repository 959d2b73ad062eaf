"""Follow the tutorial word by word, in a fresh directory and a fresh virtual environment.

What the page shows is what must come out: blocks of ``console`` are typed into a shell and their output is compared,
with ``...`` for anything; blocks whose first line names a file are written to it; a block of ``text`` is part of what
the last program that goes on prints.  In CI all packages are installed; elsewhere they are borrowed from the place
where the tests run, and ``pip install`` finds them there.
"""

import doctest
import os
import re
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.acceptance.conftest import find_free_port
from tests.docs import ROOT, Block, blocks
from tests.typescript.toolchain import find_program

PAGE = "docs/tutorial.md"
FILE = re.compile(r"# (?P<name>[\w./]+\.py)(?P<is_added> \(at the end\))?\n")
COMMAND = re.compile(r"^\$ (?P<command>.*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)
GOES_ON = re.compile(r"python -m uvicorn |curl -sN ")
TIMEOUT = 300.0  # seconds


class Reader:
    """Somebody who follows a page: one shell to type into, and one for each program that goes on running."""

    def __init__(self, directory: Path, port: int, stack: ExitStack) -> None:
        self._directory = directory
        self._port = port
        self._stack = stack
        self._running: list[Path] = []  # what each of them prints
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("KONTRACT_", "PG", "DJANGO_", "PYTHON"))}
        self._environment = kept | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    def follow(self, block: Block) -> None:
        """Do what a block says."""
        text = block.text.replace("8000", str(self._port))
        if block.language == "python":
            self._write(text)
        elif block.language == "text":
            self._wait_for(self._running[-1], text)
        else:
            for found in COMMAND.finditer(text):
                self._type(found["command"], found["output"])

    def _write(self, text: str) -> None:
        found = FILE.match(text)
        assert found, f"No file is named in the first line of:\n{text}"
        file = self._directory / "todo" / found["name"]
        file.write_text((file.read_text() if found["is_added"] else "") + text)

    def _type(self, command: str, output: str) -> None:
        if GOES_ON.match(command):
            self._start(command, output)
            return
        if command.startswith("pip install ") and "CI" in os.environ:
            command = command.replace('"kontract[', f'-e "{ROOT}[')
        done = subprocess.run(
            ["bash", "-e"],
            input=f"{self._place()}\n{command}\n",
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
        compare(command, output, done.stdout)
        if command.startswith("python3 -m venv") and "CI" not in os.environ:
            self._borrow()

    def _place(self) -> str:
        """Return what brings a new shell to where the page's is."""
        project, activate = self._directory / "todo", self._directory / "todo/.venv/bin/activate"
        return (f"cd {project}\n" if project.exists() else "") + (f". {activate}\n" if activate.exists() else "")

    def _borrow(self) -> None:
        (packages,) = (self._directory / "todo/.venv/lib").glob("python*/site-packages")
        (packages / "borrowed.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")

    def _start(self, command: str, output: str) -> None:
        file = self._directory / f"{len(self._running)}.txt"
        with file.open("w") as printed:
            process = subprocess.Popen(
                ["bash", "-c", f"{self._place()}exec {command}"],
                cwd=self._directory,
                env=self._environment,
                stdout=printed,
                stderr=subprocess.STDOUT,
            )
        self._stack.enter_context(process)
        self._stack.callback(process.terminate)
        self._running.append(file)
        self._wait_for(file, output)

    def _wait_for(self, file: Path, output: str) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not is_like(f"...{output}...", file.read_text()):
            time.sleep(0.1)
        compare("what goes on running", f"...{output}...", file.read_text())


def is_like(expected: str, found: str) -> bool:
    """Tell whether an output is the expected one, in which ``...`` stands for anything."""
    end = "" if not found or found.endswith("\n") else "\n"
    return doctest.OutputChecker().check_output(expected, found + end, doctest.ELLIPSIS)


def compare(command: str, expected: str, found: str) -> None:
    """Fail where the output of a command is another one than the page shows."""
    assert is_like(expected, found), f"{command}\n--- the page shows\n{expected}\n--- but this came\n{found}"


@contextmanager
def reading(directory: Path) -> Iterator[Reader]:
    """Give a reader whose programs end with the block."""
    with ExitStack() as stack:
        yield Reader(directory, find_free_port(), stack)


def test_the_tutorial_can_be_followed_word_by_word(tmp_path: Path) -> None:
    find_program("curl")
    if sys.version_info[:2] != version_of("python3"):
        pytest.skip("python3 on the PATH is another Python than the one that runs the tests")
    with reading(tmp_path) as reader:
        for block in blocks(PAGE, "console", "python", "text"):
            reader.follow(block)


def version_of(python: str) -> tuple[int, ...]:
    """Return the version of a Python on the PATH."""
    program = "import sys; print(*sys.version_info[:2])"
    found = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, found.split()))
