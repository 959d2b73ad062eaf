"""node, its packages, TypeScript's compiler and a browser; in CI they have to be there."""

import os
import shutil
import subprocess
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PACKAGES = HERE / "node_modules"
_OLDEST_NODE = 20
_TIMEOUT = 300.0  # seconds


def find_program(*names: str) -> str:
    """Return the path of the first program that is installed; where none is, skip the test, or fail it in CI."""
    for name in names:
        if (found := shutil.which(name)) is not None:
            return found
    reason = f"{' or '.join(names)} is not installed, so what needs it is not tested"
    if "CI" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)


def find_node() -> str:
    """Return the path of a node that is new enough."""
    node = find_program("node")
    version = run(node, "--version").strip()
    if int(version.removeprefix("v").partition(".")[0]) < _OLDEST_NODE:
        pytest.fail(f"node {version} is too old for the TypeScript client; install node {_OLDEST_NODE} or newer")
    return node


def install_packages(directory: Path = HERE) -> None:
    """Install a directory's locked packages where they are missing, or others than these, one process at a time."""
    lock, installed = directory / "package-lock.json", directory / "node_modules" / ".package-lock.json"
    with lock.open() as turn:
        flock(turn, LOCK_EX)
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            # Not "ci": npm 11 takes locks with packages of other systems for incomplete.
            options = ("--no-save", "--no-audit", "--no-fund", "--prefer-offline")
            run(find_program("npm"), "install", *options, cwd=directory)
            installed.touch()


def compile_project(directory: Path, *options: str, compiler: str = "typescript") -> None:
    """Compile ``src`` in a directory to ``built``, as ``tsconfig.json`` and the options say; fail with all errors."""
    node = find_node()
    install_packages()
    shutil.copy(HERE / "tsconfig.json", directory)
    (directory / "package.json").write_text('{"type": "module"}')
    types = ["--typeRoots", str(PACKAGES / "@types")]
    run(node, str(PACKAGES / compiler / "bin" / "tsc"), "--project", str(directory), *types, *options)


def run(*command: str, cwd: Path | None = None, **environment: str) -> str:
    """Run a program and return what it printed; fail with that where the program fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}", pytrace=False)
    return done.stdout
