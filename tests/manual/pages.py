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
    (
        "docs/tutorial.md",
        "console",
    ): TUTORIAL,
    ("docs/tutorial.md", "python"): TUTORIAL,
    ("docs/tutorial.md", "text"): TUTORIAL,
    ("docs/typescript.md", "typescript"): "tests/acceptance/test_typescript.py::test_the_guide_compiles",
}


def find_blocks(page: str) -> Iterator[Block]:
    """Yield all blocks of a page, also those that name no language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        yield Block(found[1], found[2], text.count("\n", 0, found.start(2)))


def count_fences(page: str) -> int:
    """Count the lines of a page that open or close a block, in whatever way."""
    return len(re.findall(r"^\s*(?:```|~~~)", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE))
