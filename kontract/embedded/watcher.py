"""Stop an embedded server once the last process that uses it has ended.

Theory of operation.  Three lock files lie beside the cluster; the kernel drops a process's locks however it dies.

``users.lock``    held *shared*, for its life, by every process that uses the server (a forked child inherits it)
``start.lock``    held *exclusively* by whoever makes, starts or stops the server, for as long as that takes
``watcher.lock``  held *exclusively*, for its life, by the one watcher, so that joiners can tell whether one lives

A joiner takes start, then users, starts a watcher where none lives, and only then the server: from the first moment
that the server can run, somebody will stop it.  The watcher blocks until it could have users exclusively, which says
that no user lives.  It lets go of users before it takes start (a joiner holds them in the other order: no deadlock),
and asks again under start, where nobody can join.

This file is run as a script by its path and imports the standard library alone, so that a watcher costs a few
megabytes and needs nothing of the project that started it.
"""

import fcntl
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import NamedTuple

LINGER = 1.0  # seconds that the server outlives its last user: one command often follows another
STOP_TIMEOUT = 60.0  # seconds for a fast shutdown, which writes a checkpoint, before an immediate one


class Postmaster(NamedTuple):
    """What a running server's ``postmaster.pid`` says."""

    pid: int
    socket_dir: str
    port: str
    ready: bool


def find_postmaster(data: Path) -> Postmaster | None:
    """Return the server that runs on the cluster ``data``, None if there is none.

    The pid alone proves nothing, for after a crash any process may have got it.  The server's socket lies where
    only its owner can put one, so a process that listens there is the server.
    """
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if len(lines) < 5 or not _listens(f"{lines[4]}/.s.PGSQL.{lines[3]}"):
        return None
    return Postmaster(int(lines[0]), lines[4], lines[3], ready="ready" in lines[-1])


def _listens(address: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(address)
        except OSError:
            return False
    return True


def stop(data: Path) -> None:
    """Shut the server on ``data`` down, if one runs, and return when it has ended.

    SIGINT asks for a fast shutdown, SIGQUIT for an immediate one (PostgreSQL: "Shutting Down the Server").
    """
    for request in (signal.SIGINT, signal.SIGQUIT):
        postmaster = find_postmaster(data)
        if postmaster is None:
            return
        os.kill(postmaster.pid, request)
        deadline = time.monotonic() + STOP_TIMEOUT
        while (data / "postmaster.pid").exists() and time.monotonic() < deadline:
            time.sleep(0.05)


def open_lock(path: Path) -> int:
    """Open (and create) a lock file; the descriptor is closed on exec and inherited by fork."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def try_exclusive(lock: int) -> bool:
    """Lock exclusively if nobody holds a lock, without waiting."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_same_file(path: Path, descriptor: int) -> bool:
    """Tell whether ``path`` still names the open file: the directory may have been removed and made anew."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def watch(directory: Path, watcher_lock: int) -> None:
    """Wait for the end of the last user, stop the server, and give the locks back."""
    users, start = open_lock(directory / "users.lock"), open_lock(directory / "start.lock")
    while True:
        fcntl.flock(users, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_UN)
        time.sleep(LINGER)
        fcntl.flock(start, fcntl.LOCK_EX)
        if not is_same_file(directory / "start.lock", start):
            return  # the directory was removed, and what lies there now is another watcher's
        if try_exclusive(users):
            break
        fcntl.flock(start, fcntl.LOCK_UN)
    stop(directory / "data")
    # In this order: who gets start next must not take this watcher for a living one.
    os.close(watcher_lock)
    os.close(start)


if __name__ == "__main__":
    # The process that starts the watcher waits for this parent only, so it has no child to reap later.
    if os.fork() == 0:
        os.setsid()
        watch(Path(sys.argv[1]), int(sys.argv[2]))
