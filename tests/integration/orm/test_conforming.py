"""What ``env.storage`` may write into a model's table."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from kontract import env, transactional
from kontract.exceptions import InvalidDocumentError, InvalidIdError
from kontract.tables.ids import uuid7
from tests.shop.models import Category, Product

TABLE = Product._meta.db_table
KEY = "01890000-0000-7000-8000-00000000abcd"

pytestmark = pytest.mark.usefixtures("namespace")


def product(**changes: Any) -> dict[str, Any]:
    category = Category.objects.create(name=f"Chairs {uuid7()}")
    document = {"name": "Stool", "slug": f"stool-{uuid7()}", "category_id": str(category.pk), "price": 12.5}
    return document | changes


def test_a_document_is_stored_as_the_model_would() -> None:
    key = str(uuid7())
    written = env.storage[TABLE].set(key, product(price="9.999", since="2026-02-03", colour="red"))
    stored = env.storage[TABLE][key]
    assert written == stored
    assert (stored["price"], stored["since"], stored["colour"]) == ("10.00", "2026-02-03", "red")
    found = Product.objects.get(pk=key, since=date(2026, 2, 3))
    assert found.price == Decimal("10.00")


def test_absent_fields_get_their_defaults() -> None:
    key = str(uuid7())
    env.storage[TABLE].set(key, product())
    found = Product.objects.get(pk=key)
    assert (found.is_fragile, found.state, found.description) == (False, Product.State.PLANNED, "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"price": "cheap"}, "'price' cannot be 'cheap' in shop.Product"),
        ({"price": [1]}, "'price' cannot be"),
        ({"name": None}, "'name' is null"),
        ({"name": "x" * 1000}, "'name' cannot be"),
        ({"category_id": "none such"}, "'category_id' cannot be"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_what_the_model_could_not_read_is_refused(change: dict[str, Any], message: str, inside: bool) -> None:
    key = str(uuid7())
    env.storage[TABLE].set(key, product())
    before = env.storage[TABLE][key]
    for write in (
        lambda: env.storage[TABLE].set(key, product(**change)),
        lambda: env.storage[TABLE].update(key, change),
        lambda: env.storage[TABLE].query(_id=key).update(change),
    ):
        attempt = transactional(write) if inside else write
        with pytest.raises(InvalidDocumentError, match=message):
            attempt()
    assert env.storage[TABLE][key] == before


def test_a_required_field_is_demanded() -> None:
    document = product()
    del document["price"]
    with pytest.raises(InvalidDocumentError, match="lacks 'price'"):
        env.storage[TABLE].push(document)


@pytest.mark.parametrize("key", ["stool", KEY.upper(), f"{{{KEY}}}"])
def test_an_id_must_be_a_primary_key_as_the_model_writes_it(key: str) -> None:
    with pytest.raises(InvalidIdError, match=r"is no primary key"):
        env.storage[TABLE].set(key, product())
