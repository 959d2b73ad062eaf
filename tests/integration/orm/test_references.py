"""References under snapshot isolation: what a block deletes, and what others refer to meanwhile."""

from typing import Any

import pytest

import kontract
from kontract.exceptions import ConflictError, ConstraintError
from tests.interleave import Actor
from tests.shop.models import Category, Product


@pytest.fixture(autouse=True)
def tables(namespace: str) -> None:
    """Have the tables there, so that making them is no conflict of its own."""
    Category.objects.count()
    Product.objects.count()


def sell(category: Any, name: str = "Stool") -> Any:
    return Product.objects.create(name=name, slug=name.lower(), category=category, price=1)


def test_a_block_does_not_delete_what_another_transaction_refers_to_since() -> None:
    category = Category.objects.create(name="Chairs")
    with Actor() as one, Actor() as two:
        one.begin()
        one.do(lambda: Category.objects.get(name="Chairs").delete())  # protected, but nothing refers to it yet
        two.do(lambda: sell(category))
        with pytest.raises(ConflictError, match="has referred to"):
            one.commit()
    assert Product.objects.get().category == category


def test_run_again_it_sees_the_reference() -> None:
    category = Category.objects.create(name="Chairs")
    attempts = []

    @kontract.transactional
    def remove() -> None:
        found = Category.objects.get(name="Chairs")
        attempts.append(found.products.count())
        if not attempts[-1]:
            with Actor() as other:
                other.do(lambda: sell(category))
            found.delete()

    remove()
    assert attempts == [0, 1]


def test_a_block_does_not_refer_to_what_another_transaction_has_deleted_since() -> None:
    category = Category.objects.create(name="Chairs")
    with Actor() as one, Actor() as two:
        one.begin()
        one.do(lambda: Category.objects.count())
        category_id = category.pk
        two.do(category.delete)
        one.do(lambda: Product.objects.create(name="Stool", slug="stool", category_id=category_id, price=1))
        with pytest.raises((ConflictError, ConstraintError)):
            one.commit()
    assert not Product.objects.exists()


def test_a_block_deletes_both_sides() -> None:
    category = Category.objects.create(name="Chairs")
    stool = sell(category)
    other = Category.objects.create(name="Other")
    with kontract.transaction():
        assert Category.objects.count() == 2
        stool.category = other
        stool.save()
        category.delete()
    assert Product.objects.get().category == other
    with kontract.transaction():
        Product.objects.get().delete()
        Category.objects.all().delete()
    assert not Category.objects.exists()


@pytest.mark.parametrize("limit", [0, 10_000])
def test_however_many_steps_the_flush_takes(limit: int, settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "FLUSH_LIMIT": limit}
    category = Category.objects.create(name="Chairs")
    with Actor() as one, Actor() as two:
        one.begin()
        one.do(lambda: Category.objects.count())
        two.do(lambda: sell(category))
        one.do(lambda: Category.objects.filter(name="Chairs")._raw_delete("default"))
        with pytest.raises(ConflictError):
            one.commit()
    assert Product.objects.get().category == category


def test_a_serializable_block_is_no_exception() -> None:
    category = Category.objects.create(name="Chairs")
    with Actor() as one, Actor() as two:
        one.begin("serializable")
        one.do(lambda: Category.objects.get(name="Chairs").delete())
        two.do(lambda: sell(category))
        with pytest.raises(ConflictError):
            one.commit()
    assert Product.objects.get().category == category


def test_a_namespace_is_checked_however_another_one_is_flushed(settings: Any, namespace: str) -> None:
    kontract.tables.create_namespace(f"{namespace}-many")
    with kontract.namespace(f"{namespace}-many"):
        Category.objects.count()
    nowhere = Category(name="Nowhere")
    settings.KONTRACT = {**settings.KONTRACT, "FLUSH_LIMIT": 3}

    def write() -> None:
        with kontract.namespace(f"{namespace}-many"):
            Category.objects.bulk_create(Category(name=str(n)) for n in range(5))
        Product.objects.bulk_create(
            Product(name=n, slug=n, category_id=nowhere.pk, price=1) for n in ("stool", "bench")
        )

    with pytest.raises(ConstraintError):
        kontract.transactional(write)()
    assert not Product.objects.exists()
