"""Models and ``env.storage`` are two faces of the same documents, and of the same rules."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError

import kontract
from kontract import env
from kontract.exceptions import ConstraintError
from tests.twins.compare import Models


def test_each_face_sees_what_the_other_wrote(versioned: Models) -> None:
    m, books = versioned, env.storage["versioned_book"]
    m.Book.objects.create(id=1, title="Emma", price=Decimal("9.99"), published=dt.date(1815, 12, 23))
    assert books["1"]["title"] == "Emma"
    assert books.query(price="9.99", published="1815-12-23").count() == 1
    books.update("1", {"title": "Emma II", "price": "10.50"})
    books.set("2", {"title": "Ulysses", "pages": 730})
    assert m.Book.objects.get(id=1).price == Decimal("10.50")
    ulysses = m.Book.objects.get(title="Ulysses")
    assert (ulysses.id, ulysses.pages, ulysses.price, ulysses.publisher) == (2, 730, None, None)
    books.delete("1")
    assert [book.id for book in m.Book.objects.all()] == [2]


def test_each_face_sees_what_the_other_wrote_in_a_transaction(versioned: Models) -> None:
    m, books = versioned, env.storage["versioned_book"]
    with kontract.transaction():
        m.Book.objects.create(id=1, title="Emma")
        assert books["1"]["title"] == "Emma"
        books.update("1", {"pages": 3})
        assert m.Book.objects.get().pages == 3
        m.Book.objects.update(pages=4)
        assert books.query(pages=4).count() == 1
        books.delete("1")
        assert not m.Book.objects.exists()


def account(n: int, email: str = "a@x", **rest: Any) -> dict[str, Any]:
    """Return a document of an account."""
    return {"email": email, "code": None, **rest}


REFUSED: dict[str, Any] = {
    "unique": lambda s: s["versioned_account"].set("9", account(9)),
    "unique in an update": lambda s: s["versioned_account"].update("2", {"email": "a@x"}),
    "unique in set_many": lambda s: s["versioned_account"].set_many({"8": account(8, "n"), "9": account(9, "n")}),
    "unique in a query's update": lambda s: s["versioned_account"].query(email="b@x").update({"email": "a@x"}),
    "check": lambda s: s["versioned_booking"].set("1", {"name": "x", "start": 2, "end": 1, "active": True}),
    "foreign key": lambda s: s["versioned_book"].set("1", {"title": "x", "publisher_id": "nobody"}),
    "referred to": lambda s: s["versioned_publisher"].delete("p"),
    "referred to, of many": lambda s: s["versioned_publisher"].query().delete(),
    "referred to, popped": lambda s: s["versioned_publisher"].pop(),
}


def everything() -> Any:
    """Return the documents of all tables here."""
    names = ("versioned_account", "versioned_booking", "versioned_book", "versioned_publisher")
    return {name: dict(env.storage[name].items()) for name in names}


@pytest.mark.parametrize("name", REFUSED)
def test_documents_keep_the_rules_of_the_model(versioned: Models, name: str) -> None:
    m = versioned
    m.Account.objects.bulk_create([m.Account(id=1, email="a@x"), m.Account(id=2, email="b@x")])
    m.Book.objects.create(id=5, title="b", publisher=m.Publisher.objects.create(name="p"))
    before = everything()
    with pytest.raises(ConstraintError):
        REFUSED[name](env.storage)
    assert everything() == before

    @kontract.transactional
    def write() -> None:
        REFUSED[name](env.storage)

    with pytest.raises(IntegrityError):
        write()
    assert everything() == before


def test_documents_free_the_values_that_they_give_up(versioned: Models) -> None:
    m, accounts = versioned, env.storage["versioned_account"]
    accounts.set("1", account(1))
    accounts.update("1", {"email": "b@x"})
    m.Account.objects.create(id=2, email="a@x")
    accounts.delete("2")
    accounts.set("3", account(3))
    assert sorted(m.Account.objects.values_list("id", "email")) == [(1, "b@x"), (3, "a@x")]
    assert [accounts.pop(), accounts.shift(), accounts.pop()] == [account(3), account(1, "b@x"), None]
    m.Account.objects.bulk_create([m.Account(id=4, email="a@x"), m.Account(id=5, email="b@x")])
