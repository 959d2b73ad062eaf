"""Procedures for the tests of calls."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import OperationalError, connection
from django.http import Http404
from pydantic import Field
from typing_extensions import TypedDict

from kontract import backend, ctx, env
from tests.app import live as live
from tests.app import road as road
from tests.calls import SECRET


class Colour(Enum):
    """A colour."""

    RED = "red"


@dataclass
class Line:
    """A line of an order."""

    article: str
    count: Annotated[int, Field(gt=0)]
    price: Decimal


class User(TypedDict):
    """What clients see of a user."""

    name: str


@backend
def echo(value: Any) -> Any:
    """Return the value.

    Whatever it is.
    """
    return value


@backend
async def echo_async(value: Any) -> Any:
    """Return the value, a little later."""
    await asyncio.sleep(0)
    return value


@backend
def describe_values(
    flag: bool, day: date, uuid: UUID, price: Decimal, raw: bytes, colour: Colour, lines: list[Line]
) -> list[str]:
    """Return what arrived, as Python shows it."""
    return [repr(value) for value in (flag, day, uuid, price, raw, colour, lines)]


@backend
def divide(dividend: int, /, divisor: int = 2, *, digits: int = 0) -> float:
    """Divide."""
    return round(dividend / divisor, digits)


@backend
def set_user(user_id: str, name: str) -> User:
    """Write a user; the answer has the name only."""
    env.storage.users.set(user_id, {"name": name, "secret": SECRET})
    return env.storage.users[user_id]  # type: ignore[return-value]


@backend
async def set_user_async(user_id: str, name: str) -> None:
    """Write a user."""
    await env.storage.users.aset(user_id, {"name": name})


@backend
def get_user(user_id: str) -> User | None:
    """Read a user."""
    found: User | None = env.storage.users.get(user_id)
    return found


@backend
async def get_user_async(user_id: str) -> User | None:
    """Read a user."""
    found: User | None = await env.storage.users.aget(user_id)
    return found


@backend
def set_user_then_fail(user_id: str) -> None:
    """Write a user, in vain."""
    env.storage.users.set(user_id, {"name": "nobody"})
    raise RuntimeError(SECRET)


@backend
def set_user_and_return_nonsense(user_id: str) -> int:
    """Write a user, in vain."""
    env.storage.users.set(user_id, {"name": "nobody"})
    return SECRET  # type: ignore[return-value]


@backend
def return_an_object() -> Any:
    """Return what is no JSON."""
    return object()


@backend
def fail(how: str) -> None:
    """Raise an error."""
    errors: dict[str, Exception] = {
        "missing": Http404("No such page."),
        "forbidden": PermissionDenied("Not yours."),
        "invalid": ValidationError({"email": ["Not an address."]}),
        "outage": OperationalError(SECRET),
        "bug": KeyError(SECRET),
    }
    raise errors[how]


@backend
def who_am_i() -> dict[str, Any]:
    """Tell what the call knows of its caller."""
    return {"owner": ctx.owner, "is_anonymous": ctx.is_anonymous, "route": ctx.route}


@backend
async def who_am_i_async() -> dict[str, Any]:
    """Tell what the call knows of its caller."""
    return who_am_i()


@backend(name="renamed")
def has_another_name() -> str:
    """Be called otherwise."""
    return "renamed"


@backend(isolation="serializable")
def get_isolation() -> str:
    """Return the transaction's isolation, as PostgreSQL calls it."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        name: str = cursor.fetchone()[0]
    return name


rivals: list[Callable[[], object]] = []  # each is run once, in the middle of ``add_up``


@backend
def add_up(values: list[int]) -> int:
    """Add to a total that others may change at the same time, and spoil the argument."""
    total: int = (env.storage.users.get("total") or {"n": 0})["n"]
    if rivals:
        rivals.pop()()
    values.append(total)
    env.storage.users.set("total", {"n": sum(values)})
    return sum(values)


def _private() -> str:
    return SECRET


def not_a_procedure() -> str:
    """Stay unreachable."""
    return SECRET
