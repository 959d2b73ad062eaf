"""What happens to objects when that goes which they refer to, versioned or ordinary."""

from typing import Any

import pytest
from django.db import IntegrityError
from django.db.models import ProtectedError, RestrictedError
from django.db.models.signals import post_delete, pre_delete

from tests.twins.compare import Both, Models
from tests.twins.plain.models import Anchor
from tests.twins.shapes.deletion import RULES

pytestmark = pytest.mark.more_privilege

ERRORS = {"Protected": ProtectedError, "Restricted": RestrictedError, "Ignored": IntegrityError}
WAYS: dict[str, Any] = {
    "one": lambda parents: parents.get(id=3).delete(),
    "a query": lambda parents: parents.filter(id=3).delete(),
    "several": lambda parents: parents.filter(id__gte=3).delete(),
}


def attempt(delete: Any, error: type[Exception] | None) -> Any:
    """Delete; return what that returns, or the objects in the way."""
    if error is None:
        return delete()
    with pytest.raises(error) as raised:
        delete()
    return getattr(raised.value, "protected_objects", None) or getattr(raised.value, "restricted_objects", None)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", RULES)
def test_each_rule_does_what_it_does_to_ordinary_objects(both: Both, rule: str, way: str) -> None:
    def delete(m: Models) -> Any:
        m.Parent.objects.bulk_create(m.Parent(id=n) for n in range(1, 5))
        children = getattr(m, rule).objects
        children.bulk_create(getattr(m, rule)(id=n, parent_id=parent) for n, parent in enumerate([1, 3, 3, 4, None]))
        outcome = attempt(lambda: WAYS[way](m.Parent.objects), ERRORS.get(rule))
        return outcome, sorted(m.Parent.objects.values_list("id", flat=True)), sorted(map(str, children.values_list()))

    both(delete)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", sorted(RULES.keys() - {"Ignored"}))
def test_each_rule_holds_below_ordinary_parents(both: Both, rule: str, way: str) -> None:
    def delete(m: Models) -> Any:
        Anchor.objects.bulk_create(Anchor(id=n, name=str(n)) for n in range(1, 5))
        child = getattr(m, f"Anchor{rule}")
        child.objects.bulk_create(child(id=n, parent_id=parent) for n, parent in enumerate([1, 3, 3, 4, None]))
        outcome = attempt(lambda: WAYS[way](Anchor.objects), ERRORS.get(rule))
        left = sorted(map(str, child.objects.values_list()))
        child.objects.all().delete()
        parents = sorted(Anchor.objects.values_list("id", flat=True))
        Anchor.objects.all().delete()
        return outcome, parents, left

    both(delete)


@pytest.mark.usefixtures("plain_tables")
def test_a_document_outlives_an_ordinary_object_that_it_ignores(versioned: Models) -> None:
    child = versioned.AnchorIgnored.objects.create(id=1, parent=Anchor.objects.create(name="x"))
    Anchor.objects.all().delete()  # of which the ordinary table's database knows nothing
    child.refresh_from_db()
    with pytest.raises(Anchor.DoesNotExist):
        _ = child.parent


def test_a_restricted_object_goes_with_what_protects_it(both: Both) -> None:
    def delete(m: Models) -> Any:
        m.Category.objects.bulk_create(m.Category(id=n, name="c", parent_id=p) for n, p in [(1, None), (2, 1), (3, 2)])
        return m.Category.objects.get(id=1).delete(), m.Category.objects.count()

    both(delete)


def test_a_cascade_goes_through_all_relations(both: Both) -> None:
    def delete(m: Models) -> Any:
        m.Publisher.objects.create(name="p")
        book = m.Book.objects.create(id=1, title="b", publisher_id="p")
        author = m.Author.objects.create(id=1, name="a")
        m.Author.objects.create(id=2, name="b", mentor=author)
        m.Profile.objects.create(id=1, author=author)
        m.Store.objects.create(id=1, name="s").books.add(book)
        book.authors.add(author)
        first = m.Publisher.objects.all().delete()
        second = author.delete()
        return first, second, m.Author.objects.get().mentor, m.Store.objects.count(), m.Profile.objects.count()

    both(delete)


def test_signals_tell_of_everything_that_is_deleted(both: Both) -> None:
    def delete(m: Models) -> Any:
        heard: list[Any] = []

        def hear(sender: Any, instance: Any, signal: Any, origin: Any, **kwargs: Any) -> None:
            if sender._meta.app_label == m.kind:
                kind = "pre" if signal is pre_delete else "post"
                heard.append((kind, sender.__name__, instance.pk, type(origin).__name__ == "Parent"))

        m.Parent.objects.create(id=1)
        m.Cascading.objects.bulk_create([m.Cascading(id=n, parent_id=1) for n in (1, 2)])
        for signal in (pre_delete, post_delete):
            signal.connect(hear)
        try:
            m.Parent.objects.get().delete()
        finally:
            for signal in (pre_delete, post_delete):
                signal.disconnect(hear)
        return heard

    both(delete)


def test_a_cascade_is_one_transaction_that_can_be_undone(versioned: Models) -> None:
    import kontract

    m = versioned
    m.Parent.objects.create(id=1)
    m.Cascading.objects.bulk_create([m.Cascading(id=n, parent_id=1) for n in (1, 2)])
    with kontract.transaction() as block:
        assert m.Parent.objects.all().delete() == (3, {"versioned.Cascading": 2, "versioned.Parent": 1})
    assert block.txid is not None
    assert not m.Cascading.objects.exists()
    kontract.undo(block.txid)
    assert m.Cascading.objects.filter(parent__id=1).count() == 2
