"""What the package is made of: itself, the standard library, and cryptography."""

import ast
import sys
from pathlib import Path

import kontract.raystream
from tests.unit.test_layout import imported

IMPORTS = {
    path.stem: set(imported(ast.parse(path.read_text()), f"kontract.raystream.{path.stem}"))
    for path in Path(kontract.raystream.__file__).parent.glob("*.py")
}


def is_foreign(name: str) -> bool:
    """Tell whether a module is neither the standard library's nor the package's own."""
    return name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("kontract.raystream")


def test_primitives_come_from_cryptography_and_nothing_else_from_elsewhere() -> None:
    foreign = {(stem, name) for stem, names in IMPORTS.items() for name in names if is_foreign(name)}
    assert {name.split(".")[0] for _, name in foreign} == {"cryptography"}
    assert len(IMPORTS) > 15


def test_it_reads_no_clock_and_opens_no_connection() -> None:
    for names in IMPORTS.values():
        assert not {name.split(".")[0] for name in names} & {"time", "datetime", "socket", "asyncio", "logging"}
