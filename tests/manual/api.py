"""The page about the Python API, made of signatures and docstrings."""

import inspect
import re
from collections.abc import Callable, Iterator
from inspect import Parameter
from typing import Any

import kontract
import kontract.orm
from kontract.orm.past import ObjectVersion
from kontract.tables.proxy import TableProxy
from kontract.tables.query import TableQuery

HEAD = """\
# Python API

What projects import, with what its docstrings say; all else is internal and may change. Types are in the code, which is
typed strictly. What touches the database has a twin for `await`, whose name begins with `a`: `aget`, `aset`, `aundo`.
"""
CLASSES = [
    ("A logical table: `env.storage.NAME`", TableProxy),
    ("A query: `env.storage.NAME.query()`", TableQuery),
    ("What is read: `kontract.Document`", kontract.Document),
    ("A version of a document: `kontract.Version`", kontract.Version),
    ("A version of an object: `instance.history`", ObjectVersion),
    ("`kontract.orm.VersionedModel`", kontract.orm.VersionedModel),
    ("`kontract.orm.VersionedQuerySet`", kontract.orm.VersionedQuerySet),
]
# What Django calls, and nobody else.
OF_DJANGO = frozenset(("Meta", "as_manager", "from_db", "objects", "query", "save_base"))
STARS: dict[Any, str] = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}
MODULES = ["kontract.tables", "kontract.embedded", "kontract.testing", "kontract.client"]


def render() -> str:
    """Return the whole page."""
    public = (name for name in kontract.__all__ if not name.startswith("_"))
    parts = [HEAD, "\n## `kontract`\n", *_members(kontract, public)]
    for title, cls in CLASSES:
        parts += [f"\n## {title}\n\n{_text(cls)}", *_members(cls, sorted(_own(cls)))]
    for name in MODULES:
        module = __import__(name, fromlist=["_"])
        exported = getattr(module, "__all__", None) or [
            key for key, value in vars(module).items() if _is_of(value, module)
        ]
        parts += [f"\n## `{name}`\n\n{_text(module)}", *_members(module, sorted(exported))]
    return "".join(parts)


def _is_of(value: Any, module: Any) -> bool:
    name = getattr(value, "__name__", "_")
    return callable(value) and not name.startswith("_") and value.__module__.startswith(module.__name__)


def _own(cls: type) -> Iterator[str]:
    """Yield the public names that a class adds to those that other packages gave it."""
    for base in cls.__mro__:
        if base.__module__.startswith("kontract."):
            yield from (name for name in vars(base) if not name.startswith("_") and name not in OF_DJANGO)


def _members(owner: Any, names: Any) -> Iterator[str]:
    seen = list(dict.fromkeys(names))
    for name in seen:
        if name.startswith("a") and name[1:] in seen:
            continue  # the twin for await
        value = inspect.getattr_static(owner, name) if isinstance(owner, type) else getattr(owner, name)
        if text := _text(value):
            yield f"\n### `{name}{_signature(value)}`\n\n{text}"


def _signature(value: Any) -> str:
    """Return the parameters without their types, whose texts differ between versions of Python."""
    function = getattr(value, "__func__", value)
    if not inspect.isfunction(function):
        return ""
    return f"({', '.join(_parameters(function))})"


def _parameters(function: Callable[..., Any]) -> Iterator[str]:
    is_apart = False
    for parameter in list(inspect.signature(function).parameters.values()):
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is Parameter.KEYWORD_ONLY and not is_apart:
            is_apart = True
            yield "*"
        is_apart |= parameter.kind is Parameter.VAR_POSITIONAL
        yield STARS.get(parameter.kind, "") + parameter.name + _default(parameter.default)


def _default(value: Any) -> str:
    if value is Parameter.empty:
        return ""
    is_plain = value is None or isinstance(value, (bool, int, float, str, tuple))
    return f"={value!r}" if is_plain else "=..."


def _text(value: Any) -> str:
    """Return a docstring as Markdown, without its examples, which the guides have."""
    text = inspect.getdoc(value) if not isinstance(value, (str, int, tuple)) else None
    if not text or text.startswith(f"{getattr(value, '__name__', '')}("):  # what a dataclass makes up
        return ""
    kept = (part for part in text.split("\n\n") if not part.startswith("    "))
    plain = re.sub(r"::$", ".", "\n\n".join(kept), flags=re.MULTILINE)
    return plain.replace("``", "`").replace("<", "&lt;") + "\n"
