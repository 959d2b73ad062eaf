"""What every endpoint does: add up a few lines of an order."""

from collections.abc import Iterable, Mapping
from typing import Any

LINES = [{"article": "bolt", "count": 3, "price": 0.5}, {"article": "nut", "count": 4, "price": 0.25}]
SENT = {"customer": "Ada", "lines": LINES}
ANSWER = {"customer": "Ada", "count": 7, "total": 2.5}


def add_up(customer: str, lines: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sums of an order."""
    count, total = 0, 0.0
    for line in lines:
        count += line["count"]
        total += line["count"] * line["price"]
    return {"customer": customer, "count": count, "total": total}
