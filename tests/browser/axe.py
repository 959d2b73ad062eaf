"""axe-core, which finds what keeps people from using a page: https://github.com/dequelabs/axe-core."""

from functools import cache
from pathlib import Path

from tests.typescript.toolchain import install_packages

HERE = Path(__file__).parent


@cache
def read_axe() -> str:
    """Return its source, from npm."""
    install_packages(HERE)
    return (HERE / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
