"""The code blocks of the documentation."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A code block: its language, its text, and the line of the page where that begins, from 0."""

    language: str
    text: str
    line: int


def blocks(page: str, *languages: str) -> Iterator[Block]:
    """Yield the code blocks of a page in these languages, in their order."""
    text = (ROOT / page).read_text()
    for found in _BLOCK.finditer(text):
        if found[1] in languages:
            yield Block(found[1], found[2], text.count("\n", 0, found.start(2)))


def is_of(block: Block, file: str) -> bool:
    """Return whether a block shows a file, which its first line names."""
    return block.text.startswith(f"# {file}\n")
