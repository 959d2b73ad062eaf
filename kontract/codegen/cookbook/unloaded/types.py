"""JSON Schemas of annotations that nobody has evaluated."""

import ast
import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.db.models import Model
from pydantic import TypeAdapter

from kontract.codegen.cookbook.source import Module
from kontract.codegen.cookbook.unloaded.names import Found, find_expression
from kontract.codegen.schemas import PREFIX, Schema, build_schemas

_TEXT: Final = {"type": "string"}
_SCALARS: Final[Mapping[str, Schema]] = {
    "str": _TEXT,
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "bytes": {**_TEXT, "contentEncoding": "base64url"},
    "object": {},
    "Any": {},
    "date": {**_TEXT, "format": "date"},
    "datetime": {**_TEXT, "format": "date-time"},
    "AwareDatetime": {**_TEXT, "format": "date-time"},
    "NaiveDatetime": {**_TEXT, "format": "date-time"},
    "time": {**_TEXT, "format": "time"},
    "timedelta": {**_TEXT, "format": "duration"},
    "Decimal": {**_TEXT, "format": "decimal"},
    "UUID": {**_TEXT, "format": "uuid"},
    "EmailStr": {**_TEXT, "format": "email"},
    "dict": {"type": "object", "additionalProperties": True},
    "list": {"type": "array", "items": {}},
}
_LISTS: Final = {"list", "List", "Sequence", "Iterable", "tuple", "set", "frozenset", "Set"}
_MAPS: Final = {"dict", "Dict", "Mapping", "MutableMapping"}
_ITERATORS: Final = {"Iterator", "AsyncIterator", "Generator", "AsyncGenerator", "Iterable", "AsyncIterable"}
_WRAPPERS: Final = {"NotRequired", "Required", "ReadOnly", "HttpResp", "Final", "ClassVar"}
_LIMITS: Final = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_SAME: Final = {"pattern": "pattern", "description": "description", "multiple_of": "multipleOf"}
_ALIASES: Final = ("alias", "validation_alias", "serialization_alias")
_NULL: Final = {"type": "null"}


class Reader:
    """Reads annotations; ``definitions`` are those that it has met."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}
        self._names: dict[tuple[str, str], str] = {}

    def read(self, module: Module, node: ast.expr | None) -> Schema:
        """Return the schema of an annotation; one that says a name alone where the source does not tell more."""
        if node is None:
            return {}
        if isinstance(node, ast.Constant):
            return self._read_constant(module, node)
        if isinstance(node, ast.BinOp):
            return _unite([self.read(module, node.left), self.read(module, node.right)])
        if isinstance(node, ast.Subscript):
            return self._read_subscript(module, node)
        found = find_expression(module, node)
        if isinstance(found, str):
            last = found.rpartition(".")[2]
            return dict(_SCALARS[last]) if last in _SCALARS else _name(last)
        if isinstance(found.node, ast.ClassDef):
            return self._read_class(found.module, found.node)
        return self.read(found.module, found.node)

    def _read_constant(self, module: Module, node: ast.Constant) -> Schema:
        if node.value is None:
            return _NULL
        return self.read(module, ast.parse(node.value, mode="eval").body) if isinstance(node.value, str) else {}

    def _read_subscript(self, module: Module, node: ast.Subscript) -> Schema:
        found = find_expression(module, node.value)
        last = found.rpartition(".")[2] if isinstance(found, str) else ""
        arguments = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if last == "Annotated":
            return {**self.read(module, arguments[0]), **self._read_limits(module, arguments)}
        if last == "Literal":
            values = [value.value for value in arguments if isinstance(value, ast.Constant)]
            return {"const": values[0]} if len(values) == 1 else {"enum": values}
        if last in ("Optional", "Union"):
            return _unite([*(self.read(module, one) for one in arguments), *([_NULL] if last == "Optional" else [])])
        if last == "tuple" and not (len(arguments) == 2 and _is_ellipsis(arguments[1])):
            items = [self.read(module, one) for one in arguments]
            return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
        if last in _LISTS:
            unique = {"uniqueItems": True} if last in ("set", "frozenset", "Set") else {}
            return {"type": "array", "items": self.read(module, arguments[0]), **unique}
        if last in _MAPS:
            keys = self.read(module, arguments[0])
            named = {} if keys == _TEXT else {"propertyNames": keys}
            return {"type": "object", **named, "additionalProperties": self.read(module, arguments[-1]) or True}
        if last in _ITERATORS | _WRAPPERS:
            return self.read(module, arguments[0])
        return _name(ast.unparse(node))

    def _read_limits(self, module: Module, arguments: list[ast.expr]) -> dict[str, Any]:
        """Return what ``Field(...)`` in an ``Annotated`` says."""
        base = self.read(module, arguments[0])
        noun = {"array": "Items", "object": "Properties"}.get(base.get("type", ""), "Length")
        keys = {**_LIMITS, **_SAME, "min_length": f"min{noun}", "max_length": f"max{noun}"}
        found: dict[str, Any] = {}
        for call in (one for one in arguments[1:] if isinstance(one, ast.Call)):
            for keyword in call.keywords:
                if keyword.arg in keys and (value := read_value(keyword.value)) is not None:
                    found[keys[keyword.arg]] = value
        return found

    def _read_class(self, module: Module, node: ast.ClassDef) -> Schema:
        kinds = {path.rpartition(".")[2] for path in _list_bases(module, node)}
        model = find_model(module.name, node.name)
        if model is None and not kinds & {"Enum", "IntEnum", "StrEnum", "TypedDict", "BaseModel", "dataclass"}:
            return _name(node.name)
        key = (module.name, node.name)
        if key not in self._names:
            taken = node.name in self._names.values()
            self._names[key] = f"{module.name.title().replace('.', '')}{node.name}" if taken else node.name
            self.definitions[self._names[key]] = {}  # for a class that contains its like
            described = self._describe(module, node, kinds) if model is None else self._describe_model(model)
            self.definitions[self._names[key]] = described
        return {"$ref": f"{PREFIX}{self._names[key]}"}

    def _describe_model(self, model: type[Model]) -> Schema:
        key = (model.__module__, model.__qualname__)
        found = build_schemas([(key, "validation", TypeAdapter(model))])
        self.definitions.update(found.definitions)
        return found.schemas[key]

    def _describe(self, module: Module, node: ast.ClassDef, kinds: set[str]) -> Schema:
        doc = ast.get_docstring(node)
        description = {"description": doc} if doc else {}
        if kinds & {"Enum", "IntEnum", "StrEnum"}:
            members = dict(_list_members(node))
            return {**description, "enum": list(members.values()), "x-enum-varnames": list(members)}
        return {**description, **self.read_fields(module, node, total=_is_total(node))}

    def read_fields(self, module: Module, node: ast.ClassDef, *, total: bool = True) -> dict[str, Any]:
        """Return the object schema of a class's fields, and of those of its bases."""
        properties: dict[str, Schema] = {}
        required: list[str] = []
        for base in node.bases:
            found = find_expression(module, base)
            if isinstance(found, Found) and isinstance(found.node, ast.ClassDef):
                inherited = self.read_fields(found.module, found.node, total=_is_total(found.node))
                properties |= inherited["properties"]
                required += inherited.get("required", [])
        for own, field in _list_fields(node):
            default = {} if field.value is None else self.read_default(module, field.value)
            name, is_optional = own, field.value is not None or _says(field.annotation, "NotRequired")
            if isinstance(field.value, ast.Call) and _is_pydantic_field(module, field.value):
                given = {keyword.arg: keyword.value for keyword in field.value.keywords}
                name = next((str(read_value(given[key])) for key in _ALIASES if key in given), own)
                default = self.read_default(module, given["default"]) if "default" in given else {}
                default |= self._read_limits(module, [field.annotation, field.value])
                is_optional = bool(field.value.args or given.keys() & {"default", "default_factory"})
            properties[name] = {**self.read(module, field.annotation), **default}
            required += [name] if (total or _says(field.annotation, "Required")) and not is_optional else []
        return {"type": "object", "properties": properties, **({"required": required} if required else {})}

    def read_default(self, module: Module, node: ast.expr) -> dict[str, Any]:
        """Return a default as a part of a schema; nothing where the source does not tell it."""
        if isinstance(node, ast.Constant) and node.value is None:
            return {"default": None}
        if (value := read_value(node)) is not None:
            return {"default": value}
        if isinstance(node, ast.Attribute):  # a member of an enumeration
            found = find_expression(module, node.value)
            if isinstance(found, Found) and isinstance(found.node, ast.ClassDef):
                members = dict(_list_members(found.node))
                return {"default": members[node.attr]} if node.attr in members else {}
        return {}


def find_model(module: str, name: str) -> type[Model] | None:
    """Return the model of this name, which Django has imported, if a call can carry it."""
    found = getattr(sys.modules.get(module), name, None)
    is_model = isinstance(found, type) and issubclass(found, Model) and hasattr(found, "__get_pydantic_core_schema__")
    return found if is_model else None


def _is_pydantic_field(module: Module, call: ast.Call) -> bool:
    return find_expression(module, call.func) == "pydantic.Field"


def _name(name: str) -> Schema:
    """Return the schema of anything, which is called by a name."""
    return {"x-kontract-type": name}


def _unite(schemas: list[Schema]) -> Schema:
    return {"anyOf": [member for schema in schemas for member in schema.get("anyOf", [schema])]}


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _is_total(node: ast.ClassDef) -> bool:
    return not any(k.arg == "total" and isinstance(k.value, ast.Constant) and not k.value.value for k in node.keywords)


def _says(node: ast.expr, word: str) -> bool:
    """Tell whether an annotation is wrapped in ``word[...]``."""
    return isinstance(node, ast.Subscript) and ast.unparse(node.value).rpartition(".")[2] == word


def _list_fields(node: ast.ClassDef) -> Iterator[tuple[str, ast.AnnAssign]]:
    """Yield the annotated attributes of a class by name, but those that are the class's own."""
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
            if not name.startswith("_") and not _says(statement.annotation, "ClassVar"):
                yield name, statement


def _list_members(node: ast.ClassDef) -> Iterator[tuple[str, Any]]:
    """Yield the members of an enumeration whose values are written out."""
    for statement in node.body:
        if isinstance(statement, ast.Assign) and isinstance(target := statement.targets[0], ast.Name):
            value = read_value(statement.value)
            if value is not None:
                yield target.id, value


def _list_bases(module: Module, node: ast.ClassDef) -> Iterator[str]:
    """Yield the paths of what a class is made of: bases, those of its bases, and decorators."""
    for decorator in node.decorator_list:
        found = find_expression(module, decorator.func if isinstance(decorator, ast.Call) else decorator)
        yield found if isinstance(found, str) else ""
    for base in node.bases:
        found = find_expression(module, base.value if isinstance(base, ast.Subscript) else base)
        if isinstance(found, str):
            yield found
        elif isinstance(found.node, ast.ClassDef):
            yield from _list_bases(found.module, found.node)


def read_value(node: ast.expr) -> Any:
    """Return a value of JSON that is written out, sums and powers of numbers included; None for anything else."""
    with contextlib.suppress(ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        value = ast.literal_eval(node)
        if isinstance(value, tuple):
            return list(value)
        return value if isinstance(value, str | int | float | bool | list | dict) else None
    if isinstance(node, ast.BinOp | ast.UnaryOp):
        return _calculate(node)
    return None


def _calculate(node: ast.expr) -> int | None:
    """Return the value of ``-(2**63) - 1`` and its like."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, int) else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _calculate(node.operand)
        return None if value is None else -value
    if isinstance(node, ast.BinOp):
        left, right = _calculate(node.left), _calculate(node.right)
        if left is not None and right is not None and abs(right) < 1000:
            if isinstance(node.op, ast.Pow) and right >= 0:
                return int(left**right)
            return {ast.Add: left + right, ast.Sub: left - right, ast.Mult: left * right}.get(type(node.op))
    return None
