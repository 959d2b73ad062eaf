"""The progress of long work, on a real terminal and in a file."""

import io
import os
import pty
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management.base import OutputWrapper

from kontract.schema.progress import Progress


@pytest.fixture
def terminal() -> Iterator[tuple[Any, int]]:
    """A pseudo-terminal: what a command writes to, and where its user sees it."""
    seen, written = pty.openpty()
    with os.fdopen(written, "w") as stream:
        yield OutputWrapper(stream), seen
    os.close(seen)


def test_a_terminal_has_one_line_that_fills(terminal: tuple[Any, int]) -> None:
    out, seen = terminal
    progress = Progress(out, "Moving", 4)
    progress.tell(0)  # too soon to say anything
    for done in (1, 3):
        time.sleep(0.11)
        progress.tell(done)
    progress.finish(4)
    shown = ""
    while "\n" not in shown:
        shown += os.read(seen, 4096).decode()
    assert shown.count("\n") == 1
    first, second, last = shown.split("\r")[1:4]
    assert first.startswith("Moving [#######.......................] 1 of 4, about 0 s left")
    assert second.startswith("Moving [######################........] 3 of 4")
    assert last.startswith("Moving: 4 in 0.")
    assert all(line.endswith("\033[K") for line in (first, second, last))


def test_elsewhere_lines_come_now_and_then() -> None:
    out = io.StringIO()
    progress = Progress(OutputWrapper(out), "Moving", 4)
    for done in range(4):
        progress.tell(done)
    progress.finish(4)
    assert out.getvalue().startswith("Moving: 4 in 0.0 s")
    assert out.getvalue().count("\n") == 1
