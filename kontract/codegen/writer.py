"""Generated files: written at once or not at all, and only when they change."""

import difflib
import os
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

_SHOWN = 20  # lines of a difference


def write(path: Path, text: str) -> bool:
    """Make ``text`` the content of a file; return whether it was another one.

    Whoever reads the file meanwhile sees the whole old text or the whole new one.  A file that is up to date is not
    touched, so that nothing that watches it builds anew.  Raises ``OSError``.
    """
    if read(path) == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(temporary).chmod(_find_mode(path))
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
    return True


def read(path: Path) -> str | None:
    """Return a file's text; None where there is no file, or one that is no text."""
    try:
        return path.read_bytes().decode()
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _find_mode(path: Path) -> int:
    """Return the mode of the file at ``path``, or that of a new one; a temporary file's is its owner's alone."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def compare(path: Path, text: str) -> str:
    """Return the first lines of how a file differs from ``text``; "" where it does not."""
    if (found := read(path)) == text:
        return ""
    if found is None:
        return f"{path} {'is no text' if path.exists() else 'does not exist'}.\n"
    lines = difflib.unified_diff(
        found.splitlines(keepends=True), text.splitlines(keepends=True), str(path), f"{path} (generated)", n=1
    )
    return "".join(_shorten(lines))


def _shorten(lines: Iterator[str]) -> Iterator[str]:
    yield from (line if line.endswith("\n") else f"{line}\n" for line in islice(lines, _SHOWN))
    if more := sum(1 for _ in lines):
        yield f"... and {more} more lines.\n"
