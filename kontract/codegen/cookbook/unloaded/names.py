"""What a name in a source file stands for."""

import ast
import builtins
from collections.abc import Iterator
from typing import NamedTuple

from kontract.codegen.cookbook.source import Module, SourceError, read_module


class Found(NamedTuple):
    """A class, or a value that a name is given, in the module that says so."""

    module: Module
    node: ast.ClassDef | ast.expr


def find_name(module: Module, name: str, seen: frozenset[tuple[str, str]] = frozenset()) -> Found | str:
    """Return what ``name`` is in a module, followed through imports; a dotted path where that leads out of the sources.

    ``"datetime.date"`` for what is imported from there, ``"str"`` for a name that nothing defines.
    """
    found: Found | str | None = None
    for statement in _list_statements(module.tree):
        found = _look(module, statement, name, seen) or found
    if found is not None:
        return found
    return name if hasattr(builtins, name) else f"{module.name}.{name}"


def _list_statements(node: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements of a module that run when it is imported, also those under a condition."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
            if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield from _list_statements(child)


def _look(module: Module, statement: ast.stmt, name: str, seen: frozenset[tuple[str, str]]) -> Found | str | None:
    """Return what a statement makes of a name; None where it does nothing with it."""
    if isinstance(statement, ast.ClassDef) and statement.name == name:
        return Found(module, statement)
    if isinstance(statement, ast.Assign) and any(_is_name(target, name) for target in statement.targets):
        return Found(module, statement.value)
    if isinstance(statement, ast.AnnAssign) and statement.value is not None and _is_name(statement.target, name):
        return Found(module, statement.value)
    if isinstance(statement, ast.ImportFrom):
        return _look_into(module, statement, name, seen)
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            if (alias.asname or alias.name.partition(".")[0]) == name:
                return alias.name if alias.asname else name
    return None


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _look_into(
    module: Module, statement: ast.ImportFrom, name: str, seen: frozenset[tuple[str, str]]
) -> Found | str | None:
    for alias in statement.names:
        if (alias.asname or alias.name) == name:
            base = _find_base(module, statement)
            path = f"{base}.{alias.name}"
            if (base, alias.name) in seen or path in KNOWN or (other := read_quietly(base)) is None:
                return path
            return find_name(other, alias.name, seen | {(base, alias.name)})
    return None


def _find_base(module: Module, statement: ast.ImportFrom) -> str:
    """Return the module that an import is from; a relative one starts at the package that the module is in."""
    if not statement.level:
        return statement.module or ""
    above = module.name.split(".")[: -statement.level]
    return ".".join([*above, statement.module] if statement.module else above)


def read_quietly(name: str) -> Module | None:
    """Return the source of a module; None where it cannot be read, and so tells nothing."""
    try:
        return read_module(name)
    except SourceError:
        return None


def find_expression(module: Module, node: ast.expr) -> Found | str:
    """Return what ``a`` or ``a.b.c`` stands for."""
    if isinstance(node, ast.Name):
        found = find_name(module, node.id)
        if isinstance(found, Found) and isinstance(found.node, ast.Name | ast.Attribute):
            return find_expression(found.module, found.node)
        return found
    if isinstance(node, ast.Attribute):
        inside = find_expression(module, node.value)
        if isinstance(inside, Found):
            return f"{inside.module.name}.{ast.unparse(node)}"
        path = f"{inside}.{node.attr}"
        return path if path in KNOWN or (other := read_quietly(inside)) is None else find_name(other, node.attr)
    return ast.unparse(node)


# What is known by its path, and not read further.
KNOWN: frozenset[str] = frozenset(
    [
        *(f"{package}.{name}" for package in ("typing", "typing_extensions", "collections.abc") for name in
          ("Annotated", "Any", "AsyncGenerator", "AsyncIterable", "AsyncIterator", "Generator", "Iterable", "Iterator",
           "List", "Dict", "Literal", "Mapping", "MutableMapping", "NotRequired", "Optional", "ReadOnly", "Required",
           "Sequence", "Set", "TypedDict", "Union")),
        *("dataclasses.dataclass", "dataclasses.field", "datetime.date", "datetime.datetime", "datetime.time"),
        *("datetime.timedelta", "decimal.Decimal", "enum.Enum", "enum.IntEnum", "enum.StrEnum", "uuid.UUID"),
        *("pydantic.AwareDatetime", "pydantic.BaseModel", "pydantic.EmailStr", "pydantic.Field"),
        *("pydantic.NaiveDatetime", "kontract.CallError", "kontract.Download", "kontract.HttpResp"),
        *("kontract.rpc.results.HttpResp", "kontract.rpc.results.Download", "kontract.exceptions.CallError"),
        *("django.core.files.uploadedfile.UploadedFile", "django.core.files.UploadedFile"),
    ]
)  # fmt: skip
