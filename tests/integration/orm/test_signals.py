"""Signals come in the same order, with the same arguments, from all that sends them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import signals

from tests.twins.compare import Both, Models

pytestmark = pytest.mark.more_privilege

WATCHED = {
    name: getattr(signals, name)
    for name in ("pre_init", "post_init", "pre_save", "post_save", "pre_delete", "post_delete", "m2m_changed")
}


def heard(m: Models, act: Callable[[], Any]) -> list[Any]:
    """Return the signals that ``act`` sends, with what they say."""
    found: list[Any] = []

    def hear(sender: Any, signal: Any, **said: Any) -> None:
        if sender._meta.app_label == m.kind:
            name = next(name for name, known in WATCHED.items() if known is signal)
            kept = {key: said[key] for key in ("created", "raw", "update_fields", "action", "reverse") if key in said}
            keys = sorted(said["pk_set"] or []) if "pk_set" in said else None
            found.append((name, sender.__name__, kept, keys, said.get("using")))

    for signal in WATCHED.values():
        signal.connect(hear)
    try:
        act()
    finally:
        for signal in WATCHED.values():
            signal.disconnect(hear)
    return found


ACTS: dict[str, Callable[[Models], Any]] = {
    "create": lambda m: m.Author.objects.create(id=5, name="x"),
    "save": lambda m: m.Author.objects.get(id=1).save(),
    "save a field": lambda m: m.Author.objects.get(id=1).save(update_fields=["name"]),
    "get_or_create": lambda m: m.Author.objects.get_or_create(id=5, defaults={"name": "x"}),
    "update_or_create": lambda m: m.Author.objects.update_or_create(id=1, defaults={"name": "x"}),
    "update": lambda m: m.Author.objects.update(name="x"),
    "bulk_create": lambda m: m.Author.objects.bulk_create([m.Author(id=5, name="x")]),
    "delete": lambda m: m.Author.objects.get(id=1).delete(),
    "delete a query": lambda m: m.Author.objects.all().delete(),
    "inherit": lambda m: m.Pizzeria.objects.create(name="x"),
    "delete an heir": lambda m: [m.Pizzeria.objects.create(name="x"), m.Pizzeria.objects.all().delete()],
    "proxy": lambda m: m.BigPlace.objects.create(name="x"),
    "add": lambda m: m.Book.objects.get().authors.add(1, 2),
    "add backward": lambda m: m.Author.objects.get(id=2).books.add(1),
    "set": lambda m: m.Book.objects.get().authors.set([2]),
    "remove": lambda m: m.Book.objects.get().authors.remove(1),
    "clear": lambda m: m.Book.objects.get().authors.clear(),
    "read": lambda m: list(m.Book.objects.select_related("publisher")),
}


@pytest.mark.parametrize("name", ACTS)
def test_signals_are_those_of_an_ordinary_model(both: Both, name: str) -> None:
    def act(m: Models) -> Any:
        m.Author.objects.bulk_create([m.Author(id=1, name="a"), m.Author(id=2, name="b")])
        m.Book.objects.create(id=1, title="b", publisher=m.Publisher.objects.create(name="p")).authors.add(1)
        return heard(m, lambda: ACTS[name](m))

    both(act)
