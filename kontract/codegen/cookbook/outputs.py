"""The cookbook as files: what they are, and which of those that are there belong to nobody any more."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kontract.codegen.cookbook import vitepress
from kontract.codegen.cookbook.folding import fold
from kontract.codegen.cookbook.markdown import FOLDER, GENERATOR
from kontract.codegen.cookbook.recipe import Recipe, gather
from kontract.codegen.cookbook.unloaded.manifest import read_manifest
from kontract.codegen.manifest import build_manifest
from kontract.conf import get_settings
from kontract.rpc.registry import registry

_MARKS: Final = {".md": f"generator: {GENERATOR}\n", ".html": f'<meta name="generator" content="{GENERATOR}">'}
_HEAD: Final = 2000  # bytes, in which a generated page says what it is


def collect() -> list[Recipe]:
    """Return the recipes of the project's procedures.

    With a manifest of routes none of these is imported, and their sources are read instead.
    """
    routes = registry.routes()
    manifest = read_manifest(routes) if get_settings().ROUTES is not None else fold(build_manifest(registry))
    return gather(manifest, routes)


def find_stale(directory: Path, files: Mapping[str, str]) -> list[Path]:
    """Return the pages in a directory that were generated for procedures which are not among ``files`` any more."""
    return sorted(
        path
        for path in (directory / FOLDER).glob("*")
        if path.suffix in _MARKS and f"{FOLDER}/{path.name}" not in files and _is_generated(path)
    )


def _is_generated(path: Path) -> bool:
    return _MARKS[path.suffix].encode() in path.read_bytes()[:_HEAD]


def list_first(title: str) -> Mapping[str, str]:
    """Return files of the Markdown that are written where there are none, and left alone from then on."""
    return {vitepress.CONFIG: vitepress.write_config(title)}
