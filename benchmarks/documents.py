"""The documents that every contender gets: the same ones, made from their number alone."""

from typing import TypedDict

NAMES = 1_000  # how many different names there are


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


def scatter(step: int, size: int) -> int:
    """Return the document, from 1 to ``size``, that a step touches: scattered, and the same for every contender."""
    return step * 7919 % size + 1  # a prime, so that no number comes again before all others have come
