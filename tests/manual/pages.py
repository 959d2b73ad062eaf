"""The pages of the manual, their code blocks, and the tests that run them whole."""

import re
from collections.abc import Iterator

from tests.docs import ROOT, Block

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

PAGES = ["README.md", *sorted(f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md"))]

TUTORIAL = "tests/acceptance/test_tutorial.py::test_the_tutorial_can_be_followed_word_by_word"

# The blocks of a page in a language, and the test that runs all of them, in their order.
RUN: dict[tuple[str, str], str] = {
    ("README.md", "python"): "tests/integration/test_docs.py::test_the_readme_runs",
    ("docs/backup.md", "console"): "tests/integration/test_backup.py::test_a_dump_is_a_backup_of_everything",
    ("docs/backup.md", "python"): "tests/integration/test_docs.py::test_the_guides_run",
    ("docs/calls.md", "python"): "tests/integration/test_docs.py::test_the_guides_run",
    ("docs/clients.md", "py"): "tests/integration/auth/test_python_client.py::test_the_guide_runs",
    ("docs/clients.md", "python"): "tests/integration/test_python_client.py::test_the_guide_runs",
    ("docs/middleware.md", "python"): "tests/unit/test_filters.py::test_the_settings_of_the_guide_are_settings",
    ("docs/orm.md", "pycon"): "tests/integration/test_docs.py::test_the_guide_to_models_runs",
    ("docs/orm.md", "python"): "tests/integration/test_docs.py::test_the_guide_to_models_runs",
    ("docs/raystream.md", "python"): "tests/unit/raystream/test_docs.py::run_page",
    ("docs/raystream.md", "typescript"): "tests/acceptance/test_raystream_typescript.py::test_the_guide_compiles",
    ("docs/storage.md", "python"): "tests/integration/test_docs.py::test_the_guides_run",
    ("docs/testing.md", "python"): "tests/integration/test_testing_kit.py::test_the_examples_of_the_guide_pass",
    ("docs/tutorial.md", "console"): TUTORIAL,
    ("docs/tutorial.md", "python"): TUTORIAL,
    ("docs/tutorial.md", "text"): TUTORIAL,
    ("docs/typescript.md", "typescript"): "tests/acceptance/test_typescript.py::test_the_guide_compiles",
}


# The other blocks of a page in a language that no test runs, and why.  They are compared with the code, or parsed.
NOT_RUN: dict[tuple[str, str], str] = {
    (
        "README.md",
        "console",
    ): "test_demo.py runs what `make demo` runs, and CI is `make test`",
    ("docs/demo.md", "console"): "test_demo.py runs what `make demo` runs, and all that it prints",
    ("docs/javascript.md", "html"): "a page in a browser; test_browser.py runs one with a client",
    ("docs/raystream.md", "py"): "needs a proxy and keys; raystream/test_client.py makes the same calls over a server",
    ("docs/schema_changes.md", "python"): "a file of migrations; schema/test_moves.py applies such ones",
    ("docs/typescript.md", "html"): "Svelte, which no test installs: liveStore itself is run by React's example",
    ("docs/typescript.md", "js"): "React's is run by test_events_clients.py; Vue's needs Vue, which no test installs",
}
# What is no program: messages, bytes, what a program prints, and drawings.
DATA = frozenset(("json", "text"))

# Commands that no test of a guide types, and why.
NOT_TYPED: dict[str, str] = {
    "pip install ": "it would ask PyPI for the package; the test of the tutorial installs it in CI from here",
}


def is_run_elsewhere(line: str) -> bool:
    """Tell whether no guide's test types a line of a console."""
    return any(line.removeprefix("$ ").startswith(start) for start in NOT_TYPED)


def find_blocks(page: str) -> Iterator[Block]:
    """Yield all blocks of a page, also those that name no language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        yield Block(found[1], found[2], text.count("\n", 0, found.start(2)))


def count_fences(page: str) -> int:
    """Count the lines of a page that open or close a block, in whatever way."""
    return len(re.findall(r"^\s*(?:```|~~~)", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE))
