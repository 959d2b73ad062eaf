"""A kitchen: what people do with the form, and what is written of it in every way there is."""

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from kontract import CallError, backend, ctx, env, perms


class Heat(Enum):
    """How hot it is."""

    MILD = "mild"
    HOT = "hot"


class Ingredient(TypedDict):
    """What goes in, and how much of it."""

    name: Annotated[str, Field(min_length=1, description="As the shop calls it.")]
    grams: Annotated[int, Field(gt=0)]


class Dish(TypedDict):
    """Something to eat."""

    name: str
    heat: str
    ingredients: list[Ingredient]
    notes: dict[str, str]
    best_before: str | None


@dataclass(eq=False)
class NoSuchDish(CallError):
    """Nobody has cooked this."""

    code = "no_such_dish"
    http_status = 404
    asked: str


#: ## Example
#:
#: ```json
#: {"id": "soup", "name": "Soup", "heat": "hot", "ingredients": [{"name": "leek", "grams": 200}]}
#: ```
#:
#: What `{{ braces }}` and <angle brackets> say here is text, and so is {{ this }}.
@backend(egroup="kitchen", perm=perms.RW_)
def kitchen_cook(
    id: Annotated[str, Field(pattern=r"^[a-z]{2,20}$", description="A short name.")],
    name: Annotated[str, Field(min_length=2, max_length=100)],
    ingredients: list[Ingredient],
    heat: Heat = Heat.MILD,
    notes: dict[str, str] | None = None,
    best_before: date | None = None,
) -> Dish:
    """Cook a dish.

    It **replaces** the one with the same `id`:

    - its *ingredients*,
    - its notes.
    """
    dish: Dish = {
        "name": name,
        "heat": heat.value,
        "ingredients": ingredients,
        "notes": notes or {},
        "best_before": None if best_before is None else best_before.isoformat(),
    }
    env.storage.kitchen_dishes.set(id, dict(dish))
    return dish


# /// Look at a dish, now or as it was.
# ///
# /// >>> client.kitchen_look("soup").name
# /// 'Soup'
@backend(egroup="kitchen", perm=perms.R__, errors=[NoSuchDish])
def kitchen_look(id: str) -> Dish:
    found: Dish | None = env.storage.kitchen_dishes.get(id)
    if found is None:
        raise NoSuchDish(asked=id)
    return found


@backend(egroup="kitchen", perm=perms.R__, etag=False)
def kitchen_guest() -> dict[str, str | bool]:
    """Tell who calls."""
    return {"owner": ctx.owner, "is_anonymous": ctx.is_anonymous}


@backend(egroup="kitchen", perm=perms.R__)
def kitchen_sum(numbers: list[Annotated[int, Field(ge=-(2**63), lt=2**63)]]) -> int:
    """Add numbers, which may be larger than those of JavaScript."""
    return sum(numbers)
