"""Waiting for changes of the project's source."""

import time
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps

_INSTALLED = {"site-packages", "dist-packages"}  # where packages are that nobody edits
_INTERVAL = 0.5  # seconds between two looks


def watch(interval: float = _INTERVAL) -> Iterator[None]:
    """Yield at once, and then after each change of a Python file in the project's apps.

    Several changes at about the same time count once; one that is made while the caller works counts, too.
    """
    before = _look()
    while True:
        yield
        while (now := _look()) == before:
            time.sleep(interval)
        while now != before:  # an editor or a checkout may not be done yet
            before = now
            time.sleep(interval / 5)
            now = _look()


def _look() -> dict[Path, int]:
    """Return when each file was changed last."""
    found = {}
    for directory in _list_directories():
        for path in directory.rglob("*.py"):
            try:
                found[path] = path.stat().st_mtime_ns
            except FileNotFoundError:  # removed since it was listed
                continue
    return found


def _list_directories() -> list[Path]:
    paths = {Path(config.path).resolve() for config in apps.get_app_configs()}
    return sorted(path for path in paths if not _INSTALLED.intersection(path.parts))
