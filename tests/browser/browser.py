"""The browser as a process."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.browser.page import Page
from tests.browser.pipe import Pipe
from tests.typescript.toolchain import find_program

_OPTIONS: Final = (
    "--headless",
    "--no-sandbox",  # of root, in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_FREE: Final = 10  # the first descriptor that nothing else wants to be
# The browser reads commands from descriptor 3 and writes to 4; only in the child are these free for certain.
_LAUNCH: Final = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
_LAST_WORDS = 10.0  # seconds


class Browser:
    """A running Chromium, in which each page has a profile of its own."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    @classmethod
    @contextmanager
    def start(cls) -> Iterator["Browser"]:
        """Run a browser until the block ends; skip the test where none is installed, or fail it in CI."""
        program = find_program("chromium", "chromium-browser", "google-chrome")
        profile = tempfile.mkdtemp(prefix="kontract-browser-")
        commands, reports = _make_pipe(), _make_pipe()
        theirs = (commands[0], reports[1])
        options = [*_OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, *map(str, theirs), program, *options],
            pass_fds=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in theirs:
            os.close(end)
        pipe = Pipe(reports[0], commands[1])
        try:
            yield cls(pipe)
        finally:
            pipe.close()
            _end(process)
            shutil.rmtree(profile, ignore_errors=True)  # a helper process may still be writing there

    @contextmanager
    def open(self, *, width: int = 1280, height: int = 800, dark: bool = False) -> Iterator[Page]:
        """Give a page without cookies, of this size in CSS pixels, for as long as the block runs."""
        context = self._pipe.send("Target.createBrowserContext")["browserContextId"]
        try:
            with self._open_in(context) as page:
                page.resize(width, height)
                page.prefer("dark" if dark else "light")
                yield page
        finally:
            self._pipe.send("Target.disposeBrowserContext", browserContextId=context)

    @contextmanager
    def open_beside(self, page: Page) -> Iterator[Page]:
        """Give another tab, with the cookies of ``page``, for as long as the block runs."""
        with self._open_in(page.send("Target.getTargetInfo")["targetInfo"]["browserContextId"]) as tab:
            yield tab

    @contextmanager
    def _open_in(self, context: str) -> Iterator[Page]:
        target = self._pipe.send("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self._pipe.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        try:
            yield Page(self._pipe, session)
        finally:
            self._pipe.forget(session)
            self._pipe.send("Target.closeTarget", targetId=target)


def _make_pipe() -> tuple[int, int]:
    """Return a pipe's ends to read and to write, none of them a descriptor that the browser knows by number."""
    ends = os.pipe()
    reading, writing = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _FREE) for end in ends)
    for end in ends:
        os.close(end)
    return reading, writing


def _end(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(_LAST_WORDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
