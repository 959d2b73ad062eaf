"""Relations of every kind, from both sides."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError
from django.db.models import Count, Prefetch

from tests.twins.compare import Both, Models
from tests.twins.queries import count_queries

pytestmark = pytest.mark.more_privilege

READS: dict[str, Any] = {
    "forward": lambda m: [book.publisher for book in m.Book.objects.all()],
    "key without a query": lambda m: m.Book.objects.get(id=1).publisher_id,
    "backward": lambda m: m.Publisher.objects.get(pk="Murray").books.order_by("-id"),
    "to many": lambda m: [book.authors.all() for book in m.Book.objects.all()],
    "to many backward": lambda m: [author.books.filter(pages__gt=200) for author in m.Author.objects.all()],
    "self": lambda m: [author.mentor for author in m.Author.objects.all()],
    "self backward": lambda m: [author.pupils.all() for author in m.Author.objects.all()],
    "one to one": lambda m: m.Profile.objects.get().author,
    "one to one backward": lambda m: m.Author.objects.get(id=1).profile,
    "select_related": lambda m: [
        (category, category.parent, category.parent and category.parent.parent)
        for category in m.Category.objects.select_related("parent__parent")
    ],
    "select_related backward": lambda m: [
        getattr(author, "profile", None) for author in m.Author.objects.select_related("profile")
    ],
    "prefetch_related": lambda m: [
        [(author, author.books.all()) for author in book.authors.all()]
        for book in m.Book.objects.prefetch_related("authors__books", "stores")
    ],
    "Prefetch": lambda m: [
        (author, author.long)
        for author in m.Author.objects.prefetch_related(
            Prefetch("books", m.Book.objects.filter(pages__gt=250), to_attr="long")
        )
    ],
    "Prefetch with a slice": lambda m: [
        author.longest
        for author in m.Author.objects.prefetch_related(
            Prefetch("books", m.Book.objects.order_by("-pages")[:1], to_attr="longest")
        )
    ],
    "through model": lambda m: m.Book.authors.through.objects.order_by("book_id", "author_id").values_list(
        "book__title", "author__name"
    ),
    "dates": lambda m: m.Publisher.objects.get(pk="Murray").books.dates("published", "year"),
    "ids of related": lambda m: m.Book.objects.get(id=5).authors.values_list("id", flat=True),
    "count and exists": lambda m: (m.Author.objects.get(id=1).books.count(), m.Store.objects.get(id=4).books.exists()),
    "manager of one's own": lambda m: m.Book.objects.long().filter(title__startswith="E"),
    "manager that leaves out": lambda m: m.Book.published_ones.count(),
    "latest by Meta": lambda m: (m.Book.published_ones.latest(), m.Book.published_ones.earliest()),
}


@pytest.mark.parametrize("name", READS)
def test_relations_are_read_as_ordinary_ones(library: Both, name: str) -> None:
    library(READS[name])


QUERY_COUNTS: dict[str, Any] = {
    "select_related": lambda m: [book.publisher for book in m.Book.objects.select_related("publisher")],
    "prefetch_related": lambda m: [list(book.authors.all()) for book in m.Book.objects.prefetch_related("authors")],
    "two prefetches": lambda m: list(m.Author.objects.prefetch_related("books__stores", "pupils")),
    "known key": lambda m: [book.publisher_id for book in m.Book.objects.all()],
    "in_bulk": lambda m: m.Book.objects.in_bulk([1, 2, 3]),
    "cached forward": lambda m: [m.Profile.objects.select_related("author").get().author.profile for _ in range(2)],
}


@pytest.mark.parametrize("name", QUERY_COUNTS)
def test_relations_take_as_many_queries_as_ordinary_ones(library: Both, name: str) -> None:
    def count(models: Models) -> Any:
        QUERY_COUNTS[name](models)
        with count_queries() as queries:
            QUERY_COUNTS[name](models)
        return len(queries)

    library(count)


def test_objects_without_the_related_one_raise_the_same(library: Both) -> None:
    library.raises(ObjectDoesNotExist, lambda m: m.Author.objects.get(id=2).profile)
    library(lambda m: hasattr(m.Author.objects.get(id=2), "profile"))


def test_many_to_many_managers_write(both: Both) -> None:
    def write(m: Models) -> Any:
        books = [m.Book.objects.create(id=n, title=str(n)) for n in (1, 2, 3)]
        author = m.Author.objects.create(id=1, name="a")
        seen = []

        def look() -> None:
            seen.append(sorted(author.books.values_list("id", flat=True)))

        steps: list[Any] = [
            lambda: author.books.add(*books),
            lambda: author.books.add(1, books[1]),
            lambda: author.books.remove(books[0], 2),
            lambda: author.books.set([1, 2]),
            lambda: author.books.set([books[2]], clear=True),
            lambda: author.books.create(id=4, title="4"),
            lambda: author.books.get_or_create(id=5, defaults={"title": "5"}),
            lambda: author.books.update_or_create(id=5, defaults={"title": "five"}),
            lambda: author.books.clear(),
            lambda: books[0].authors.add(author),
            lambda: books[0].delete(),
        ]
        for step in steps:
            step()
            look()
        return seen, m.Book.authors.through.objects.count(), m.Book.objects.get(id=5).title

    both(write)


def test_reverse_foreign_key_managers_write(both: Both) -> None:
    def write(m: Models) -> Any:
        publisher = m.Publisher.objects.create(name="p")
        books = [m.Book.objects.create(id=n, title=str(n)) for n in (1, 2)]
        publisher.books.add(*books)
        publisher.books.create(id=3, title="3")
        added = publisher.books.count()
        publisher.books.remove(books[0])
        publisher.books.set([books[0], m.Book.objects.get(id=3)])
        kept = list(publisher.books.values_list("id", flat=True))
        publisher.books.update(pages=7)
        publisher.books.clear()
        return added, kept, m.Book.objects.filter(pages=7, publisher=None).count()

    both(write)


def test_relations_of_people_with_people(both: Both) -> None:
    def write(m: Models) -> Any:
        ann, bob, cem = (m.Person.objects.create(name=name) for name in ("ann", "bob", "cem"))
        ann.friends.add(bob)
        cem.friends.set([ann, bob])
        ann.idols.add(bob, cem)
        ann.friends.remove(bob)

        def names(people: Any) -> Any:
            return list(people.values_list("name", flat=True))

        everybody = [(names(p.friends), names(p.idols), names(p.fans)) for p in (ann, bob, cem)]
        return everybody, names(m.Person.objects.filter(fans__name="ann")), names(m.Person.objects.filter(friends=cem))

    both(write)


def test_a_through_model_has_fields_of_its_own(both: Both) -> None:
    def write(m: Models) -> Any:
        ann, bob = m.Person.objects.create(name="ann"), m.Person.objects.create(name="bob")
        club = m.Club.objects.create(name="chess")
        club.members.add(ann, through_defaults={"role": "chair"})
        m.Membership.objects.create(person=bob, club=club)
        roles = club.membership_set.order_by("role").values_list("person__name", "role")
        chairs = m.Person.objects.filter(membership__role="chair").values_list("name", flat=True)
        result = list(roles), list(chairs), m.Club.objects.annotate(n=Count("members")).get().n
        club.members.remove(ann)
        return result, m.Membership.objects.count()

    both(write)


def test_a_foreign_key_to_another_field_than_the_key(both: Both) -> None:
    def write(m: Models) -> Any:
        country = m.Country.objects.create(id=7, code="NO")
        city = m.City.objects.create(id=1, country=country)
        m.City.objects.create(id=2, country_id="NO")
        found = m.City.objects.select_related("country").get(country__code="NO", id=2)
        return city.country_id, found.country, country.cities.order_by("id"), m.Country.objects.filter(cities__id=1)

    both(write)


@pytest.mark.parametrize("others", [True, False])
def test_a_foreign_key_to_another_field_demands_that_it_exists(both: Both, others: bool) -> None:
    def refer(m: Models) -> Any:
        if others:
            m.Country.objects.create(id=1, code="NO")
        with pytest.raises(IntegrityError):
            m.City.objects.create(id=1, country_id="XX")
        return m.City.objects.count()

    both(refer)


def test_what_a_foreign_key_refers_to_cannot_change_its_value(both: Both) -> None:
    def change(m: Models) -> Any:
        m.City.objects.create(id=1, country=m.Country.objects.create(id=1, code="NO"))
        with pytest.raises(IntegrityError):
            m.Country.objects.update(code="SE")
        return m.Country.objects.get().code

    both(change)


def test_ordinary_objects_are_referred_to(both: Both) -> None:
    def write(m: Models) -> Any:
        Group.objects.all().delete()
        staff, guests = (Group.objects.create(name=name) for name in ("staff", "guests"))
        note = m.Note.objects.create(text="hello", group=staff)
        note.readers.add(staff, guests)
        m.Note.objects.create(text="nobody's")
        mine = f"{m.kind}_notes"
        return [
            m.Note.objects.get(group__name="staff").text,
            m.Note.objects.select_related("group").get(group=staff).group.name,
            [n.group and n.group.name for n in m.Note.objects.prefetch_related("group").order_by("text")],
            [n.text for n in getattr(staff, mine).all()],
            sorted(note.readers.values_list("name", flat=True)),
            [n.text for n in getattr(guests, f"{m.kind}_readable").all()],
            m.Note.objects.values_list("group__name").annotate(n=Count("id")).order_by("group__name"),
            m.Note.objects.filter(readers__name="guests").count(),
        ]

    both(write)


def test_ordinary_objects_must_exist(both: Both) -> None:
    both.raises(IntegrityError, lambda m: m.Note.objects.create(text="x", group_id=10**6))


def test_generic_relations(both: Both) -> None:
    def write(m: Models) -> Any:
        ann = m.Person.objects.create(name="ann")
        ann.tags.create(word="tall")
        m.Tag.objects.create(word="old", target=ann)
        kind = ContentType.objects.get_for_model(m.Person)
        found = [
            sorted(ann.tags.values_list("word", flat=True)),
            m.Tag.objects.filter(content_type=kind, object_id=ann.pk).count(),
            [tag.target.name for tag in m.Tag.objects.prefetch_related("target")],
            [sorted(tag.word for tag in p.tags.all()) for p in m.Person.objects.prefetch_related("tags")],
            m.Person.objects.filter(tags__word="old").count(),
        ]
        ann.delete()
        return found, m.Tag.objects.count()

    both(write)


@pytest.mark.parametrize(("name", "key"), [("Slug", {"slug": "a-b"}), ("Uuid", {}), ("BigAuto", {})])
def test_a_generic_foreign_key_to_any_kind_of_key(both: Both, name: str, key: dict[str, str]) -> None:
    def write(m: Models) -> Any:
        obj = getattr(m, name).objects.create(name="x", **key)
        m.Label.objects.create(word="old", target=obj)
        labels = m.Label.objects
        return (
            [label.target.name for label in labels.prefetch_related("target")],
            labels.filter(object_id=str(obj.pk)).count(),
            labels.filter(object_id__startswith=str(obj.pk)[:2]).count(),
            labels.get().object_id == str(obj.pk),
        )

    both(write)


def test_objects_in_an_order_with_respect_to_another(both: Both) -> None:
    def write(m: Models) -> Any:
        question = m.Question.objects.create(text="?")
        answers = [m.Answer.objects.create(text=text, question=question) for text in "abc"]
        keys = list(question.get_answer_order())
        question.set_answer_order([answers[2].pk, answers[0].pk, answers[1].pk])
        order = [answer.text for answer in question.answer_set.all()]
        middle = m.Answer.objects.get(text="a")
        return keys == [a.pk for a in answers], order, middle.get_next_in_order().text

    assert both(write) == ["True", ["c", "a", "b"], "b"]
