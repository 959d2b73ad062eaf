"""Lookups that are prepared: when, and that nobody notices."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kontract import transaction
from kontract.mvcc import prepared as sessions
from tests.shop.models import Category, Product

pytestmark = pytest.mark.usefixtures("namespace")


def prepared() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%shop_%'")
        (count,) = cursor.fetchone()
    return int(count)


def test_a_lookup_by_key_is_prepared_and_sees_the_present() -> None:
    category = Category.objects.create(name="0")
    before = prepared()
    for n in range(1, 12):
        category.name = str(n)
        category.save()
        assert Category.objects.get(pk=category.pk).name == str(n)
    assert prepared() > before
    category.delete()
    assert not Category.objects.filter(pk=category.pk).exists()


@pytest.mark.parametrize(
    "lookup", [{"name": "Chairs"}, {"name": "x%s%%"}, {"name__startswith": "C"}, {"name__in": ["Chairs", "Tables"]}]
)
def test_again_and_again_it_finds_the_same(lookup: dict[str, Any]) -> None:
    Category.objects.bulk_create([Category(name="Chairs"), Category(name="Tables"), Category(name="x%s%%")])
    found = [sorted(Category.objects.filter(**lookup).values_list("name", flat=True)) for _ in range(10)]
    assert found[0]
    assert found == [found[0]] * 10


def test_who_looks_at_the_queries_sees_them_as_they_are() -> None:
    category = Category.objects.create(name="Chairs")
    for _ in range(10):
        Category.objects.get(pk=category.pk)
    with CaptureQueriesContext(connection) as captured:
        Category.objects.get(pk=category.pk)
    assert captured.captured_queries[0]["sql"].startswith("SELECT")


def test_a_text_is_no_number() -> None:
    category = Category.objects.create(name="1")
    Product.objects.create(name="1", slug="1", category=category, price=1)
    for _ in range(10):
        assert Product.objects.filter(name="1", category=category).count() == 1
        assert not Product.objects.filter(name="1.0").exists()


def test_what_a_transaction_has_collected_is_not_remembered() -> None:
    with transaction():
        Category.objects.bulk_create(Category(name=f"{n:0100d}") for n in range(100))
        for n in range(12):
            assert Category.objects.get(name=f"{n:0100d}")
    (session,) = [session for raw, session in sessions._sessions.items() if raw is connection.connection]
    assert max(map(len, session.uses)) < 10_000
