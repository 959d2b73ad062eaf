"""Values of JSON as the clients for Python and TypeScript take them."""

import json
from collections.abc import Mapping
from typing import Any, Final

from kontract.codegen.cookbook.describing import find_members
from kontract.codegen.python_names import name_all, write_value
from kontract.codegen.python_types import API
from kontract.codegen.schemas import PREFIX, Schema
from kontract.codegen.typescript.reading import find_conversion
from kontract.codegen.typescript.types import render_name

_PYTHON_FORMATS: Final = {
    "date": "date.fromisoformat({})",
    "date-time": "datetime.fromisoformat({})",
    "decimal": "Decimal({})",
    "time": "time.fromisoformat({})",
    "uuid": "UUID({})",
}
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


class Literals:
    """Writes values by the ``definitions`` that their schemas refer to."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions
        self.classes: dict[str, None] = {}  # those that write_python() has named, in order

    def write_python(self, value: Any, schema: Schema) -> str:
        """Return an expression with the types of ``kontract_compile --python``."""
        schema, name = self._resolve(value, schema)
        if "enum" in schema and name is not None:
            return f"{self._name_class(name)}({write_value(value)})"
        if isinstance(value, dict):
            return self._write_python_dict(value, schema, name)
        if isinstance(value, list):
            return f"[{', '.join(self.write_python(item, own) for item, own in _pair(value, schema))}]"
        if isinstance(value, str) and schema.get("contentEncoding") in ("base64", "base64url"):
            return f"urlsafe_b64decode({write_value(value)})"
        if isinstance(value, str) and schema.get("format") in _PYTHON_FORMATS:
            return _PYTHON_FORMATS[schema["format"]].format(write_value(value))
        return write_value(value)

    def _write_python_dict(self, value: Mapping[str, Any], schema: Schema, name: str | None) -> str:
        written = {key: self.write_python(item, find_property(schema, key)) for key, item in value.items()}
        if name is None or not schema.get("properties"):
            return f"{{{', '.join(f'{write_value(key)}: {text}' for key, text in written.items())}}}"
        names = name_all(written)
        return f"{self._name_class(name)}({', '.join(f'{names[key]}={text}' for key, text in written.items())})"

    def _name_class(self, name: str) -> str:
        found = name_all([name], API)[name]
        self.classes[found] = None
        return found

    def write_typescript(self, value: Any, schema: Schema) -> str:
        """Return an expression with the types of ``kontract_compile --typescript``."""
        schema, _ = self._resolve(value, schema)
        if isinstance(value, dict):
            members = ", ".join(
                f"{render_name(key)}: {self.write_typescript(item, find_property(schema, key))}"
                for key, item in value.items()
            )
            return f"{{ {members} }}" if members else "{}"
        if isinstance(value, list):
            return f"[{', '.join(self.write_typescript(item, own) for item, own in _pair(value, schema))}]"
        text = json.dumps(value, ensure_ascii=False)
        conversion = find_conversion(schema)
        if conversion == "bigint" and isinstance(value, int):
            return f"{value}n"
        if isinstance(value, str) and conversion is not None:
            return f"new Date({text})" if conversion == "date" else f"Uint8Array.fromBase64({text})"
        return text

    def _resolve(self, value: Any, schema: Schema) -> tuple[Schema, str | None]:
        """Return the schema that a value fits, behind references and unions, and the name of the last definition."""
        name = None
        while True:
            if (reference := schema.get("$ref")) is not None:
                name = reference.removeprefix(PREFIX)
                schema = self._definitions[name]
            elif members := find_members(schema):
                schema, name = next((m for m in members if self._fits(value, m)), {}), None
            else:
                return schema, name

    def _fits(self, value: Any, schema: Schema) -> bool:
        """Tell whether a value may be meant by a schema: by its type, and by the constants inside."""
        schema, _ = self._resolve(value, schema)
        if "const" in schema or "enum" in schema:
            return value in ([schema["const"]] if "const" in schema else schema["enum"])
        kind = schema.get("type")
        if kind is None:
            return True
        if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
            return False
        properties = schema.get("properties", {})
        return not isinstance(value, dict) or all(
            value[key] == own["const"] for key, own in properties.items() if key in value and "const" in own
        )


def find_property(schema: Schema, name: str) -> Schema:
    """Return the schema of an object's property."""
    own: Schema | None = schema.get("properties", {}).get(name)
    if own is not None:
        return own
    rest = schema.get("additionalProperties")
    return rest if isinstance(rest, Mapping) else {}


def _pair(values: list[Any], schema: Schema) -> list[tuple[Any, Schema]]:
    head, rest = schema.get("prefixItems", []), schema.get("items", {})
    rest = rest if isinstance(rest, Mapping) else {}
    return [(value, head[n] if n < len(head) else rest) for n, value in enumerate(values)]
