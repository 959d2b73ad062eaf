"""What a block of Python says about names, compared with the modules that have them."""

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from textwrap import dedent
from types import ModuleType
from typing import Any

from kontract.conf import parse

# Modules of the projects that the pages speak of.
OF_PROJECTS = frozenset(("app", "config", "library", "shop", "tasks", "todo_client", "zoo_client"))


def check_program(text: str) -> None:
    """Fail where a program is no Python, imports what is not there, or calls kontract as it cannot be called."""
    tree = ast.parse(dedent(text))  # a method is shown where it stands
    names = dict(_imported(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            _resolve(node, names)
        elif isinstance(node, ast.Call):
            _check_call(node, names)
        elif isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["KONTRACT"]:
            check_settings(node.value)


def _imported(tree: ast.AST) -> Iterator[tuple[str, Any]]:
    """Yield the names that a program imports, with what they are; those of projects are left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if (module := _module(alias.name)) is not None:
                    root = import_module(alias.name.partition(".")[0])
                    yield (alias.asname, module) if alias.asname else (root.__name__, root)
        elif isinstance(node, ast.ImportFrom) and (module := _module(node.module or "")) is not None:
            for alias in node.names:
                yield alias.asname or alias.name, _get(module, alias.name)


def _module(name: str) -> ModuleType | None:
    root = name.partition(".")[0]
    if root in OF_PROJECTS:
        return None
    assert find_spec(root) is not None, f"There is no module {name}."
    return import_module(name)


def _get(owner: Any, name: str) -> Any:
    if isinstance(owner, ModuleType) and not hasattr(owner, name):
        return import_module(f"{owner.__name__}.{name}")
    return getattr(owner, name)


def _resolve(node: ast.expr, names: dict[str, Any]) -> Any:
    """Return what a dotted name of an imported module or class is, or None for what only running it would tell."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _resolve(node.value, names)
        if isinstance(owner, (ModuleType, type)):
            return _get(owner, node.attr)
    return None


def _check_call(node: ast.Call, names: dict[str, Any]) -> None:
    function = _resolve(node.func, names)
    if not getattr(function, "__module__", "").startswith("kontract.") or not callable(function):
        return
    if any(isinstance(value, ast.Starred) for value in node.args) or any(word.arg is None for word in node.keywords):
        return
    words = {str(word.arg): None for word in node.keywords}
    inspect.signature(function).bind(*(None for _ in node.args), **words)


def check_settings(value: ast.expr) -> None:
    """Fail where settings are none; what is not written out has any value."""
    try:
        settings = ast.literal_eval(value)
    except ValueError:
        assert isinstance(value, ast.Dict)
        settings = {}
        keys = [ast.literal_eval(key) for key in value.keys if key is not None]
        known = parse({}).__dataclass_fields__
        assert not set(keys) - set(known), f"There are no settings {keys}."
    parse(settings)
