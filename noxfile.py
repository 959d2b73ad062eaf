"""Run the tests on every supported Python and Django: ``nox``, or one session of ``nox --list``."""

import nox

nox.options.error_on_missing_interpreters = False  # a developer has some of them, not all
nox.options.reuse_existing_virtualenvs = True

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
DJANGOS = ("5.2", "6.0", "6.1")


def supported(python: str, django: str) -> bool:
    """Tell whether Django supports the Python: Django 6 begins at 3.12."""
    return python != "3.11" or django == "5.2"


@nox.session
@nox.parametrize("python,django", [(p, d) for p in PYTHONS for d in DJANGOS if supported(p, d)])
def tests(session: nox.Session, django: str) -> None:
    """Run the tests; further arguments go to pytest."""
    session.install("-e", ".[dev]", f"django~={django}.0")
    session.run("pytest", *session.posargs)
