"""The documents and books that every contender gets: the same ones, made from their number alone."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypedDict

NAMES = 1_000  # how many different names there are
AUTHORS = 1_000
COUNTRIES = [first + second for first in "ABCDE" for second in "KLMNOPQRST"]
SHELF = 10  # books that stand together, and that are of one series

Make = Callable[..., Any]  # number, age -> what a contender stores


class Data(TypedDict):
    """One document; ``age`` carries what was written last, so that a check can see it."""

    name: str
    email: str
    age: int
    bio: str


def make_document(number: int, age: int = 0) -> Data:
    """Return the document ``number``."""
    return {
        "name": f"Person {number % NAMES}",
        "email": f"person-{number}@example.org",
        "age": age,
        "bio": f"The biography of person {number}, in a few words that say nothing. " * 3,
    }


def make_author(number: int) -> dict[str, Any]:
    """Return the author ``number``, from 0."""
    born = date(1900, 1, 1) + timedelta(days=number)
    return {"name": f"Author {number}", "country": COUNTRIES[number % len(COUNTRIES)], "born": born}


def make_book(number: int, stock: int = 0) -> dict[str, Any]:
    """Return the book ``number``, with its author's number; ``stock`` carries what was written last."""
    return {
        "title": f"The book of the number {number}",
        "shelf": f"shelf-{number // SHELF}",
        "language": ("en", "nl", "pt-BR")[number % 3],
        "summary": f"What book {number} is about, in a few words that say nothing. " * 3,
        "series": number // SHELF,
        "pages": 50 + number % 900,
        "stock": stock,
        "price": Decimal(100 + number % 9_900) / 100,
        "published_at": datetime(2000, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
        "is_available": number % 7 > 0,
        "author": number % AUTHORS,
    }


def scatter(step: int, size: int) -> int:
    """Return the document, from 1 to ``size``, that a step touches: scattered, and the same for every contender."""
    return step * 7919 % size + 1  # a prime, so that no number comes again before all others have come
