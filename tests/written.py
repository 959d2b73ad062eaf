"""Files that are written from the code, and compared with it by the tests."""

import os
from pathlib import Path


def check(file: Path, text: str) -> None:
    """Check that ``file`` says ``text``; with ``KONTRACT_REWRITE_DOCS=1`` write it first."""
    if os.environ.get("KONTRACT_REWRITE_DOCS"):
        file.write_text(text, encoding="utf-8")
    found = file.read_text(encoding="utf-8") if file.exists() else ""
    assert found == text, f"Look at the difference in {file.name}, then set KONTRACT_REWRITE_DOCS=1."
