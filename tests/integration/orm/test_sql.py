"""All SQL of versioned models is about two tables, and the ordinary ones that they refer to."""

import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.db.models import Count, F, Max, Sum

import kontract
from tests.twins.compare import Models
from tests.twins.stock import fill

NAMED = re.compile(r'(?:\b(?:FROM|JOIN|INTO|UPDATE|TABLE)\s+(?:ONLY\s+)?|,\s*)"?(\w++)"?+(?!\s*[(.])', re.IGNORECASE)

LITERAL = re.compile(r"'(?:[^']|'')*'")


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect every statement that psycopg sends, also those that Django's log does not show."""
    seen: list[str] = []
    execute = psycopg.Cursor.execute

    def watch(cursor: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(query if isinstance(query, str) else repr(query))
        return execute(cursor, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.Cursor, "execute", watch)
    return seen


def relations(statement: str) -> set[str]:
    """Return the logical and physical tables that a statement names where tables are named."""
    logical = {m._meta.db_table for m in apps.get_app_config("versioned").get_models(include_auto_created=True)}
    physical = set(connection.introspection.table_names())
    return {
        name
        for name in NAMED.findall(LITERAL.sub("''", statement))
        if name in logical | physical or name.startswith("pg_")
    }


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
    assert set().union(*map(relations, tuple(statements))) == {"storage", "trxs"}


@pytest.mark.more_privilege
@pytest.mark.usefixtures("plain_tables")
def test_an_ordinary_table_is_named_where_it_is_referred_to(versioned: Models, statements: list[str]) -> None:
    group = Group.objects.create(name=versioned.kind + kontract.ctx.owner)
    statements.clear()
    note = versioned.Note.objects.create(text="x", group=group)
    note.readers.add(group)
    list(versioned.Note.objects.filter(readers__name="x", group__name="y").select_related("group"))
    assert set().union(*map(relations, tuple(statements))) - {"trxs"} == {"storage", "auth_group"}
    group.delete()
    assert not versioned.Note.objects.exists()


def test_the_names_in_a_statement_are_found() -> None:
    assert relations('SELECT 1 FROM "versioned_book" JOIN storage s ON true') == {"versioned_book", "storage"}
    assert relations("WITH x AS (INSERT INTO trxs VALUES (1)) UPDATE ONLY storage SET id = ''") == {"trxs", "storage"}
    assert relations("SELECT pg_backend_pid() FROM (SELECT 1) versioned_book, pg_class") == {"pg_class"}
