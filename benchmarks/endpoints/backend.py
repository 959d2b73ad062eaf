"""The endpoint as procedures: one for each kind of function."""

from typing import cast

from typing_extensions import TypedDict

from benchmarks.endpoints.work import add_up
from kontract import backend


class Line(TypedDict):
    """A line of an order."""

    article: str
    count: int
    price: float


class Sums(TypedDict):
    """The sums of an order."""

    customer: str
    count: int
    total: float


@backend
def place_order(customer: str, lines: list[Line]) -> Sums:
    """Add up an order."""
    return cast(Sums, add_up(customer, lines))


@backend
async def place_order_async(customer: str, lines: list[Line]) -> Sums:
    """Add up an order."""
    return cast(Sums, add_up(customer, lines))
