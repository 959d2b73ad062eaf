"""What is built on Django's models, on versioned ones: forms, serialisers, views, and two libraries."""

import json
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import django_filters
import pytest
from django.core import serializers
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.forms import ModelForm, inlineformset_factory, modelform_factory, modelformset_factory
from django.test import RequestFactory
from django.views.generic import CreateView, DeleteView, DetailView, ListView, UpdateView
from rest_framework.serializers import ModelSerializer
from rest_framework.test import APIRequestFactory
from rest_framework.viewsets import ModelViewSet

import kontract
from tests.shop.models import Category, Order, OrderLine, Product, Tag


@pytest.fixture
def kitchen(namespace: str) -> Any:
    return Category.objects.create(name="Kitchen")


@pytest.fixture
def pot(kitchen: Category) -> Any:
    return Product.objects.create(name="Pot", slug="pot", category=kitchen, price=Decimal("9.90"))


def filled_in(**changes: Any) -> dict[str, Any]:
    """Return what a browser would send of a product's form."""
    category = Category.objects.get(name="Kitchen").pk
    form = {"name": "Pan", "slug": "pan", "category": category, "price": "4.50", "state": "s", "features": '{"a": 1}'}
    return form | changes


# --- Forms -----------------------------------------------------------------------------------------------------------

ProductForm: "type[ModelForm[Product]]" = modelform_factory(Product, exclude=["purchase_price"])


def test_a_form_adds_and_changes_an_object(kitchen: Category) -> None:
    tags = [Tag.objects.create(word=word) for word in ("red", "new")]
    form = ProductForm(filled_in(tags=[tag.pk for tag in tags], since="2026-01-05", is_fragile="on"))
    assert form.is_valid(), form.errors
    pan = form.save()
    pan.refresh_from_db()
    assert (pan.price, pan.features, pan.is_fragile, str(pan.since)) == (Decimal("4.50"), {"a": 1}, True, "2026-01-05")
    assert [tag.word for tag in pan.tags.all()] == ["new", "red"]
    form = ProductForm(filled_in(name="Frying pan", tags=[tags[0].pk]), instance=pan)
    assert {"name", "tags", "since", "is_fragile"} <= set(form.changed_data)
    form.save()
    assert Product.objects.get(tags__word="red", name="Frying pan", since=None) == pan
    assert not Product.objects.filter(tags__word="new").exists()


def test_a_form_tells_what_is_taken_or_unknown(pot: Product) -> None:
    form = ProductForm(filled_in(slug="pot", category="0198c0de-0000-7000-8000-000000000000", price="1.234"))
    assert form.errors == {
        "slug": ["Product with this Slug already exists."],
        "category": ["Select a valid choice. That choice is not one of the available choices."],
        "price": ["Ensure that there are no more than 2 decimal places."],
    }
    assert ProductForm(filled_in(slug="pot"), instance=pot).is_valid()


def test_a_set_of_forms_adds_changes_and_deletes_objects(pot: Product, kitchen: Category) -> None:
    formset_class = modelformset_factory(Category, fields=["name"], can_delete=True, extra=2)
    garden = Category.objects.create(name="Garden")
    data = {
        "form-TOTAL_FORMS": 3, "form-INITIAL_FORMS": 2,
        "form-0-id": garden.pk, "form-0-name": "Garden", "form-0-DELETE": "on",
        "form-1-id": kitchen.pk, "form-1-name": "Scullery",
        "form-2-name": "Attic",
    }  # fmt: skip
    formset = formset_class(data)
    assert formset.is_valid(), formset.errors
    formset.save()
    assert [category.name for category in Category.objects.all()] == ["Attic", "Scullery"]
    twice = formset_class({"form-TOTAL_FORMS": 2, "form-INITIAL_FORMS": 0, "form-0-name": "X", "form-1-name": "X"})
    assert not twice.is_valid()
    assert twice.non_form_errors() == ["Please correct the duplicate data for name."]


def test_a_set_of_inline_forms_adds_and_changes_children(pot: Product, kitchen: Category) -> None:
    pan = Product.objects.create(name="Pan", slug="pan", category=kitchen, price=1)
    order = Order.objects.create(number=1, customer="Bob")
    line = OrderLine.objects.create(order=order, product=pot)
    formset_class = inlineformset_factory(Order, OrderLine, fields=["product", "quantity"], extra=1)
    data = {
        "lines-TOTAL_FORMS": 2, "lines-INITIAL_FORMS": 1,
        "lines-0-id": line.pk, "lines-0-product": pot.pk, "lines-0-quantity": 2,
        "lines-1-product": pan.pk, "lines-1-quantity": 3,
    }  # fmt: skip
    formset = formset_class(data, instance=order)
    assert formset.is_valid(), formset.errors
    formset.save()
    assert sorted(str(line) for line in order.lines.all()) == ["2 x Pot", "3 x Pan"]


def test_validation_asks_for_what_is_stored(pot: Product, kitchen: Category) -> None:
    with pytest.raises(ValidationError, match="Product with this Slug already exists"):
        Product(name="Other", slug="pot", category=kitchen, price=1).full_clean()
    with pytest.raises(ValidationError, match="category instance with id"):
        Product(name="Other", slug="other", category_id=Category().pk, price=1).full_clean()
    order = Order.objects.create(number=1, customer="Bob")
    OrderLine.objects.create(order=order, product=pot)
    with pytest.raises(ValidationError):
        OrderLine(order=order, product=pot).validate_constraints()
    pot.full_clean()


def test_validation_sees_what_the_transaction_has_written(kitchen: Category) -> None:
    with kontract.transaction():
        Product.objects.create(name="Pot", slug="pot", category=kitchen, price=1)
        with pytest.raises(ValidationError):
            Product(name="Other", slug="pot", category=kitchen, price=1).validate_unique()


# --- Fixtures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["json", "xml", "jsonl"])
def test_fixtures_are_dumped_and_loaded(format: str, pot: Product, tmp_path: Path) -> None:
    pot.tags.set([Tag.objects.create(word="red")])
    Product.objects.filter(pk=pot.pk).update(features={"litres": 1.5, "colours": ["red"]}, since="2026-01-05")
    order = Order.objects.create(number=1, customer="<Bob> & Söhne")
    OrderLine.objects.create(order=order, product=pot, quantity=3)
    path = tmp_path / f"shop.{format}"
    call_command("dumpdata", "shop", output=str(path), format=format)
    before = serializers.serialize("json", [*Product.objects.all(), *Order.objects.all(), *OrderLine.objects.all()])
    Order.objects.all().delete()
    Product.objects.update(name="Changed")
    call_command("loaddata", str(path), stdout=StringIO(), skip_checks=True)
    after = serializers.serialize("json", [*Product.objects.all(), *Order.objects.all(), *OrderLine.objects.all()])
    assert json.loads(after) == json.loads(before)
    assert Product.objects.get(tags__word="red").features == {"litres": 1.5, "colours": ["red"]}


# --- Views -----------------------------------------------------------------------------------------------------------


def test_generic_views_show_and_edit_objects(pot: Product, kitchen: Category) -> None:
    get, post = RequestFactory().get, RequestFactory().post
    options = {"model": Category, "success_url": "/done/"}
    listed = ListView.as_view(model=Category, paginate_by=1)(get("/"))
    assert list(listed.context_data["object_list"]) == [kitchen]  # type: ignore[attr-defined]
    shown = DetailView.as_view(model=Product, slug_field="slug")(get("/"), slug="pot")
    assert shown.context_data["object"] == pot  # type: ignore[attr-defined]
    created = CreateView.as_view(fields=["name"], **options)(post("/", {"name": "Garden"}))
    assert created.status_code == 302
    garden = Category.objects.get(name="Garden")
    assert UpdateView.as_view(fields=["name"], **options)(post("/", {"name": "Park"}), pk=garden.pk).status_code == 302
    assert Category.objects.get(pk=garden.pk).name == "Park"
    taken = UpdateView.as_view(fields=["name"], **options)(post("/", {"name": "Kitchen"}), pk=garden.pk)
    assert taken.context_data["form"].errors == {"name": ["Category with this Name already exists."]}  # type: ignore[attr-defined]
    assert DeleteView.as_view(**options)(post("/"), pk=garden.pk).status_code == 302
    assert not Category.objects.filter(pk=garden.pk).exists()


# --- Django REST framework -------------------------------------------------------------------------------------------


class LineSerializer(ModelSerializer[OrderLine]):
    class Meta:
        model = OrderLine
        fields = ["product", "quantity"]


class OrderSerializer(ModelSerializer[Order]):
    lines = LineSerializer(many=True)

    class Meta:
        model = Order
        fields = ["id", "number", "customer", "placed_at", "lines"]

    def create(self, validated_data: Any) -> Order:
        """Write the order and its lines in one transaction."""
        lines = validated_data.pop("lines")
        with kontract.transaction():
            order: Order = Order.objects.create(**validated_data)
            OrderLine.objects.bulk_create(OrderLine(order=order, **line) for line in lines)
        return order


class ProductSerializer(ModelSerializer[Product]):
    class Meta:
        model = Product
        fields = "__all__"


class ProductFilter(django_filters.FilterSet):  # type: ignore[misc]
    class Meta:
        model = Product
        fields = {
            "name": ["icontains"],
            "price": ["lte", "range"],
            "category__name": ["exact"],
            "state": ["exact", "in"],
            "since": ["year", "isnull"],
            "tags": ["exact"],
        }


class ProductViewSet(ModelViewSet[Product]):
    queryset = Product.objects.select_related("category").prefetch_related("tags")
    serializer_class = ProductSerializer
    filter_backends = [django_filters.rest_framework.DjangoFilterBackend]
    filterset_class = ProductFilter
    authentication_classes = []
    permission_classes = []


class OrderViewSet(ModelViewSet[Order]):
    queryset = Order.objects.prefetch_related("lines__product")
    serializer_class = OrderSerializer
    authentication_classes = []
    permission_classes = []


def call(view: Any, method: str, data: Any = None, pk: Any = None, **query: Any) -> Any:
    """Call a view set, and return the status and the data of its response."""
    actions = {"get": "retrieve" if pk else "list", "post": "create", "put": "update", "patch": "partial_update"}
    actions["delete"] = "destroy"
    factory = APIRequestFactory()
    request = factory.get("/", query) if method == "get" else getattr(factory, method)("/", data, format="json")
    response = view.as_view({method: actions[method]})(request, **({"pk": pk} if pk else {}))
    return response.status_code, response.render().data


def test_an_api_creates_lists_updates_and_deletes(kitchen: Category) -> None:
    red = Tag.objects.create(word="red")
    data = filled_in(tags=[str(red.pk)], category=str(kitchen.pk), features={"a": [1, None]})
    status, created = call(ProductViewSet, "post", data)
    assert (status, created["price"], created["tags"]) == (201, "4.50", [red.pk])
    key = created["id"]
    assert call(ProductViewSet, "get") == (200, [created])
    assert call(ProductViewSet, "get", pk=key) == (200, created)
    status, changed = call(ProductViewSet, "patch", {"price": "5.00", "tags": []}, pk=key)
    assert (status, changed) == (200, created | {"price": "5.00", "tags": []})
    status, replaced = call(ProductViewSet, "put", data | {"slug": "wok"}, pk=key)
    assert (status, replaced["slug"], replaced["tags"]) == (200, "wok", [red.pk])
    assert call(ProductViewSet, "delete", pk=key) == (204, None)
    assert call(ProductViewSet, "get", pk=key)[0] == 404


def test_an_api_tells_what_is_wrong(pot: Product) -> None:
    status, errors = call(ProductViewSet, "post", filled_in(slug="pot", state="x", category=str(pot.pk)))
    codes = {name: error[0].code for name, error in errors.items()}
    assert (status, codes) == (400, {"slug": "unique", "state": "invalid_choice", "category": "does_not_exist"})
    assert call(ProductViewSet, "post", filled_in(category="no key"))[0] == 400
    assert call(ProductViewSet, "patch", {"slug": "pot"}, pk=pot.pk)[0] == 200


def test_an_api_takes_what_is_nested(pot: Product) -> None:
    data = {"number": 1, "customer": "Bob", "lines": [{"product": str(pot.pk), "quantity": 3}]}
    status, created = call(OrderViewSet, "post", data)
    assert (status, json.loads(json.dumps(created["lines"], default=str))) == (201, data["lines"])
    order = Order.objects.get()
    assert order.history[0].txid == order.lines.get().history[0].txid
    assert call(OrderViewSet, "get")[1] == [created]
    assert call(OrderViewSet, "post", data)[1]["number"][0].code == "unique"


# --- django-filter ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"name__icontains": "PAN"}, ["Frying pan", "Pan"]),
        ({"price__lte": "4.50"}, ["Pan"]),
        ({"price__range": "5,10"}, ["Frying pan", "Pot"]),
        ({"category__name": "Garden"}, ["Frying pan"]),
        ({"state__in": "p,g"}, ["Pot"]),
        ({"since__year": "2025", "state": "s"}, ["Frying pan"]),
        ({"since__isnull": "true"}, ["Pan", "Pot"]),
    ],
)
def test_filters_find_objects(pot: Product, kitchen: Category, query: dict[str, str], names: list[str]) -> None:
    garden = Category.objects.create(name="Garden")
    Product.objects.create(name="Pan", slug="pan", category=kitchen, price=Decimal("4.50"), state="s")
    Product.objects.create(name="Frying pan", slug="fry", category=garden, price=7, state="s", since="2025-06-01")
    filtered = ProductFilter(query, queryset=Product.objects.all())
    assert filtered.is_valid(), filtered.errors
    assert [product.name for product in filtered.qs] == names
    assert [product["name"] for product in call(ProductViewSet, "get", **query)[1]] == names


def test_a_filter_takes_related_objects_and_refuses_others(pot: Product) -> None:
    red = Tag.objects.create(word="red")
    pot.tags.add(red)
    assert list(ProductFilter({"tags": [red.pk]}, queryset=Product.objects.all()).qs) == [pot]
    refused = ProductFilter({"tags": ["0198c0de-0000-7000-8000-000000000000"]}, queryset=Product.objects.all())
    assert list(refused.errors) == ["tags"]
