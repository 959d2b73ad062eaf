"""The past of objects and of everything that is reached from them."""

import datetime as dt
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.db.models import Count, Prefetch, Sum

import kontract
from kontract.exceptions import InvalidSnapshotError, ReadOnlyError, UndoConflictError
from tests.twins.compare import Models


def write(function: Any) -> int:
    """Do something in one transaction and return its txid."""
    with kontract.transaction() as block:
        function()
    assert block.txid is not None
    return block.txid


@pytest.fixture
def old(versioned: Models) -> int:
    """Make a small library and change all of it; return the txid before the change."""
    m = versioned

    def make() -> None:
        m.Publisher.objects.create(name="Murray", founded=1768)
        jane, james = m.Author.objects.create(id=1, name="Jane", age=41), m.Author.objects.create(id=2, name="James")
        m.Book.objects.create(id=1, title="Emma", pages=474, publisher_id="Murray").authors.add(jane)
        m.Book.objects.create(id=2, title="Ulysses", pages=730, publisher_id="Murray").authors.add(james)
        m.Profile.objects.create(id=1, author=jane, text="old")

    def change() -> None:
        m.Publisher.objects.update(founded=2000)
        m.Author.objects.filter(id=1).update(name="Joan", age=None)
        m.Profile.objects.update(text="new")
        m.Book.objects.get(id=2).delete()
        m.Book.objects.filter(id=1).update(title="Emma II", publisher=None)
        m.Book.objects.create(id=3, title="Persuasion").authors.add(1, 2)

    txid = write(make)
    write(change)
    return txid


READS: dict[str, tuple[Any, Any]] = {
    "all": (lambda m: m.Book.objects, lambda books: [book.title for book in books.all()]),
    "filter": (
        lambda m: m.Book.objects,
        lambda books: list(books.filter(title="Emma").values_list("pages", flat=True)),
    ),
    "count": (lambda m: m.Book.objects, lambda books: (books.count(), books.filter(id=3).exists())),
    "join": (
        lambda m: m.Book.objects,
        lambda b: [x.id for x in b.filter(publisher__founded=1768, authors__name="Jane")],
    ),
    "aggregate": (lambda m: m.Book.objects, lambda books: books.aggregate(Sum("pages"))["pages__sum"]),
    "annotate": (
        lambda m: m.Author.objects,
        lambda authors: list(authors.annotate(n=Count("books")).order_by("id").values_list("name", "n")),
    ),
    "values": (lambda m: m.Author.objects, lambda authors: list(authors.values("name", "age").order_by("id"))),
    "iterator": (lambda m: m.Book.objects, lambda books: [book.title for book in books.iterator()]),
    "in_bulk": (lambda m: m.Book.objects, lambda books: sorted(books.in_bulk())),
    "union": (lambda m: m.Book.objects, lambda books: books.filter(id=1).union(books.filter(id__gt=1)).count()),
    "forward": (lambda m: m.Book.objects, lambda books: [b.publisher and b.publisher.founded for b in books.all()]),
    "to many": (lambda m: m.Book.objects, lambda books: [[a.name for a in b.authors.all()] for b in books.all()]),
    "backward": (
        lambda m: m.Author.objects,
        lambda all_: [[b.title for b in a.books.all()] for a in all_.order_by("id")],
    ),
    "one to one": (lambda m: m.Author.objects, lambda authors: authors.get(id=1).profile.text),
    "two hops": (lambda m: m.Profile.objects, lambda profiles: profiles.get().author.books.all()[0].title),
    "select_related": (
        lambda m: m.Book.objects,
        lambda books: [b.publisher and b.publisher.founded for b in books.select_related("publisher")],
    ),
    "prefetch_related": (
        lambda m: m.Author.objects,
        lambda authors: [[b.title for b in a.books.all()] for a in authors.prefetch_related("books").order_by("id")],
    ),
    "Prefetch": (
        lambda m: m.Author.objects,
        lambda authors: [
            [b.title for b in a.books.all()]
            for a in authors.prefetch_related(Prefetch("books", a_books(authors))).order_by("id")
        ],
    ),
    "dates": (lambda m: m.Book.objects, lambda books: list(books.dates("published", "year"))),
    "related count": (lambda m: m.Publisher.objects, lambda publishers: [p.books.count() for p in publishers.all()]),
    "refresh": (lambda m: m.Book.objects, lambda books: refreshed(books.first()).title),
}


def a_books(authors: Any) -> Any:
    """Return the related model's queryset, which says nothing of a moment."""
    return authors.model.books.rel.related_model._default_manager.order_by("id")


def refreshed(obj: Any) -> Any:
    """Read the object again."""
    obj.refresh_from_db()
    return obj


@pytest.mark.parametrize("name", READS)
def test_the_past_is_what_a_block_shows_and_what_was_read_then(versioned: Models, old: int, name: str) -> None:
    find, read = READS[name]
    with kontract.as_of(old):
        in_block = read(find(versioned))
    assert read(find(versioned).as_of(old)) == in_block
    if name not in ("dates", "union", "count"):
        assert read(find(versioned)) != in_block


def test_the_past_looks_as_it_was(versioned: Models, old: int) -> None:
    books = versioned.Book.objects.as_of(old)
    assert [(b.title, b.publisher.founded, [a.name for a in b.authors.all()]) for b in books] == [
        ("Emma", 1768, ["Jane"]),
        ("Ulysses", 1768, ["James"]),
    ]
    assert books.filter(authors__name="Jane").aggregate(n=Count("id"), p=Sum("pages")) == {"n": 1, "p": 474}
    now = [(b.title, b.publisher, [a.name for a in b.authors.all()]) for b in versioned.Book.objects.all()]
    assert now == [("Emma II", None, ["Joan"]), ("Persuasion", None, ["Joan", "James"])]


def test_the_past_has_moments_and_tokens(versioned: Models) -> None:
    m = versioned
    book = m.Book.objects.create(id=1, title="one")
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (at,) = cursor.fetchone()
    token = kontract.pin_snapshot(60)
    book.title = "two"
    book.save()
    assert m.Book.objects.as_of(at).get().title == m.Book.objects.as_of(token).get().title == "one"
    with pytest.raises(InvalidSnapshotError):
        m.Book.objects.as_of(dt.datetime(2024, 1, 1))
    with pytest.raises(InvalidSnapshotError):
        list(m.Book.objects.as_of(10**15))


WRITES: dict[str, Any] = {
    "save": lambda m, book: book.save(),
    "delete": lambda m, book: book.delete(),
    "update": lambda m, book: m.Book.objects.as_of(1).update(title="x"),
    "delete all": lambda m, book: m.Book.objects.as_of(1).delete(),
    "create": lambda m, book: m.Book.objects.as_of(1).create(id=9, title="x"),
    "bulk_create": lambda m, book: m.Book.objects.as_of(1).bulk_create([m.Book(id=9, title="x")]),
    "bulk_update": lambda m, book: m.Book.objects.as_of(1).bulk_update([m.Book(id=1, title="x")], ["title"]),
    "get_or_create": lambda m, book: m.Book.objects.as_of(1).get_or_create(id=9, title="x"),
    "related update": lambda m, book: book.publisher.books.update(pages=1),
    "related create": lambda m, book: book.publisher.books.create(id=9, title="x"),
    "in a block": lambda m, book: in_block(lambda: m.Book(id=9, title="x").save()),
    "update in a block": lambda m, book: in_block(lambda: m.Book.objects.update(title="x")),
    "delete in a block": lambda m, book: in_block(lambda: m.Book.objects.get(id=1).delete()),
}


def in_block(function: Any) -> None:
    """Do something while looking at the past."""
    with kontract.as_of(1):
        function()


@pytest.mark.parametrize("name", WRITES)
def test_the_past_cannot_be_written(versioned: Models, old: int, name: str) -> None:
    m = versioned
    book = m.Book.objects.as_of(old).get(id=1)
    before = sorted(map(str, m.Book.objects.values_list())), m.Book.authors.through.objects.count()
    with pytest.raises((ReadOnlyError, m.Book.DoesNotExist)) as raised:
        WRITES[name](m, book)
    assert raised.type is ReadOnlyError or name == "delete in a block"  # at 1 there was no book to delete
    assert (sorted(map(str, m.Book.objects.values_list())), m.Book.authors.through.objects.count()) == before


def test_an_object_knows_its_versions(versioned: Models) -> None:
    book = versioned.Book.objects.create(id=1, title="one")
    with kontract.transaction(label="rename"):
        versioned.Book.objects.update(title="two")
    book.refresh_from_db()
    newest, oldest = book.history
    assert (newest.label, newest.deleted_txid, oldest.deleted_txid) == ("rename", None, newest.txid)
    assert (newest.instance.title, oldest.instance.title) == ("two", "one")
    assert book.diff(oldest.txid) == {"title": ("two", "one")}
    assert book.diff(oldest.instance) == {"title": ("two", "one")}
    assert book.diff(book) == {}


def test_an_object_goes_back_to_what_it_was(versioned: Models, old: int) -> None:
    m = versioned
    book = m.Book.objects.get(id=1)
    book.restore(old)
    assert (book.title, m.Book.objects.get(id=1).title, book.publisher.founded) == ("Emma", "Emma", 2000)
    gone = m.Book.objects.as_of(old).get(id=2)
    gone.restore(old)
    assert m.Book.objects.get(id=2).title == "Ulysses"
    gone.pages = 1
    gone.save()
    assert m.Book.objects.get(id=2).pages == 1
    with pytest.raises(m.Book.DoesNotExist):
        m.Book.objects.get(id=3).restore(old)


def test_what_changed_between_two_transactions(versioned: Models, old: int) -> None:
    m = versioned
    last = write(lambda: m.Book.objects.filter(id=3).update(pages=5))
    assert [book.id for book in m.Book.objects.changed_between(old, last)] == [1, 3]
    assert [book.id for book in m.Book.objects.changed_between(last - 1, last)] == [3]
    assert [book.id for book in m.Book.objects.changed_between(0, old).filter(title__startswith="E")] == [1]
    assert not m.Book.objects.changed_between(last, last).exists()


def test_a_transaction_is_undone_with_its_unique_values(versioned: Models) -> None:
    accounts = versioned.Account.objects
    accounts.create(id=1, email="a@x", code=1)
    changed = write(lambda: accounts.update(email="b@x", code=2))
    accounts.create(id=2, email="c@x")
    kontract.undo(changed)
    assert accounts.values_list("email", "code").get(id=1) == ("a@x", 1)
    with pytest.raises(IntegrityError):
        accounts.create(id=3, email="a@x")
    accounts.create(id=3, email="b@x", code=2)
    deleted = write(lambda: accounts.filter(id=1).delete())
    accounts.create(id=4, email="a@x")
    with pytest.raises(IntegrityError):
        kontract.undo(deleted)
    accounts.filter(id=4).update(email="free")
    kontract.undo(deleted)
    assert accounts.get(email="a@x").pk == 1


def test_undo_refuses_what_later_ones_touched_and_what_would_dangle(versioned: Models, old: int) -> None:
    m = versioned
    with pytest.raises(UndoConflictError):
        kontract.undo(old)
    made = write(lambda: m.Publisher.objects.create(name="new"))
    m.Book.objects.create(id=7, title="x", publisher_id="new")
    with pytest.raises(IntegrityError):
        kontract.undo(made)
    assert m.Publisher.objects.filter(name="new").exists()


def test_parts_of_an_object_in_several_tables_are_of_one_moment(versioned: Models) -> None:
    m = versioned
    txid = write(lambda: m.Pizzeria.objects.create(name="roma", size=3, stars=1))
    m.Pizzeria.objects.update(name="napoli", stars=2, oven="gas")
    then = m.Pizzeria.objects.as_of(txid).get()
    assert (then.name, then.stars, then.oven) == ("roma", 1, "wood")
    assert m.Place.objects.as_of(txid).get().restaurant.pizzeria.stars == 1
    now = m.Pizzeria.objects.get()
    now.restore(txid)
    assert m.Pizzeria.objects.values_list("name", "stars", "oven").get() == ("roma", 1, "wood")


RELATED: dict[str, Any] = {
    "add": lambda manager, other: manager.add(other),
    "remove": lambda manager, other: manager.remove(other),
    "set": lambda manager, other: manager.set([other]),
    "clear": lambda manager, other: manager.clear(),
}


@pytest.mark.parametrize("name", RELATED)
def test_relations_of_an_object_of_the_past_cannot_be_changed(namespace: str, name: str) -> None:
    m = Models("versioned")
    author, other = m.Author.objects.create(id=1, name="a"), m.Author.objects.create(id=2, name="b")
    book = m.Book.objects.create(id=1, title="b")
    with kontract.transaction() as block:
        book.authors.add(author)
    book.authors.add(other)
    assert block.txid
    then = m.Book.objects.as_of(block.txid).get()
    with pytest.raises(ReadOnlyError):
        RELATED[name](then.authors, then.authors.get())
    accessor = m.Book._meta.get_field("authors").remote_field.get_accessor_name()
    with pytest.raises(ReadOnlyError):
        RELATED[name](getattr(then.authors.get(), accessor), then)
    assert set(book.authors.all()) == {author, other}
