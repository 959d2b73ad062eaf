"""Models that inherit: in several tables, by a proxy, from abstract ones."""

from typing import Any

import pytest
from django.db import IntegrityError
from django.db.models import F

from tests.twins.compare import Both, Models

pytestmark = pytest.mark.more_privilege


def open_places(m: Models) -> None:
    """Make a place of each kind."""
    m.Place.objects.create(name="park", size=50)
    m.Restaurant.objects.create(name="diner", size=5, stars=1)
    m.Pizzeria.objects.create(name="napoli", size=12, stars=3, oven="gas")


NAMES: dict[str, Any] = {
    "all": lambda m: m.Place.objects.order_by("name"),
    "child": lambda m: m.Restaurant.objects.order_by("name"),
    "grandchild": lambda m: m.Pizzeria.objects.all(),
    "by a parent's field": lambda m: m.Pizzeria.objects.filter(size__gt=10, stars=3, oven="gas"),
    "by a child's field": lambda m: m.Place.objects.filter(restaurant__stars__gte=1).order_by("name"),
    "by a grandchild's field": lambda m: m.Place.objects.filter(restaurant__pizzeria__oven="gas"),
    "order by a parent's field": lambda m: m.Restaurant.objects.order_by("-size"),
    "proxy": lambda m: m.BigPlace.objects.order_by("name"),
    "select_related to the child": lambda m: m.Place.objects.select_related("restaurant__pizzeria").order_by("name"),
}


@pytest.mark.parametrize("name", NAMES)
def test_objects_are_found_in_all_their_tables(both: Both, name: str) -> None:
    def find(m: Models) -> Any:
        open_places(m)
        return [(type(place).__name__, place.name, place.size) for place in NAMES[name](m)]

    assert both(find)


def test_all_fields_of_all_tables_are_written(both: Both) -> None:
    def write(m: Models) -> Any:
        open_places(m)
        pizzeria = m.Pizzeria.objects.get()
        pizzeria.name, pizzeria.stars, pizzeria.oven = "roma", 4, "wood"
        pizzeria.save()
        m.Pizzeria.objects.update(size=F("size") + 1, oven="steel")
        m.Restaurant.objects.filter(name="diner").update(size=6, stars=2)
        pizzeria.refresh_from_db()
        values = pizzeria.name, pizzeria.size, pizzeria.stars, pizzeria.oven
        return (
            values,
            m.Place.objects.order_by("name").values_list("name", "size"),
            m.Place.objects.get(name="diner").size,
        )

    both(write)


def test_parent_and_child_are_one_object(both: Both) -> None:
    def relate(m: Models) -> Any:
        open_places(m)
        pizzeria = m.Pizzeria.objects.get()
        place = m.Place.objects.get(name="napoli")
        same = place.pk == pizzeria.pk == place.restaurant.pizzeria.pk == pizzeria.restaurant_ptr_id
        child = m.Restaurant(place_ptr=m.Place.objects.get(name="park"), stars=5)
        child.save_base(raw=True)
        park = m.Restaurant.objects.get(name="park")
        return same, park.stars, park.size, m.Place.objects.count()

    both(relate)


def test_deleting_deletes_in_all_tables(both: Both) -> None:
    def delete(m: Models) -> Any:
        open_places(m)
        counts = [m.Pizzeria.objects.get().delete()]
        counts.append(m.Place.objects.get(name="diner").delete())
        left = m.Place.objects.count(), m.Restaurant.objects.count(), m.Pizzeria.objects.count()
        restaurant = m.Restaurant.objects.create(name="snack")
        restaurant.delete(keep_parents=True)
        return counts, left, m.Place.objects.filter(name="snack").count(), m.Restaurant.objects.count()

    both(delete)


def test_a_proxy_is_its_model_with_other_ways(both: Both) -> None:
    def use(m: Models) -> Any:
        open_places(m)
        big = m.BigPlace.objects.create(name="arena", size=900)
        m.BigPlace.objects.filter(name="park").update(size=2)
        names = [place.name for place in m.BigPlace.objects.order_by("name")]
        return big.is_big(), names, m.Place.objects.filter(size=900).count(), m.BigPlace.objects.all().delete()

    both(use)


def test_others_refer_to_any_of_the_tables(both: Both) -> None:
    def refer(m: Models) -> Any:
        open_places(m)
        napoli = m.Pizzeria.objects.get()
        m.Guide.objects.create(id=1, restaurant=napoli, place=napoli)
        found = m.Guide.objects.select_related("restaurant", "place").get(restaurant__name="napoli", place__size=12)
        deleted = m.Place.objects.get(name="napoli").delete()
        return found.restaurant.stars, found.place.name, deleted, m.Guide.objects.count()

    both(refer)


def test_unique_values_of_a_parent_are_unique_for_its_children(both: Both) -> None:
    def clash(m: Models) -> Any:
        open_places(m)
        with pytest.raises(IntegrityError):
            m.Pizzeria.objects.create(name="park")
        return m.Place.objects.count(), m.Restaurant.objects.count(), m.Pizzeria.objects.count()

    both(clash)


def test_objects_are_inserted_in_bulk_only_into_one_table(both: Both) -> None:
    both.raises(ValueError, lambda m: m.Restaurant.objects.bulk_create([m.Restaurant(name="x")]))
    both(lambda m: len(m.BigPlace.objects.bulk_create([m.BigPlace(name="x", size=20), m.BigPlace(name="y")])))
