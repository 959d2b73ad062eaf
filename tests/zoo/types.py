"""The types of the zoo."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Generic, Literal, NotRequired, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from kontract import CallError

T = TypeVar("T")


class Colour(Enum):
    """What an animal looks like."""

    RED = "red"
    DARK_GREEN = "dark green"


class Legs(IntEnum):
    """How many legs an animal has."""

    NONE = 0
    TWO = 2
    FOUR = 4


@dataclass
class Cat:
    """A cat.  It says */ and \"\"\" and \\N."""

    name: str
    kind: Literal["cat"] = "cat"
    lives: int = 9


@dataclass
class Dog:
    """A dog."""

    name: str
    kind: Literal["dog"] = "dog"
    friends: "list[Cat | Dog]" = field(default_factory=list)


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


class Node(BaseModel):
    """A tree."""

    value: int
    children: list["Node"] = []


class Page(BaseModel, Generic[T]):
    """A part of a long list."""

    items: list[T]
    total: int


class Keeper(TypedDict):
    """Who feeds the animals."""

    name: Annotated[str, Field(min_length=1, max_length=50, description="As on the badge.")]
    born: date
    nickname: NotRequired[str]


# Keys that are words of Python or TypeScript, or no identifiers at all.
Words = TypedDict(
    "Words",
    {"class": str, "from": int, "function": bool, "a-b": str, "list": list[str], "model_dump": NotRequired[str]},
)


class Aliased(BaseModel):
    """A model whose JSON has other names."""

    model_config = ConfigDict(populate_by_name=True)

    first_name: str = Field(alias="firstName")


@dataclass
class Everything:
    """One value of each type."""

    flag: bool
    count: int
    big: int
    ratio: float
    text: str
    raw: bytes
    day: date
    moment: datetime
    clock: time
    span: timedelta
    price: Decimal
    uuid: UUID
    colour: Colour
    legs: Legs
    choice: Literal["a", 1, None]
    maybe: str | None
    union: int | str | list[int]
    numbers: list[int]
    pair: tuple[int, str]
    row: tuple[date, ...]
    unique: set[int]
    by_name: dict[str, Decimal]
    anything: Any
    pet: Pet
    keeper: Keeper
    tree: Node
    page: Page[Cat]


@dataclass(eq=False)
class CageOccupied(CallError):
    """There is an animal in this cage already."""

    code = "cage_occupied"
    http_status = 409
    cage: int
    by: Cat | Dog
    since: datetime


class ZooClosed(CallError):
    """The zoo is closed."""

    code = "zoo_closed"
    http_status = 503
