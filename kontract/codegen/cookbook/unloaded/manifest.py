"""The manifest of what the routes name, without importing it."""

import ast
from collections.abc import Iterable, Iterator
from typing import Any, Final

from kontract.codegen.channel import describe_channel
from kontract.codegen.cookbook.source import Function, Module, find_function
from kontract.codegen.cookbook.unloaded.names import Found, find_expression
from kontract.codegen.cookbook.unloaded.types import Reader, read_value
from kontract.codegen.manifest import ErrorEntry, Manifest, ProcedureEntry, UploadEntry
from kontract.codegen.schemas import Schema
from kontract.conf import get_settings
from kontract.perms import show
from kontract.rpc.channel import find_policy
from kontract.rpc.route import Route

_ERROR_STATUS: Final = 400  # of kontract.CallError


def read_manifest(routes: Iterable[Route]) -> Manifest:
    """Describe procedures by their sources.  Raises ``SourceError`` where these cannot be read."""
    reader = Reader()
    entries = tuple(_read(route, reader) for route in sorted(routes, key=lambda route: route.name))
    return Manifest(procedures=entries, definitions=reader.definitions, channel=describe_channel())


def _read(route: Route, reader: Reader) -> ProcedureEntry:
    found = find_function(route.function)
    if found is None:  # made by a program, as its source shows to nobody
        return _make_entry(route, "", [], (), {"type": "object", "properties": {}}, {}, ())
    module, function = found
    parameters = list(_list_parameters(function))
    uploads = tuple(
        upload
        for parameter, default, _ in parameters
        if (upload := _read_upload(module, parameter, default)) is not None
    )
    files = {upload.name for upload in uploads}
    plain = [(p, default) for p, default, _ in parameters if p.arg not in files]
    return _make_entry(
        route,
        ast.get_docstring(function) or "",
        [parameter.arg for parameter, _, is_named in parameters if not is_named],
        uploads,
        _read_arguments(module, plain, reader),
        reader.read(module, function.returns),
        tuple(sorted(_read_errors(module, function, reader), key=lambda error: error.key)),
        is_download=_is_download(module, function),
    )


def _make_entry(
    route: Route,
    doc: str,
    positional: list[str],
    uploads: tuple[UploadEntry, ...],
    arguments: Schema,
    result: Schema,
    errors: tuple[ErrorEntry, ...],
    *,
    is_download: bool = False,
) -> ProcedureEntry:
    policy = find_policy(route)
    return ProcedureEntry(
        name=route.name,
        egroup=route.egroup,
        doc=doc,
        perm=show(route.perm),
        ugroups=None if route.ugroups is None else tuple(sorted(route.ugroups)),
        raystream=policy if get_settings().RAYSTREAM is not None or policy == "required" else None,
        is_read_only=route.is_read_only,
        is_stream=route.is_stream,
        is_download=is_download,
        has_own_status=False,
        has_etag=route.etag,
        uploads=uploads,
        positional=tuple(positional),
        arguments=arguments,
        result={"type": "null"} if is_download else result,
        errors=errors,
    )


def _list_parameters(function: Function) -> Iterator[tuple[ast.arg, ast.expr | None, bool]]:
    """Yield parameters with their defaults, and whether they are keyword-only."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    yield from ((p, d, False) for p, d in zip(positional, [*missing, *arguments.defaults], strict=True))
    yield from ((p, d, True) for p, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))


def _read_arguments(module: Module, parameters: list[tuple[ast.arg, ast.expr | None]], reader: Reader) -> Schema:
    properties: dict[str, Any] = {}
    for parameter, default in parameters:
        own = {} if default is None else reader.read_default(module, default)
        properties[parameter.arg] = {**reader.read(module, parameter.annotation), **own}
    required = [parameter.arg for parameter, default in parameters if default is None]
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _read_upload(module: Module, parameter: ast.arg, default: ast.expr | None) -> UploadEntry | None:
    """Return a parameter that is a file; None for any other."""
    if parameter.annotation is None:
        return None
    parts = [node for node in ast.walk(parameter.annotation) if isinstance(node, ast.Name | ast.Attribute)]
    paths = [found for part in parts if isinstance(found := find_expression(module, part), str)]
    if not any(path.endswith(".UploadedFile") for path in paths):
        return None
    return UploadEntry(name=parameter.arg, required=default is None, many="list" in paths)


def _is_download(module: Module, function: Function) -> bool:
    if function.returns is None:
        return False
    nodes = [node for node in ast.walk(function.returns) if isinstance(node, ast.Name | ast.Attribute)]
    return any(str(find_expression(module, node)).endswith(".Download") for node in nodes)


def _read_errors(module: Module, function: Function, reader: Reader) -> Iterator[ErrorEntry]:
    """Yield the errors that the decorator declares, of those whose class is in a source."""
    for decorator in function.decorator_list:
        for keyword in decorator.keywords if isinstance(decorator, ast.Call) else []:
            if keyword.arg == "errors" and isinstance(keyword.value, ast.List | ast.Tuple | ast.Set):
                for node in keyword.value.elts:
                    found = find_expression(module, node)
                    if isinstance(found, Found) and isinstance(found.node, ast.ClassDef):
                        yield _read_error(found.module, found.node, reader)


def _read_error(module: Module, node: ast.ClassDef, reader: Reader) -> ErrorEntry:
    given = {
        target.id: value
        for statement in node.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name) and (value := read_value(statement.value)) is not None
    }
    return ErrorEntry(
        name=node.name,
        code=str(given.get("code", "")),
        status=int(given.get("http_status", _ERROR_STATUS)),
        doc=" ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split()),
        members=reader.read_fields(module, node),
    )
