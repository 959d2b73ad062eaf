"""The parts of the reference that are written from the code: errors, commands and the Python API."""

import inspect
import re
from argparse import SUPPRESS, Action
from collections.abc import Iterator

from django.core.management import load_command_class

from kontract import exceptions
from kontract.exceptions import KontractError
from tests.docs import ROOT
from tests.manual import api
from tests.written import check

ERRORS = """\
# Errors

Every error of kontract is a `kontract.exceptions.KontractError`, and where Django or Python has one of the same
meaning also that. Its `code` is stable, and safe to match on; its message says what is wrong, with the value, and what
to do.

A call that fails answers with the status below and a problem document (RFC 9457, `application/problem+json`) whose
`code` is the one here. Of an error with status 500 the client is told nothing but that; the log has it.

| code | status | class | when |
|---|---|---|---|
"""

COMMANDS = """\
# Commands

What `python manage.py COMMAND --help` says, without the options that all of Django's commands have.
"""

SHARED = frozenset(
    ("help", "version", "verbosity", "settings", "pythonpath", "traceback", "no_color", "force_color", "skip_checks")
)


def errors(base: type[KontractError] = KontractError) -> Iterator[type[KontractError]]:
    """Yield the package's own errors, those of a module in their order."""
    for error in base.__subclasses__():
        if error.__module__ == exceptions.__name__:
            yield error
            yield from errors(error)


def describe(error: type[KontractError]) -> str:
    when = " ".join((inspect.getdoc(error) or "").partition("\n\n")[0].split()).replace("``", "`").replace("|", "\\|")
    return f"| `{error.code}` | {int(error.http_status)} | `{error.__name__}` | {when} |\n"


def test_the_list_of_errors_is_that_of_the_code() -> None:
    found = sorted(set(errors()), key=lambda error: (error.code, error.__name__))
    check(ROOT / "docs/errors.md", ERRORS + "".join(map(describe, found)))


def show(name: str) -> str:
    """Return what a command's help says; the layout of argparse's own differs between versions of Python."""
    parser = load_command_class("kontract", name).create_parser("manage.py", name)
    own = [action for action in parser._actions if action.dest not in SHARED and action.help != SUPPRESS]
    rows = [f"| {_name(action)} | {_plain(action.help)} |\n" for action in own]
    text = "\n\n".join(_plain(part) for part in (parser.description or "").split("\n\n"))
    return f"\n## {name}\n\n{text}\n" + ("\n| argument | |\n|---|---|\n" + "".join(rows) if rows else "")


def _name(action: Action) -> str:
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    takes = "" if action.nargs == 0 else value if isinstance(value, str) else " ".join(value)
    takes = f"[{takes}]" if action.nargs in ("?", "*") and takes else takes
    names = ", ".join(action.option_strings)
    return f"`{' '.join(filter(None, (names, takes)))}`".replace("|", "\\|")


def _plain(text: str | None) -> str:
    return " ".join((text or "").split()).replace("``", "`").replace("%%", "%").replace("|", "\\|").replace("<", "&lt;")


def test_the_list_of_commands_is_that_of_the_code() -> None:
    names = sorted(file.stem for file in (ROOT / "kontract/management/commands").glob("kontract_*.py"))
    check(ROOT / "docs/commands.md", COMMANDS + "".join(map(show, names)))


def test_the_python_api_is_that_of_the_code() -> None:
    check(ROOT / "docs/api.md", api.render())


def test_codes_are_words_and_belong_to_one_error_or_its_children() -> None:
    for error in errors():
        assert re.fullmatch(r"[a-z_]+", error.code)
    codes: dict[str, type[KontractError]] = {}
    for error in errors():
        first = codes.setdefault(error.code, error)
        assert issubclass(error, first), f"{error.__name__} and {first.__name__} have one code."
