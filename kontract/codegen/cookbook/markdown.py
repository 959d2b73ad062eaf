"""Pages as Markdown, such as VitePress builds (https://vitepress.dev/guide/markdown)."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Final

from kontract.codegen.cookbook.describing import Field, describe, is_object, list_fields, write_type
from kontract.codegen.cookbook.facts import list_facts, list_files
from kontract.codegen.cookbook.grouping import group
from kontract.codegen.cookbook.recipe import Recipe
from kontract.codegen.cookbook.samples import Sampler
from kontract.codegen.cookbook.snippets import write_snippets
from kontract.codegen.manifest import ErrorEntry
from kontract.codegen.schemas import Schema

GENERATOR: Final = "kontract_docs"
FOLDER: Final = "procedures"

_FENCES: Final = re.compile(r"(^ {0,3}(`{3,}|~{3,})[^\n]*\n.*?(?:^ {0,3}\2[`~]*[ \t]*$|\Z))", re.DOTALL | re.MULTILINE)
_CODE: Final = re.compile(r"((?<!`)(`+)(?!`).+?(?<!`)\2(?!`))", re.DOTALL)
_LINK: Final = re.compile(r"<((?:https?://|mailto:)[^\s<>]+)>")


def write_index(title: str, recipes: Sequence[Recipe]) -> str:
    """Return the page that lists all procedures by endpoint group."""
    parts = [_write_head(title=title), f"# {escape(title)}\n"]
    for egroup, members in group(recipes).items():
        rows = [[f"[`{r.entry.name}`]({FOLDER}/{r.entry.name}.md)", _cell(escape(r.summary))] for r in members]
        parts += [f"## {escape(egroup)}\n", _write_table(["Procedure", ""], rows)]
    return "\n".join(parts)


def write_page(recipe: Recipe, url: str) -> str:
    """Return the page of a procedure; ``url`` is where kontract's URLs are mounted."""
    entry = recipe.entry
    parts = [
        _write_head(title=entry.name, description=recipe.summary),
        f"# `{entry.name}`\n",
        *([f"{escape(recipe.text)}\n"] if recipe.text else []),
        _write_table(["", ""], [[_cell(fact.title), _cell(fact.markdown)] for fact in list_facts(recipe)]),
        *_write_parameters(recipe),
        *_write_result(recipe),
        *_write_errors(entry.errors),
        *_write_types(recipe),
        *_write_examples(recipe, url),
    ]
    return "\n".join(parts)


def _write_head(**values: str) -> str:
    """Return the front matter; JSON is YAML, too."""
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items() if value]
    return "\n".join(["---", *lines, f"generator: {GENERATOR}", "outline: [2, 3]", "---", ""])


def _write_parameters(recipe: Recipe) -> list[str]:
    fields = [*list_fields(recipe.entry.arguments), *list_files(recipe.entry)]
    return ["## Parameters\n", _write_fields(fields)] if fields else []


def _write_result(recipe: Recipe) -> list[str]:
    entry = recipe.entry
    if entry.is_download:
        return ["## Result\n", "A file.\n"]
    text = f"{'A stream of ' if entry.is_stream else ''}{_code(write_type(describe(entry.result)))}"
    sample = Sampler(recipe.definitions, full=True).sample(entry.result)
    whole = {"item": sample} if entry.is_stream else {"result": sample}
    return ["## Result\n", f"{text}\n", _fence("json", json.dumps(whole, ensure_ascii=False, indent=2))]


def _write_errors(errors: Sequence[ErrorEntry]) -> list[str]:
    if not errors:
        return []
    rows = [
        [str(e.status), f"`{e.code}`", _cell(escape(e.doc)), _cell(_list_members(e.members)) or "-"] for e in errors
    ]
    return ["## Errors\n", _write_table(["Status", "Code", "", "Members"], rows)]


def _list_members(members: Schema) -> str:
    return ", ".join(f"`{field.name}`: {_code(write_type(field.type))}" for field in list_fields(members))


def _write_types(recipe: Recipe) -> list[str]:
    parts = [part for name, schema in recipe.definitions.items() for part in _write_definition(name, schema)]
    return ["## Types\n", *parts] if parts else []


def _write_definition(name: str, schema: Schema) -> list[str]:
    doc = schema.get("description", "")
    head = [f"### `{name}`\n", *([f"{escape(doc)}\n"] if doc else [])]
    body = _write_fields(list_fields(schema)) if is_object(schema) else f"{_code(write_type(describe(schema)))}\n"
    return [*head, body]


def _write_fields(fields: Iterable[Field]) -> str:
    rows = [
        [
            f"`{field.name}`",
            _cell(_code(write_type(field.type))),
            "required" if field.required else "" if field.default is None else _cell(_code(field.default)),
            _cell(" ".join(part for part in (escape(field.doc), _list_limits(field)) if part)),
        ]
        for field in fields
    ]
    return _write_table(["Name", "Type", "Default", ""], rows)


def _list_limits(field: Field) -> str:
    return "; ".join(
        f"matches {_code(limit.removeprefix('matches '))}" if limit.startswith("matches ") else escape(limit)
        for limit in field.limits
    )


def _write_examples(recipe: Recipe, url: str) -> list[str]:
    blocks = [
        f"```{snippet.language} [{snippet.title}]\n{snippet.text}\n```" for snippet in write_snippets(recipe, url)
    ]
    return ["## Examples\n", "\n".join(["::: code-group", *blocks, ":::", ""])]


def _fence(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```\n"


def _write_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _code(text: str) -> str:
    """Return text as code, whatever is in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def _cell(text: str) -> str:
    """Return Markdown in one line that ends no cell of a table."""
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


def escape(text: str) -> str:
    """Return Markdown in which nothing is HTML or a template of Vue, for both of which VitePress looks outside code."""
    parts = _FENCES.split(text)  # text, fence, its sign, text, ...
    return "".join(_escape_text(part) if n % 3 == 0 else part for n, part in enumerate(parts) if n % 3 != 2)


def _escape_text(text: str) -> str:
    parts = _CODE.split(text)
    return "".join(_escape_plain(part) if n % 3 == 0 else part for n, part in enumerate(parts) if n % 3 != 2)


def _escape_plain(text: str) -> str:
    text = _LINK.sub(r"[\1](\1)", text)
    return text.replace("<", "&lt;").replace("{{", "&#123;&#123;")
