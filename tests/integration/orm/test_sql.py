"""All SQL of versioned models is about two tables, and the ordinary ones that they refer to.

Every test's statements are looked at, see ``tests.integration.conftest``; here are many, and what would be noticed.
"""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.db.models import Count, F, Max, Sum

import kontract
from tests.statements import TWO, offences, relations
from tests.twins.compare import Models
from tests.twins.stock import fill


def read(m: Models) -> None:
    """Read in many ways."""
    books = m.Book.objects
    list(books.filter(publisher__founded__gt=1900, authors__name__contains="e").select_related("publisher"))
    list(books.prefetch_related("authors__mentor", "stores").annotate(n=Count("authors")).order_by("-n"))
    list(m.Publisher.objects.annotate(p=Sum("books__pages"), last=Max("books__published")).filter(p__gt=10))
    list(books.filter(id__in=m.Store.objects.values("books")).union(books.filter(id=1)))
    list(books.as_of(kontract.ctx.current_txid - 1).dates("published", "year"))
    books.aggregate(Sum("price"))
    books.filter(pk=1).exists()
    books.get(pk=1).history[0].instance.authors.count()
    list(m.Pizzeria.objects.filter(size__gt=1).select_related("restaurant_ptr"))
    list(m.Person.objects.filter(friends__idols__name="x"))


def write(m: Models) -> None:
    """Write in many ways."""
    m.Pizzeria.objects.create(name="p").delete()
    m.Account.objects.create(id=1, email="a@x", code=1)
    m.Account.objects.update(code=F("code") + 1)
    m.Account.objects.bulk_create([m.Account(id=1, email="b@x")], ignore_conflicts=True)
    m.Account.objects.update_or_create(id=1, defaults={"email": "c@x"})
    m.Booking.objects.create(id=1, name="x", room=1)
    m.Line.objects.create(id=1)
    m.Draft.objects.get_or_create(title="x")
    m.Question.objects.create(text="?").answer_set.create(text="!")
    with transaction.atomic():
        list(m.Book.objects.select_for_update().filter(pages__gt=100))
        m.Book.objects.filter(publisher="Murray").update(pages=F("pages") * 2)
        m.Author.objects.get(id=1).delete()
        m.Book.objects.bulk_update(m.Book.objects.all(), ["title"])
    m.Publisher.objects.all().delete()
    with kontract.transaction() as block:
        m.Store.objects.all().delete()
    assert block.txid is not None
    kontract.undo(block.txid)


ALL: list[Callable[[Models], None]] = [fill, read, write]


def test_no_table_but_the_two_is_named(versioned: Models, statements: list[str]) -> None:
    for use in ALL:
        use(versioned)
    assert len(statements) > 80
    assert frozenset().union(*map(relations, statements)) == TWO


@pytest.mark.more_privilege
@pytest.mark.usefixtures("plain_tables")
def test_an_ordinary_table_is_named_where_it_is_referred_to(versioned: Models, statements: list[str]) -> None:
    group = Group.objects.create(name=versioned.kind + kontract.ctx.owner)
    statements.clear()
    note = versioned.Note.objects.create(text="x", group=group)
    note.readers.add(group)
    list(versioned.Note.objects.filter(readers__name="x", group__name="y").select_related("group"))
    assert frozenset().union(*map(relations, statements)) == TWO | {"auth_group"}
    group.delete()
    assert not versioned.Note.objects.exists()


def test_what_is_sent_is_noticed_as_it_is_sent(versioned: Models, statements: list[str]) -> None:
    statements.clear()
    versioned.Account.objects.create(id=1, email="a@x", code=1)
    list(versioned.Account.objects.filter(email__contains="%s"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM trxs WHERE label LIKE %s OR label LIKE '%%x'", ["x"])
    assert statements[-1] == "SELECT count(*) FROM trxs WHERE label LIKE $1 OR label LIKE '%x'"
    assert frozenset().union(*map(relations, statements)) == TWO


@pytest.mark.parametrize(
    "statement",
    [
        'SELECT 1 FROM "versioned_book"',
        "SELECT 1 FROM storage s, versioned_book b",
        "WITH b AS (SELECT 1) UPDATE storage SET id = '' FROM unheard_of",
        "SELECT 1; DELETE FROM books USING storage WHERE true",
        "SELECT 1 FROM storage WHERE EXISTS (SELECT FROM pg_class)",
    ],
)
def test_another_table_is_noticed(statement: str) -> None:
    assert offences(["SELECT 1 FROM storage JOIN auth_group ON true", statement, "SELECT oid FROM pg_class"]) == [
        statement
    ]
