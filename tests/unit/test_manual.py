"""Every code block of the manual is run by a test; one of which nothing is said fails.

The few that are not run are listed with the reason in tests/manual/pages.py, and compared with the code here.
"""

import ast
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pglast
import pytest

from tests.docs import ROOT, Block
from tests.manual.commands import check_command, find_commands
from tests.manual.guides import GUIDES
from tests.manual.pages import DATA, NOT_RUN, PAGES, RUN, count_fences, find_blocks
from tests.manual.programs import check_program
from tests.typescript.toolchain import find_node, run


def _check_console(text: str) -> None:
    for words in find_commands(text):
        check_command(words)


def _check_html(text: str) -> None:
    for script in re.findall(r"<script[^>]*>\n(.*?)</script>", text, re.DOTALL):
        _check_javascript(script)


def _check_javascript(text: str) -> None:
    """Fail where a module is none, or imports what generated clients do not have."""
    imported = re.findall(r'import \{([^}]*)\} from "(?:\./|/static/)[^"]*"', text)
    for name in ",".join(imported).split(",") if imported else ():
        assert re.search(rf"^export .*\b{name.strip()}\b", CLIENT, re.MULTILINE), f"There is no {name} in a client."
    with tempfile.TemporaryDirectory() as directory:
        (file := Path(directory) / "block.mjs").write_text(text, encoding="utf-8")
        run(find_node(), "--check", str(file))


# What is in the client of the shop, which the pages speak of.
CLIENT = "\n".join(
    file.read_text(encoding="utf-8")
    for file in (ROOT / "tests/golden/shop.js", *(ROOT / "kontract/codegen/templates/javascript").glob("*.js"))
)
CHECKS: dict[str, Callable[[str], object]] = {
    "console": _check_console,
    "html": _check_html,
    "js": _check_javascript,
    "json": json.loads,
    "py": check_program,
    "python": check_program,
    "sql": pglast.parse_sql,
    "text": str,  # which is not code: diagrams, bytes, what a program prints
}

BLOCKS = [pytest.param(page, block, id=f"{page}:{block.line}") for page in PAGES for block in find_blocks(page)]


SHOWN = {(page, block.language) for page in PAGES for block in find_blocks(page)}
FOLLOWED = {(page, language) for page, guide in GUIDES.items() for language in guide.languages} & SHOWN


@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_each_block_is_run_or_said_not_to_be(page: str, block: Block) -> None:
    key = (page, block.language)
    if key not in FOLLOWED | set(RUN):
        assert key in NOT_RUN or block.language in DATA, f"No test runs line {block.line}. Add it to a guide."
        CHECKS[block.language](block.text)


def test_what_is_said_of_a_block_is_said_once() -> None:
    said = [*FOLLOWED, *RUN, *NOT_RUN]
    assert len(said) == len(set(said))
    assert set(NOT_RUN) <= SHOWN


@pytest.mark.parametrize("page", PAGES)
def test_no_block_of_a_page_is_overlooked(page: str) -> None:
    assert count_fences(page) == 2 * len(list(find_blocks(page)))


@pytest.mark.parametrize(("page", "language"), RUN)
def test_what_is_said_to_run_a_page_is_there(page: str, language: str) -> None:
    assert any(block.language == language for block in find_blocks(page)), "There is no such block; take the line out."
    file, _, name = RUN[page, language].partition("::")
    source = (ROOT / file).read_text(encoding="utf-8")
    assert any(isinstance(node, ast.FunctionDef) and node.name == name for node in ast.parse(source).body)
    assert page in source
