"""A small library, the same in both twins, with everything in it that queries can trip over: NULL, ties, nothing."""

import datetime as dt
from decimal import Decimal

from tests.twins.compare import Models

BOOKS = [
    # title, pages, price, rating, published, publisher, data, authors, stores
    ("Emma", 474, "9.99", 4.5, dt.date(1815, 12, 23), "Murray", {"tags": ["novel"], "n": 1}, [1], [1, 2]),
    ("Persuasion", 249, "7.50", 4.5, dt.date(1817, 12, 20), "Murray", {"tags": ["novel", "late"], "n": 2}, [1], [1]),
    ("Ulysses", 730, "19.00", 3.75, dt.date(1922, 2, 2), "Shakespeare & Co", {"n": None, "a": {"b": [1, 2]}}, [2], [2]),
    ("dubliners", 152, None, None, dt.date(1914, 6, 15), None, None, [2], []),
    ("Good Omens", 288, "10.00", 4.25, dt.date(1990, 5, 10), "Gollancz", [], [3, 4], [1, 2, 3]),
    ("100% Cotton_", 0, "0.01", 0.0, None, "Gollancz", "text", [], []),
    ("Emma", 100, "9.99", None, dt.date(2024, 2, 29), "Empty Press", {"tags": []}, [4], [3]),
]
AUTHORS = [("Jane", 41, None), ("James", 58, None), ("Neil", 63, 4), ("Terry", 66, 1), ("Nobody", None, None)]
PUBLISHERS = [("Murray", 1768), ("Shakespeare & Co", 1919), ("Gollancz", 1927), ("Empty Press", 2020)]


def fill(models: Models) -> None:
    """Insert the library."""
    models.Publisher.objects.bulk_create([models.Publisher(name=n, founded=year) for n, year in PUBLISHERS])
    models.Author.objects.bulk_create(
        models.Author(id=n, name=name, age=age, mentor_id=mentor) for n, (name, age, mentor) in enumerate(AUTHORS, 1)
    )
    models.Profile.objects.create(id=1, author_id=1, text="the first")
    models.Store.objects.bulk_create([models.Store(id=n, name=name) for n, name in enumerate(["A", "B", "C", "D"], 1)])
    models.Book.objects.bulk_create(_book(models, n, row) for n, row in enumerate(BOOKS, 1))
    for n, row in enumerate(BOOKS, 1):
        book = models.Book(id=n)
        book.authors.set(row[7])
        book.stores.set(row[8])
    parents = [None, 1, 1, 2, None]
    models.Category.objects.bulk_create(
        models.Category(id=n, name=f"c{n}", parent_id=parent) for n, parent in enumerate(parents, 1)
    )


def _book(models: Models, n: int, row: tuple[object, ...]) -> object:
    title, pages, price, rating, published, publisher, data, *_ = row
    added = dt.datetime(2024, 1, n, 10 + n, 59, 30, 123456, dt.UTC) if n % 3 else None
    return models.Book(
        id=n, title=title, pages=pages, price=price and Decimal(str(price)), rating=rating, published=published,
        publisher_id=publisher, data=data, added=added,
    )  # fmt: skip
