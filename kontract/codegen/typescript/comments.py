"""Doc comments, from docstrings and from what a schema says."""

import json
from collections.abc import Iterable
from typing import Any

from kontract.codegen.schemas import Schema


def render_comment(text: str, tags: Iterable[str] = (), indent: str = "") -> str:
    """Return a doc comment with its last newline; "" where there is nothing to say."""
    text = "\n".join([text.strip(), *tags]).strip()
    lines = [line.rstrip().replace("*/", "*\\/") for line in text.splitlines()]
    if not lines:
        return ""
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    body = "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
    return f"{indent}/**\n{body}{indent} */\n"


def comment_on(schema: Schema, indent: str = "") -> str:
    """Return the doc comment of a property or parameter."""
    tags = [f"@default {_write(schema['default'])}"] if schema.get("default") is not None else []
    deprecated = ["@deprecated"] if schema.get("deprecated") else []
    return render_comment(schema.get("description", ""), tags + deprecated, indent)


def _write(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
