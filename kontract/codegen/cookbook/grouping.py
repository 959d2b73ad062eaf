"""Procedures in the groups that pages show them in."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from kontract.codegen.manifest import ProcedureEntry


class Grouped(Protocol):
    """What is of a procedure."""

    @property
    def entry(self) -> ProcedureEntry:
        """The procedure."""
        ...


G = TypeVar("G", bound=Grouped)


def group(recipes: Iterable[G]) -> dict[str, list[G]]:
    """Return recipes by endpoint group, both sorted by name."""
    found: dict[str, list[G]] = {}
    for recipe in sorted(recipes, key=lambda recipe: (recipe.entry.egroup, recipe.entry.name)):
        found.setdefault(recipe.entry.egroup, []).append(recipe)
    return found
