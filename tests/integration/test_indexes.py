"""The indexes that models ask for: which lookups use them, and how they are built, kept, dropped and printed."""

import re
import time as time_module
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import psycopg
import pytest
from django.contrib.postgres.indexes import BrinIndex
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import Exists, Index, OuterRef, QuerySet, Subquery
from django.db.models.functions import Lower
from django.utils import timezone
from pytest_django import DjangoDbBlocker

import kontract
from kontract import tables
from kontract.exceptions import UnsupportedError
from kontract.mvcc.writes import Table
from kontract.orm.building import is_building
from kontract.orm.indexes import NAME, definitions, place
from kontract.tables import catalog
from tests.app.models import Article, Journal

pytestmark = pytest.mark.more_privilege

COUNT = 20_000
DOCUMENTS = """
INSERT INTO storage (ns, ptr, id, _txid, _order, data)
SELECT 0, %(articles)s, md5(n::text)::uuid, 1, n, jsonb_build_object(
  'title', 'Title ' || n, 'journal_id', md5('journal' || n %% 200)::uuid, 'pages', n, 'price', (n || '.25'),
  'appeared', date '2000-01-01' + n,
  'read_at', CASE WHEN n %% 100 > 0 THEN
    to_char(timestamp '2000-01-01' + n * interval '1 hour', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END,
  'starts', to_char(time '00:00' + n * interval '4 seconds', 'HH24:MI:SS.US'), 'doi', md5('doi' || n)::uuid,
  'is_free', n %% 50 = 0, 'words', jsonb_build_array('word' || n %% 500, 'all'),
  'numbers', jsonb_build_array(n %% 500, -1), 'extra', jsonb_build_object('rank', n)
) FROM generate_series(1, %(count)s) n
UNION ALL SELECT 0, %(journals)s, md5('journal' || n)::uuid, 1, n, jsonb_build_object('title', 'Journal ' || n)
FROM generate_series(0, 199) n
"""


def migrate(**options: Any) -> str:
    out = StringIO()
    call_command("kontract_migrate", stdout=out, **options)
    return out.getvalue()


def execute(sql: str, **params: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return cursor.fetchall() if cursor.description else []


def index_names() -> dict[str, bool]:
    """Return the names of kontract's indexes, and whether they are valid."""
    rows = execute("SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'storage'::regclass")
    names = {name.rpartition(".")[2]: valid for name, valid in rows}
    return {name: valid for name, valid in names.items() if name.startswith("kontract_")}


def created(output: str) -> list[str]:
    return re.findall(r"building kontract_0_\d+_(\w+)_\w{8} for", output)


@pytest.fixture(scope="module")
def library(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Make a schema with the two tables, many documents, and all indexes."""
    name = f"library_{uuid4().hex}"
    with django_db_blocker.unblock():
        execute(f"CREATE SCHEMA {name}")
        with schema(name):
            migrate(no_indexes=True)
            ptrs = {table.name: table.ptr for table in catalog.list_tables(connection, 0).values()}
            execute(DOCUMENTS, count=COUNT, articles=ptrs["articles"], journals=ptrs["journals"])
            migrate()
        yield name
        execute(f"DROP SCHEMA {name} CASCADE")
        connection.close()


class schema:
    """Use another schema within the block."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        execute(f"SET search_path = {self.name}")
        catalog.forget("default")

    def __exit__(self, *error: object) -> None:
        execute("SET search_path TO DEFAULT")
        catalog.forget("default")


@pytest.fixture
def shelves(namespace: str, library: str) -> Iterator[None]:
    """Use the library."""
    with schema(library), kontract.namespace(""):
        yield


@pytest.fixture
def empty(namespace: str) -> Iterator[str]:
    """Use a schema of its own, with the two tables and the logical ones, but no index yet."""
    name = namespace.replace("-", "_")
    execute(f"CREATE SCHEMA {name}")
    with schema(name), kontract.namespace(""):
        migrate(no_indexes=True)
        yield name
    execute(f"DROP SCHEMA {name} CASCADE")


def journal() -> Journal:
    found: Journal = Journal.objects.get(title="Journal 7")
    return found


def moment(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


articles = Article.objects
LOOKUPS: dict[str, tuple[str, Callable[[], QuerySet[Any]]]] = {
    "text": ("title_like", lambda: articles.filter(title="Title 5")),
    "texts": ("title_like", lambda: articles.filter(title__in=["Title 5", "Title 6"])),
    "startswith": ("title_like", lambda: articles.filter(title__startswith="Title 123")),
    "range of texts": ("article_once", lambda: articles.filter(title__gte="Title 123", title__lt="Title 124")),
    "order by text": ("article_once", lambda: articles.order_by("-title")[:5]),
    "unique text": ("journals_title_like", lambda: Journal.objects.filter(title="Journal 7")),
    "start of a unique text": ("journals_title_like", lambda: Journal.objects.filter(title__startswith="Journal 7")),
    "iexact": ("article_upper", lambda: articles.filter(title__iexact="title 5")),
    "function": ("article_lower(_like)?", lambda: articles.alias(l=Lower("title")).filter(l="title 5")),
    "order by function": ("article_lower", lambda: articles.order_by(Lower("title").desc(), "pages")[:5]),
    "istartswith in lower case": (
        "article_lower_like", lambda: articles.alias(l=Lower("title")).filter(l__startswith="title 123")
    ),
    "number": ("pages", lambda: articles.filter(pages=5)),
    "numbers": ("pages", lambda: articles.filter(pages__in=[5, 6])),
    "range of numbers": ("pages", lambda: articles.filter(pages__range=(5, 9))),
    "order by number": ("pages", lambda: articles.order_by("-pages")[:5]),
    "after a number": ("pages", lambda: articles.filter(pages__gt=100).order_by("pages")[:5]),
    "decimal": ("(article_price_hash|price)", lambda: articles.filter(price=Decimal("5.25"))),
    "range of decimals": ("price", lambda: articles.filter(price__gte=5, price__lt=9)),
    "date": ("appeared", lambda: articles.filter(appeared=date(2001, 2, 3))),
    "range of dates": ("appeared", lambda: articles.filter(appeared__range=(date(2001, 2, 3), date(2001, 2, 9)))),
    "year of a date": ("appeared", lambda: articles.filter(appeared__year=2001)),
    "order by date": ("appeared", lambda: articles.order_by("appeared")[:5]),
    "moment": ("read_at", lambda: articles.filter(read_at=moment(2000, 1, 2))),
    "moments": ("read_at", lambda: articles.filter(read_at__in=[moment(2000, 1, 2), moment(2000, 1, 3)])),
    "between moments": (
        "read_at", lambda: articles.filter(read_at__gte=moment(2000, 1, 2), read_at__lt=moment(2000, 1, 3))
    ),
    "range of moments": ("read_at", lambda: articles.filter(read_at__range=(moment(2000, 1, 2), moment(2000, 1, 3)))),
    "year of a moment": ("read_at", lambda: articles.filter(read_at__year=2001)),
    "no moment": ("read_at", lambda: articles.filter(read_at__isnull=True)),
    "order by moment": ("read_at", lambda: articles.filter(read_at__lt=moment(2001, 1, 1)).order_by("-read_at")[:5]),
    "selected moments in order": ("read_at", lambda: articles.order_by("read_at").values_list("read_at")[:5]),
    "time": ("starts", lambda: articles.filter(starts=time(1, 0))),
    "range of times": ("starts", lambda: articles.filter(starts__range=(time(1, 0), time(1, 1)))),
    "order by time": ("starts", lambda: articles.order_by("starts")[:5]),
    "UUID": ("doi", lambda: articles.filter(doi=UUID(int=5))),
    "foreign key": ("article_latest", lambda: articles.filter(journal=journal())),
    "foreign keys": ("article_latest", lambda: articles.filter(journal__in=[journal()])),
    "no foreign key": ("article_latest", lambda: articles.filter(journal__isnull=True)),
    "join": ("article_latest", lambda: articles.filter(journal__title="Journal 7")),
    "reverse join": ("doi", lambda: Journal.objects.filter(articles__doi=UUID(int=5))),
    "select_related": ("storage_live", lambda: articles.filter(doi=UUID(int=5)).select_related("journal")),
    "related manager": ("article_latest", lambda: journal().articles.all()),
    "foreign key of a subquery": (
        "article_latest", lambda: articles.filter(journal__in=Journal.objects.filter(title="Journal 7"))
    ),
    "exists": (
        "article_latest",
        lambda: Journal.objects.filter(Exists(articles.filter(journal=OuterRef("pk"))), title="Journal 7"),
    ),
    "latest of each": (
        "article_latest",
        lambda: Journal.objects.annotate(
            latest=Subquery(articles.filter(journal=OuterRef("pk")).order_by("-read_at").values("title")[:1])
        ),
    ),
    "latest of one": ("article_latest", lambda: articles.filter(journal=journal()).order_by("-read_at")[:5]),
    "primary key": ("storage_live", lambda: articles.filter(pk=uuid4())),
    "primary keys": ("storage_live", lambda: articles.filter(pk__in=[uuid4(), uuid4()])),
    "order by primary key": ("article_key", lambda: articles.order_by("-pk")[:5]),
    "after a primary key": ("article_key", lambda: articles.filter(pk__gt=uuid4()).order_by("pk")[:5]),
    "condition": ("article_free", lambda: articles.filter(is_free=True, read_at__isnull=False, pages__lt=200)),
    "unique together": ("article_once", lambda: articles.filter(journal=journal(), title="Title 5")),
    "array contains": ("article_words", lambda: articles.filter(words__contains=["word5", "all"])),
    "array overlaps": ("article_words", lambda: articles.filter(words__overlap=["word5", "word6"])),
    "array of numbers": ("article_numbers", lambda: articles.filter(numbers__contains=[5])),
    "JSON contains": ("article_extra", lambda: articles.filter(extra__contains={"rank": 5})),
    "JSON has key": ("article_extra", lambda: articles.filter(extra__has_key="colour")),
    "JSON value": ("article_rank", lambda: articles.filter(extra__rank=5)),
}  # fmt: skip


@pytest.mark.parametrize("lookup", LOOKUPS)
@pytest.mark.usefixtures("shelves")
def test_a_lookup_uses_its_index(lookup: str) -> None:
    label, make = LOOKUPS[lookup]
    queryset = make()
    plan = queryset.explain()
    assert re.search(rf"\b(kontract_0_\d+_(articles_)?{label}_\w{{8}}|{label})\b", plan), plan
    if queryset.query.is_sliced:
        assert "Sort" not in plan


@pytest.mark.parametrize("lookup", LOOKUPS)
@pytest.mark.usefixtures("shelves")
def test_an_index_changes_no_result(lookup: str) -> None:
    queryset = LOOKUPS[lookup][1]()
    found = list(queryset.values_list())
    for method in ("indexscan", "indexonlyscan", "bitmapscan"):
        execute(f"SET enable_{method} = off")
    without = list(queryset.all().values_list())
    execute("SET enable_indexscan = on; SET enable_indexonlyscan = on; SET enable_bitmapscan = on")
    assert found == without if queryset.query.is_sliced else sorted(map(str, found)) == sorted(map(str, without))


@pytest.mark.usefixtures("shelves")
def test_what_lookups_on_stored_texts_find() -> None:
    assert articles.filter(appeared__year=2000).count() == 365  # the first of January has none
    assert articles.filter(appeared__year__gt=2053).count() == articles.filter(appeared__gt=date(2053, 12, 31)).count()
    for zone in (UTC, ZoneInfo("Asia/Tokyo")):
        with timezone.override(zone):
            until = articles.filter(read_at__lt=datetime(2001, 1, 1, tzinfo=zone))
            assert articles.filter(read_at__year__lte=2000).count() == until.count()
    assert articles.filter(read_at__isnull=True).count() == COUNT // 100
    assert articles.filter(words__contains=[]).count() == COUNT
    assert articles.filter(words__contains=["word5"]).count() == COUNT // 500
    assert articles.filter(words__overlap=["word5", "word6", "none"]).count() == 2 * COUNT // 500
    assert articles.filter(numbers__contains=[5, 5]).count() == COUNT // 500
    assert articles.filter(journal__in=Journal.objects.filter(title__in=["Journal 7", "Journal 8"])).count() == 200
    assert articles.filter(journal__in=Journal.objects.none()).count() == 0
    assert articles.exclude(journal__in=Journal.objects.exclude(title="Journal 7")).count() == 100
    moments = list(articles.filter(read_at__isnull=False).order_by("-read_at").values_list("read_at", flat=True)[:50])
    assert moments == sorted(moments, reverse=True)
    distinct = articles.filter(pages__lt=300).order_by("appeared").values_list("appeared", flat=True).distinct()
    assert list(distinct) == sorted(distinct)


@pytest.mark.usefixtures("shelves")
def test_a_transaction_that_has_written_uses_the_indexes_too() -> None:
    with kontract.transaction():
        articles.filter(title="Title 5").update(pages=-5)
        assert "articles_pages" in articles.filter(pages=6).explain()
        assert [found.title for found in articles.filter(pages=-5)] == ["Title 5"]
        transaction.set_rollback(True)


@pytest.mark.usefixtures("shelves")
def test_the_past_uses_the_indexes_for_what_is_still_live() -> None:
    assert "articles_pages" in articles.as_of(1).filter(pages=6).explain()


# --- Building --------------------------------------------------------------------------------------------------------


def test_missing_indexes_are_built_and_present_ones_kept(empty: str) -> None:
    assert index_names() == {}
    output = migrate()
    assert "articles_article_latest" in created(output)
    assert "for app.Article.pages ... " in output
    assert "gathering statistics" in output
    found = index_names()
    assert all(found.values())
    assert all(NAME.fullmatch(name) and len(name.encode()) <= 63 for name in found)
    assert "building" not in migrate()
    assert index_names() == found


def test_an_index_that_no_model_asks_for_is_dropped(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate()
    execute("CREATE INDEX kontract_of_somebody_else ON storage ((data ->> 'x')) WHERE ns = 0 AND ptr = 4711")
    before = index_names()
    changed = [index for index in Article._meta.indexes if index.name != "article_rank"]
    monkeypatch.setattr(Article._meta, "indexes", [*changed, Index(fields=["is_free"], name="article_new")])
    output = migrate()
    assert created(output) == ["articles_article_new"]
    gone = set(before) - set(index_names())
    assert [name.rpartition("_")[0].endswith("articles_article_rank") for name in gone] == [True]
    assert "kontract_of_somebody_else" in index_names()


def test_what_is_left_of_an_interrupted_build_is_built_again(empty: str) -> None:
    migrate()
    name = next(name for name in index_names() if "articles_pages" in name)
    execute(f"DROP INDEX {name}")
    with pytest.raises(Exception, match="could not create unique index"):  # leaves an invalid index behind
        execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON storage (ptr)")
    assert index_names()[name] is False
    assert "whose building was interrupted" in migrate()
    assert index_names()[name] is True


def test_one_that_cannot_be_built_does_not_stop_the_others(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Index(fields=["pages"], name="article_bad", opclasses=["no_such_ops"])
    monkeypatch.setattr(Article._meta, "indexes", [failing, Index(fields=["is_free"], name="article_good")])
    with pytest.raises(CommandError, match=r"(?s)article_bad.*no_such_ops"):
        migrate()
    assert any("article_good" in name for name in index_names())
    assert not any("article_bad" in name for name in index_names())


def test_indexes_of_one_namespace(empty: str) -> None:
    tables.create_namespace("north")
    tables.create_namespace("south")
    output = migrate(namespace="north")
    north = catalog.list_namespaces(connection)["north"]
    assert {name.split("_")[1] for name in index_names()} == {str(north)}
    assert f"building kontract_{north}_" in output
    assert "building" not in migrate(namespace="south", no_indexes=True)
    before = set(index_names())
    migrate()
    assert {name.split("_")[1] for name in index_names()} == {"0", "1", "2"}
    assert before < set(index_names())
    with pytest.raises(CommandError, match="no namespace 'west'"):
        migrate(namespace="west")


def test_a_script_for_a_dba_makes_the_same(empty: str) -> None:
    script = migrate(sql=True)
    assert index_names() == {}
    for statement in script.partition("-- Each of these")[2].split(";\n")[:-1]:
        execute(statement.partition("\n")[2] if statement.startswith(" ") else statement)
    assert created(migrate()) == []
    assert "-- No index is missing." in migrate(sql=True)


def test_a_role_that_does_not_own_the_tables_is_told_the_statements(empty: str) -> None:
    role = f"role_{empty}"
    execute(f"CREATE ROLE {role}")
    execute(f"GRANT USAGE ON SCHEMA {empty} TO {role}; GRANT SELECT, INSERT, UPDATE, DELETE ON storage, trxs TO {role}")
    execute(f"SET ROLE {role}")
    try:
        output = migrate()
    finally:
        execute(f"RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")
    assert "The role does not own the table storage" in output
    assert "CREATE INDEX CONCURRENTLY IF NOT EXISTS kontract_0_" in output
    assert index_names() == {}


@pytest.mark.own_tables
def test_a_build_that_is_going_on_is_not_taken_for_an_interrupted_one(empty: str) -> None:
    name = re.findall(r"(kontract_\w+) ON", migrate(sql=True))[0]
    build = f"CREATE INDEX CONCURRENTLY {name} ON {empty}.storage (ns)"
    params: Any = connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}
    with psycopg.connect(**params) as writer, psycopg.connect(**params, autocommit=True) as builder:
        writer.execute(f"LOCK TABLE {empty}.storage IN ROW EXCLUSIVE MODE")  # what the build waits for
        with ThreadPoolExecutor(1) as pool:
            built = pool.submit(builder.execute, build)
            while not is_building(connection):
                time_module.sleep(0.01)
            try:
                with pytest.raises(CommandError, match="Another process is building"):
                    migrate()
            finally:
                writer.rollback()
            built.result()
    assert index_names() == {name: True}


def test_nothing_is_built_inside_a_transaction(empty: str) -> None:
    with transaction.atomic(), pytest.raises(CommandError, match=r"outside of atomic\(\)"):
        migrate()


def test_a_field_has_an_index_of_its_own_where_no_other_begins_with_it() -> None:
    asked = {definition.label.removeprefix("articles_") for definition in definitions(Article, connection)}
    assert {"title_like", "doi", "price", "read_at"} < asked
    assert not {"title", "journal_id", "words", "is_free"} & asked
    assert [definition.label for definition in definitions(Journal, connection)] == ["journals_title_like"]


def test_the_same_index_of_another_table_has_another_name() -> None:
    definition = definitions(Article, connection)[0]
    names = {place(definition, Table(ns=0, ptr=ptr, name="articles")).name for ptr in (100, 100, 101)}
    assert len(names) == 2


@pytest.mark.parametrize(
    "index",
    [
        BrinIndex(fields=["pages"], name="brin"),
        Index(fields=["words"], name="array"),
    ],
)
def test_an_index_that_storage_cannot_have_is_refused(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Article._meta, "indexes", [index])
    with pytest.raises(UnsupportedError, match=f"{index.name}|GinIndex"):
        definitions(Article, connection)
