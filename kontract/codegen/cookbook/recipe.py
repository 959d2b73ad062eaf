"""What the cookbook has of each procedure."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from kontract.codegen.cookbook.source import find_function
from kontract.codegen.manifest import Manifest, ProcedureEntry
from kontract.codegen.schemas import Schema, find_reachable, find_references
from kontract.rpc.route import Route

_JSON_BLOCK: Final = re.compile(r"^```json[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_DOCTEST: Final = re.compile(r"(?:^>>> .*\n?(?:^(?!>>>|\s*$).*\n?)*)+", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)  # without slots, which leave no room for what is worked out once
class Recipe:
    """One procedure.  ``notes`` is its doc comment, ``definitions`` are the types that it uses."""

    entry: ProcedureEntry
    notes: str
    definitions: Mapping[str, Schema]

    @cached_property
    def summary(self) -> str:
        """The first paragraph of what is written, in one line; "" where nothing is."""
        return " ".join(self.text.partition("\n\n")[0].split())

    @cached_property
    def text(self) -> str:
        """All that is written of it, as Markdown: the docstring, then the doc comment."""
        return mark_examples("\n\n".join(part for part in (self.entry.doc.strip(), self.notes.strip()) if part))

    @cached_property
    def details(self) -> str:
        """What is written after the first paragraph."""
        return self.text.partition("\n\n")[2]

    @cached_property
    def example(self) -> dict[str, Any] | None:
        """The arguments that a block of JSON in the text gives; None where none does."""
        return find_example(self.text, self.entry)


def gather(manifest: Manifest, routes: Iterable[Route]) -> list[Recipe]:
    """Return the recipes of a manifest, by name; what is missing in ``routes`` is left out."""
    by_name = {route.name: route for route in routes}
    reach = {name: find_reachable([schema], manifest.definitions) for name, schema in manifest.definitions.items()}
    return [
        _make_recipe(entry, by_name[entry.name], manifest.definitions, reach)
        for entry in manifest.procedures
        if entry.name in by_name
    ]


def _make_recipe(
    entry: ProcedureEntry, route: Route, definitions: Mapping[str, Schema], reach: Mapping[str, set[str]]
) -> Recipe:
    named = {n for schema in (entry.arguments, entry.result) for n in find_references(schema)}
    named |= {n for error in entry.errors for n in find_references(error.members)}
    used = named.union(*(reach[name] for name in named))
    return Recipe(entry=entry, notes=find_notes(route), definitions={name: definitions[name] for name in sorted(used)})


def find_notes(route: Route) -> str:
    """Return the doc comment above a procedure's function; "" where it has none, or its source is not there."""
    found = find_function(route.function)
    return "" if found is None else found[0].find_comment(found[1])


def mark_examples(text: str) -> str:
    """Return Markdown in which sessions of the Python prompt are blocks of code."""
    parts = re.split(r"(^```.*?^```)", text, flags=re.DOTALL | re.MULTILINE)
    parts[::2] = [_DOCTEST.sub(lambda found: f"```python\n{found[0].rstrip()}\n```\n", part) for part in parts[::2]]
    return "".join(parts).strip()


def find_example(text: str, entry: ProcedureEntry) -> dict[str, Any] | None:
    """Return the first block of JSON that is arguments of the procedure: an object of some of its parameters.

    It may be wrapped as it is sent, in ``{"kwargs": ...}``.
    """
    for block in _JSON_BLOCK.findall(text):
        try:
            value = json.loads(block)
        except ValueError:  # a part of something, or JSON with comments
            continue
        if isinstance(value, dict) and value.keys() == {"kwargs"}:
            value = value["kwargs"]
        if isinstance(value, dict) and value and value.keys() <= entry.arguments["properties"].keys():
            return {name: value[name] for name in entry.arguments["properties"] if name in value}
    return None
