"""Dry runs: what a call would change is told, everything that would stop it is raised, and nothing is committed."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction
from django.db.transaction import TransactionManagementError
from django.test import TestCase

import kontract
from kontract import env, perms
from kontract.context import CallContext, calling, elevated, get_namespace
from kontract.exceptions import (
    AnswerTooLargeError,
    ConflictError,
    ConstraintError,
    DocumentNotFound,
    InvalidRequestError,
    PermissionDeniedError,
)
from kontract.mvcc import clock
from kontract.mvcc.connections import fetch_all
from kontract.rpc.dispatch import dispatch
from kontract.rpc.envelope import Arguments
from kontract.rpc.options import Options
from kontract.rpc.procedure import Procedure
from kontract.rpc.reply import Reply
from kontract.rpc.results import Download
from kontract.tables.catalog import create_namespace, locate
from tests.calls import Post
from tests.interleave import Actor
from tests.shop.models import Category, Product

pytestmark = pytest.mark.usefixtures("consistent", "declared")

DRY = Options(dry_run=True)
todo: list[Callable[[], Any]] = []


def do_it() -> Any:
    """Do what the test wants done."""
    return todo[-1]()


def send_file() -> Download:
    """Write something, and answer with a file."""
    env.storage.users.set("file", {})
    return Download(b"")


DO_IT: Procedure[..., Any] = Procedure(name="do_it", function=do_it)
SEND_FILE: Procedure[..., Any] = Procedure(name="send_file", function=send_file)


def run(function: Callable[[], Any], *, dry: bool = True, owner: str = "Ada", procedure: Any = DO_IT) -> Reply:
    """Run a function as a procedure."""
    todo.append(function)
    try:
        with calling(CallContext(owner=owner, is_anonymous=not owner, route="do_it", perm=procedure.perm)):
            return dispatch(procedure, Arguments(), DRY if dry else Options())
    finally:
        todo.pop()


def changes(function: Callable[[], Any], **options: Any) -> list[Any]:
    """Return what a dry run of a function says that it would change."""
    body: Any = run(function, **options).body
    return sorted(json.loads(body)["changes"], key=lambda item: (item["table"], item["id"]))


def change(table: str, document_id: str, op: str, before: Any, after: Any) -> dict[str, Any]:
    return {"table": table, "id": document_id, "op": op, "before": before, "after": after}


@pytest.fixture(autouse=True)
def _nothing_is_committed(declared: None) -> Iterator[None]:
    """Check at the end that all that a test has stored is older than its dry runs; those leave nothing."""
    yield
    assert not connection.in_atomic_block
    assert (
        fetch_all(connection, "SELECT 1 FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'", {}) == []
    )


def everything() -> list[Any]:
    """Return all rows of the test's namespace, in both tables."""
    ns = locate()[1]
    statements = ("SELECT * FROM storage WHERE ns = %(ns)s", "SELECT * FROM trxs WHERE ns = %(ns)s")
    return [sorted(map(repr, fetch_all(connection, sql, {"ns": ns}))) for sql in statements]


# --- What is told ----------------------------------------------------------------------------------------------------


def test_what_would_change_is_told_and_nothing_changes() -> None:
    users, counters = env.storage.users, env.storage.counters
    users.set_many({"a": {"n": 1, "kept": True}, "b": {"n": 2}, "c": {"n": 3}, "same": {}})
    counters.set("hits", {"n": 1})

    def function() -> int:
        users.update("a", {"n": 10})
        users.delete("b")
        users.set("c", {"new": None})
        users.set("d", {"n": 4})
        users.set("d", {"n": 5})
        users.set("same", {})
        users.delete("absent")
        counters.update("hits", {"n": 2})
        users.query(n__gte=5).update({"big": True})
        return len(users)

    before = everything()
    reply = run(function)
    body: Any = reply.body
    assert json.loads(body)["result"] == 4
    assert changes(function) == [
        change("counters", "hits", "update", {"n": 1}, {"n": 2}),
        change("users", "a", "update", {"n": 1, "kept": True}, {"n": 10, "kept": True, "big": True}),
        change("users", "b", "delete", {"n": 2}, None),
        change("users", "c", "update", {"n": 3}, {"new": None}),
        change("users", "d", "insert", None, {"n": 5, "big": True}),
        change("users", "same", "update", {}, {}),
    ]
    assert everything() == before


def test_the_same_call_then_changes_just_that() -> None:
    env.storage.users.set("a", {"n": 1})

    def function() -> None:
        env.storage.users.update("a", {"n": env.storage.users["a"]["n"] + 1})
        env.storage.users.set("b", {"text": 'Grüße " \\u0000 😀', "n": 1.5})

    told = changes(function)
    run(function, dry=False)
    assert {item["id"]: item["after"] for item in told} == dict(env.storage.users.items())


def test_versioned_models_are_told_as_logical_tables() -> None:
    key = uuid.uuid4()
    (told,) = changes(lambda: Category.objects.create(pk=key, name="Tools") and None)
    assert told == change("shop_category", str(key), "insert", None, told["after"])
    assert told["after"]["name"] == "Tools"
    assert not Category.objects.exists()


def test_a_call_that_changes_nothing_says_so() -> None:
    env.storage.users.set("a", {})
    assert changes(lambda: env.storage.users.get("a") and None) == []


def test_a_call_without_storage_opens_no_connection() -> None:
    connection.close()
    assert changes(lambda: transaction.on_commit(lambda: 1 / 0)) == []
    assert connection.connection is None
    connection.ensure_connection()


def test_tables_that_would_be_made_are_not_changes() -> None:
    create_namespace(fresh := f"{get_namespace()}-fresh")
    with kontract.namespace(fresh):
        assert [item["table"] for item in changes(lambda: env.storage.users.set("a", {}) and None)] == ["users"]
        assert everything() == [[], []]


@pytest.mark.parametrize("suffix", ["", "_async"])
def test_over_http(post: Post, suffix: str) -> None:
    response = post(f"set_user{suffix}", b'{"args": ["u1", "Ada"]}', headers={"Kontract-Dry-Run": "1"})
    assert response.status_code == 200
    (told,) = json.loads(response.content)["changes"]
    assert (told["table"], told["id"], told["op"], told["after"]["name"]) == ("users", "u1", "insert", "Ada")
    assert response["Kontract-Txid"] == str(clock.latest(*locate()))
    assert len(env.storage.users) == 0


# --- What is undone --------------------------------------------------------------------------------------------------


@pytest.mark.more_privilege  # Django's own tables
def test_ordinary_models_are_undone_and_not_told() -> None:
    assert changes(lambda: Group.objects.create(name="dry") and env.storage.users.set("a", {}) and None) == [
        change("users", "a", "insert", None, {})
    ]
    assert not Group.objects.filter(name="dry").exists()


@pytest.mark.parametrize("flush_limit", [10_000, 1])
def test_nothing_that_waits_for_the_commit_runs(flush_limit: int, settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "FLUSH_LIMIT": flush_limit}
    ran: list[int] = []

    def function() -> None:
        transaction.on_commit(lambda: ran.append(1))
        env.storage.users.set("a", {})

    changes(function)
    assert ran == []


def test_no_txid_is_known_that_was_never_committed() -> None:
    last = env.storage.users.set("a", {}).txid
    reply = run(lambda: env.storage.users.set("a", {"n": 1}) and None)
    assert reply.txid == clock.last_seen(*_place()) == clock.latest(*locate()) == last
    assert (env.storage.users.set("a", {}).txid or 0) > (last or 0)


def _place() -> tuple[str, int]:
    found, ns = locate()
    return found.alias, ns


@pytest.mark.parametrize("durability", ["strict", "group"])
def test_the_clock_is_free_afterwards_and_durability_as_it_was(durability: str, settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "DURABILITY": durability, "CLOCK_TIMEOUT": 0.2}
    changes(lambda: env.storage.users.set("a", {}) and None)
    assert connection.autocommit
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)
    with Actor() as other:
        assert other.do(lambda: env.storage.users.set("b", {})).txid


def test_the_clock_is_let_go_of_in_the_message_that_takes_it() -> None:
    with Actor() as other:
        free: list[bool] = []

        def wrap(execute: Any, sql: str, *args: Any) -> Any:
            result = execute(sql, *args)
            if "pg_advisory_xact_lock" in sql:
                assert sql.endswith("ROLLBACK")
                free.append(bool(other.do(lambda: env.storage.users.set("b", {})).txid))
            return result

        with connection.execute_wrapper(wrap):
            changes(lambda: env.storage.users.set("a", {}) and None)
    assert free == [True]


def test_in_a_test_case_only_the_dry_run_is_undone() -> None:
    class Case(TestCase):
        def runTest(self) -> None:
            env.storage.users.set("a", {"n": 1})
            assert changes(lambda: env.storage.users.set("a", {"n": 2}) and None) == [
                change("users", "a", "update", {"n": 1}, {"n": 2})
            ]
            assert env.storage.users["a"] == {"n": 1}

    Case.setUpClass()
    try:
        Case().debug()
    finally:
        Case.tearDownClass()
    assert len(env.storage.users) == 0


def test_it_cannot_be_part_of_another_transaction() -> None:
    with kontract.transaction(), pytest.raises(TransactionManagementError, match="dry run"):
        changes(lambda: None)


# --- What stops the call stops the dry run ---------------------------------------------------------------------------


def test_errors_are_the_calls_own() -> None:
    with pytest.raises(DocumentNotFound):
        changes(lambda: env.storage.users.update("absent", {}))


def test_a_conflict_is_run_again_and_then_raised(settings: Any) -> None:
    env.storage.users.set("a", {"n": 0})
    with Actor() as other:
        runs: list[int] = []

        def function(times: int) -> None:
            n = env.storage.users["a"]["n"]
            runs.append(n)
            if len(runs) <= times:
                other.do(lambda: env.storage.users.set("a", {"n": n + 10}))
            env.storage.users.set("a", {"n": n + 1})

        assert changes(lambda: function(1)) == [change("users", "a", "update", {"n": 10}, {"n": 11})]
        assert runs == [0, 10]
        settings.KONTRACT = {**settings.KONTRACT, "RETRIES": 0}
        with pytest.raises(ConflictError):
            changes(lambda: function(100))


def test_unique_values_are_checked_and_free_again() -> None:
    Category.objects.create(name="Tools")
    with pytest.raises(ConstraintError):
        changes(lambda: Category.objects.create(name="Tools"))
    changes(lambda: Category.objects.create(name="Toys") and None)
    Category.objects.create(name="Toys")


def test_references_are_checked_as_by_a_commit() -> None:
    with pytest.raises(ConstraintError, match="foreign key"):
        changes(lambda: Product.objects.create(name="Saw", slug="saw", price=1, category_id=uuid.uuid4()) and None)


@pytest.mark.more_privilege  # Django's own tables
def test_constraints_of_ordinary_models_are_checked_as_by_a_commit() -> None:
    with pytest.raises(IntegrityError):
        changes(lambda: LogEntry.objects.create(user_id=-1, action_flag=1, object_repr="") and None)


# --- Limits ----------------------------------------------------------------------------------------------------------


def test_more_documents_than_the_limit_are_refused(settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "MAX_DRY_RUN": 3}
    assert len(changes(lambda: env.storage.users.set_many({str(n): {} for n in range(3)}))) == 3
    with pytest.raises(AnswerTooLargeError, match="more than 3 documents"):
        changes(lambda: env.storage.users.set_many({str(n): {} for n in range(4)}))
    settings.KONTRACT = {**settings.KONTRACT, "MAX_DRY_RUN": 100, "FLUSH_LIMIT": 2}
    with pytest.raises(AnswerTooLargeError):
        changes(lambda: env.storage.users.set_many({str(n): {} for n in range(4)}))
    assert len(env.storage.users) == 0


def test_more_bytes_than_the_limit_are_refused(settings: Any) -> None:
    env.storage.users.set("a", {"text": "x" * 600})
    settings.KONTRACT = {**settings.KONTRACT, "MAX_BODY_BYTES": 1000}
    assert len(changes(lambda: env.storage.users.delete("a"))) == 1
    with pytest.raises(AnswerTooLargeError, match="more than 1000 bytes"):
        changes(lambda: env.storage.users.set("a", {"text": "y" * 600}) and None)


def test_a_file_has_no_place_for_changes() -> None:
    with pytest.raises(InvalidRequestError):
        run(lambda: None, procedure=SEND_FILE)
    assert "file" not in env.storage.users


# --- What the caller may not read is not told ------------------------------------------------------------------------


def test_fields_and_tables_that_the_caller_may_not_read_are_left_out(settings: Any) -> None:
    tables = {"users": {"fields": {"secret": perms._W_}}, "orders": {"perm": perms._WX}, "counters": {}}
    settings.KONTRACT = {**settings.KONTRACT, "TABLES": tables}
    env.storage.users.set("a", {"n": 1, "secret": "old"})

    def function() -> None:
        env.storage.users.update("a", {"secret": "new"})
        env.storage.orders.set("o", {"n": 1})
        env.storage.counters.set("c", {"n": 1})

    assert changes(function) == [
        change("counters", "c", "insert", None, {"n": 1}),
        change("users", "a", "update", {"n": 1}, {"n": 1}),
    ]


def test_what_is_somebody_elses_alone_is_left_out(settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "TABLES": {"users": {"owner_scoped": True}}}
    with calling(CallContext(owner="Bob")):
        env.storage.users.set("bobs", {"n": 1})

    def function() -> None:
        env.storage.users.set("mine", {"n": 1})
        with elevated():
            env.storage.users.update("bobs", {"n": 2})

    assert changes(function) == [change("users", "mine", "insert", None, {"n": 1})]


def test_a_procedure_that_may_not_write_does_not_even_dryly() -> None:
    procedure: Procedure[..., Any] = Procedure(name="do_it", function=do_it, perm=perms.R__)
    with pytest.raises(PermissionDeniedError):
        changes(lambda: env.storage.users.set("a", {}) and None, procedure=procedure)
