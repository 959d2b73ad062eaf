"""The manifest of routes: a file that tells which procedures there are, so that a process starts without them.

It is JSON, the same for the same procedures, one line for each, so that two versions of it compare well.  Settings:
``KONTRACT["ROUTES"]``; written by ``kontract_compile --routes``.
"""

import json
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Final

from kontract.exceptions import ConfigurationError
from kontract.rpc.registry import registry
from kontract.rpc.route import Route, as_entry, from_entry

FORMAT: Final = 1


def render_routes() -> str:
    """Return the manifest of the project's procedures, all of which this imports.

    Raises ``ConfigurationError``, and what a module raises that cannot be imported.
    """
    registry.load_all()
    return render(registry.routes())


def render(routes: Iterable[Route]) -> str:
    """Return the manifest of ``routes``."""
    by_name = sorted(routes, key=lambda route: route.name)
    lines = [f"  {json.dumps(route.name)}: {json.dumps(as_entry(route))}" for route in by_name]
    return f'{{"format": {FORMAT}, "procedures": {{\n' + ",\n".join(lines) + "\n}}\n"


def read_routes(path: str | PathLike[str]) -> Mapping[str, Route]:
    """Return the routes in a manifest, by name.

    Raises ``ConfigurationError`` where the file is missing, or is not what this version of kontract writes.
    """
    remedy = f"Write it with: manage.py kontract_compile --routes {path}"
    try:
        content = json.loads(Path(path).read_bytes())
        return dict(_parse(content))
    except OSError as error:
        raise ConfigurationError(
            f'KONTRACT["ROUTES"] names {str(path)!r}, which cannot be read: {error.strerror}. {remedy}'
        ) from error
    except (ValueError, ConfigurationError) as error:
        raise ConfigurationError(
            f'KONTRACT["ROUTES"] names {str(path)!r}, which is no manifest of routes: {error} {remedy}'
        ) from error


def _parse(content: Any) -> Iterable[tuple[str, Route]]:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ConfigurationError(f"it does not say that its format is {FORMAT}, which this version of kontract reads.")
    if not isinstance(procedures := content.get("procedures"), dict):
        raise ConfigurationError("it has no procedures.")
    return ((name, from_entry(name, entry)) for name, entry in procedures.items())
