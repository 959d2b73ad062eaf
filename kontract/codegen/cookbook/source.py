"""What source files say of functions: read as text, so that nothing is imported."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final


class SourceError(Exception):
    """A source file cannot be read."""


Function = ast.FunctionDef | ast.AsyncFunctionDef

# `#: text`, as Sphinx has it, and Rust's `/// text` behind the sign that makes it a comment in Python; formatters put a
# space between the two.
_DOC_COMMENT: Final = re.compile(r"\s*#(?::| ?///)(?!/) ?(.*)")


class Module:
    """A source file.  Raises ``SyntaxError`` or ``ValueError`` where it is no Python."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.tree = ast.parse(text)
        self._lines = text.splitlines()

    @cached_property
    def functions(self) -> Mapping[str, Function]:
        """All functions by qualified name, such as ``make.<locals>.inner``."""
        return dict(_list_functions(self.tree, ""))

    def find_comment(self, function: Function) -> str:
        """Return the doc comment directly above a function and its decorators; "" where there is none."""
        first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
        lines: list[str] = []
        for line in reversed(self._lines[: first - 1]):
            if (found := _DOC_COMMENT.fullmatch(line)) is None:
                break
            lines.append(found[1].rstrip())
        return "\n".join(reversed(lines)).strip("\n")


def _list_functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield f"{prefix}{child.name}", child
            yield from _list_functions(child, f"{prefix}{child.name}.<locals>.")
        elif isinstance(child, ast.ClassDef):
            yield from _list_functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from _list_functions(child, prefix)


@lru_cache(maxsize=4096)
def read_module(name: str) -> Module | None:
    """Return the source of a module; None where there is no file of Python, as in a zip file or for C.

    Raises ``SourceError`` for a file that cannot be read, or is no Python.
    """
    path = find_file(name)
    try:
        return None if path is None else Module(name, path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, SyntaxError) as error:
        raise SourceError(f"The source of {name} cannot be read: {path}: {error}") from error


def find_function(path: str) -> tuple[Module, Function] | None:
    """Return the function that is called ``path``, such as ``shop.backend.rename_user``; None where it cannot be seen.

    A function that a decorator of another module has made is not what is written, so that cannot be found either.
    """
    parts = path.split(".")
    for length in range(len(parts) - 1, 0, -1):
        if (module := read_module(".".join(parts[:length]))) is not None:
            found = module.functions.get(".".join(parts[length:]))
            return None if found is None else (module, found)
    return None


def find_file(name: str) -> Path | None:
    """Return the file that ``import name`` would run, importing nothing; None where there is none of Python."""
    if (loaded := sys.modules.get(name)) is not None:
        return _as_source(getattr(loaded, "__file__", None))
    path: Sequence[str] | None = None
    origin = None
    for parent in _list_parents(name):
        if (loaded := sys.modules.get(parent)) is not None:
            path = list(getattr(loaded, "__path__", []))
            continue
        if (spec := PathFinder.find_spec(parent, path)) is None:
            return None
        path, origin = list(spec.submodule_search_locations or []), spec.origin
    return _as_source(origin)


def _list_parents(name: str) -> list[str]:
    """Return ``a``, ``a.b`` and ``a.b.c`` for the last of them."""
    parts = name.split(".")
    return [".".join(parts[: length + 1]) for length in range(len(parts))]


def _as_source(origin: str | None) -> Path | None:
    return Path(origin) if origin is not None and origin.endswith(".py") and Path(origin).is_file() else None
