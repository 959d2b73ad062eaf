"""Lazy transactions: a function without any use of the database has none, and one with some notices no difference."""

import unittest
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection, connections, transaction
from django.test import TestCase
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kontract
from kontract import env
from kontract.context import CallContext, calling
from kontract.exceptions import ConflictError, IsolationError
from kontract.mvcc.connections import get_alias, get_connection
from kontract.mvcc.transaction import arun_transaction, run_transaction
from tests.databases import database_alias
from tests.integration.test_transactions import kontract_settings
from tests.interleave import Actor
from tests.savepoints import set_savepoint

pytestmark = pytest.mark.usefixtures("consistent", "declared")


def run(function: Callable[[], Any], **options: Any) -> Any:
    """Run a function in a lazy transaction and return its result."""
    return run_transaction(function, lazy=True, **options)[0]


def is_outside() -> bool:
    """Return whether Django's connection is in no transaction, as far as Django knows."""
    state = (connection.savepoint_ids, connection.atomic_blocks, connection.run_on_commit, connection.needs_rollback)
    return not connection.in_atomic_block and not any(state) and "ensure_connection" not in connection.__dict__


@pytest.fixture(params=[False, True], ids=["open", "closed"])
def fresh(request: pytest.FixtureRequest) -> bool:
    """Whether the test begins without a connection to the database; Django has closed its own then."""
    if request.param:
        connection.close()
    return bool(request.param)


# --- A function that uses no storage ----------------------------------------------------------------------------------


def test_a_function_without_storage_opens_no_connection(fresh: bool) -> None:
    before = connection.connection
    assert run(lambda: 1) == 1
    assert connection.connection is before
    assert (before is None) == fresh
    assert is_outside()


def test_a_function_without_storage_works_while_the_database_is_down() -> None:
    with database_alias("down", PORT="1", HOST="127.0.0.1"):
        assert run(lambda: 1, using="down") == 1
        with pytest.raises(OperationalError):
            run_transaction(lambda: 1, using="down")


def test_the_server_hears_nothing_of_a_function_without_storage() -> None:
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid

    def last_heard() -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SELECT state_change, xact_start FROM pg_stat_activity WHERE pid = %s", [pid])
            return cursor.fetchone()

    with Actor() as observer:
        before = observer.do(last_heard)
        run(lambda: transaction.on_commit(lambda: None))
        assert observer.do(last_heard) == before


def test_nothing_can_be_sent_past_the_transaction() -> None:
    get_connection("default")

    def raw() -> Any:
        before: Any = connection.connection
        connection.ensure_connection()
        return before, connection.connection.autocommit

    assert run(raw) == (None, False)


def test_an_asynchronous_function_without_storage_opens_no_connection(fresh: bool) -> None:
    async def function() -> int:
        return 1

    before = connection.connection
    assert async_to_sync(arun_transaction)(function, lazy=True) == (1, None)
    assert connection.connection is before
    assert is_outside()


def test_an_asynchronous_function_begins_with_its_first_use(fresh: bool) -> None:
    async def function() -> None:
        await env.storage.users.aset("1", {})
        await env.storage.users.aset("2", {})

    _, txid = async_to_sync(arun_transaction)(function, lazy=True)
    assert txid == env.storage.users["1"].txid == env.storage.users["2"].txid
    assert is_outside()


# --- What comes last --------------------------------------------------------------------------------------------------


def run_either(is_async: bool, function: Callable[[], Any], **options: Any) -> tuple[Any, int | None]:
    """Run a function of either kind in a lazy transaction."""

    async def afunction() -> Any:
        return await sync_to_async(function)()

    if is_async:
        return async_to_sync(arun_transaction)(afunction, lazy=True, **options)
    return run_transaction(function, lazy=True, **options)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_what_comes_last_is_in_the_transaction_and_has_the_last_word(is_async: bool) -> None:
    def at_end(result: int, used: Any) -> int:
        assert used is connections["default"]
        assert env.storage.users["1"] == {"n": result}
        return result + 1

    result, txid = run_either(is_async, lambda: env.storage.users.set("1", {"n": 1}) and 1, at_end=at_end)
    assert (result, txid) == (2, env.storage.users["1"].txid)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_what_comes_last_begins_no_transaction(is_async: bool, fresh: bool) -> None:
    assert run_either(is_async, lambda: 1, at_end=lambda result, used: (result, used.connection)) == ((1, None), None)
    assert is_outside()


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("uses_storage", [False, True], ids=["idle", "writing"])
def test_a_failure_of_what_comes_last_rolls_back(is_async: bool, uses_storage: bool) -> None:
    def function() -> None:
        transaction.on_commit(lambda: pytest.fail("Nothing was committed."))
        if uses_storage:
            env.storage.users.set("1", {})

    def at_end(result: None, used: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_either(is_async, function, at_end=at_end)
    assert "1" not in env.storage.users
    assert is_outside()


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_conflict_in_what_comes_last_is_run_again(is_async: bool) -> None:
    rivals = [ConflictError("Somebody was first."), None]

    def at_end(result: int, used: Any) -> int:
        if rival := rivals.pop(0):
            raise rival
        return result

    assert run_either(is_async, lambda: len(rivals), at_end=at_end) == (1, None)


# --- What waits for the commit ---------------------------------------------------------------------------------------


def test_what_waits_for_the_commit_runs_once_after_the_function(fresh: bool) -> None:
    ran: list[Any] = []

    def function() -> None:
        transaction.on_commit(lambda: ran.append(connection.in_atomic_block))
        assert ran == []

    run(function)
    assert ran == [False]
    assert is_outside()


def test_what_waits_for_the_commit_may_use_the_database(fresh: bool) -> None:
    run(lambda: transaction.on_commit(lambda: env.storage.users.set("1", {}) and None))
    assert env.storage.users["1"] == {}


@pytest.mark.parametrize("uses_storage", [False, True])
def test_what_waits_for_the_commit_does_not_run_after_a_failure(uses_storage: bool) -> None:
    ran: list[int] = []

    def function() -> None:
        transaction.on_commit(lambda: ran.append(1))
        if uses_storage:
            env.storage.users.set("1", {})
        raise KeyError

    with pytest.raises(KeyError):
        run(function)
    assert ran == []
    assert "1" not in env.storage.users
    assert is_outside()


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("uses_storage", [False, True])
def test_a_conflict_after_the_commit_does_not_run_the_function_again(lazy: bool, uses_storage: bool) -> None:
    runs: list[int] = []

    def fail() -> None:
        raise ConflictError("Somebody else's.")

    def function() -> None:
        runs.append(1)
        if uses_storage:
            env.storage.users.set("1", {"n": len(runs)})
        transaction.on_commit(fail)

    with pytest.raises(ConflictError):
        run_transaction(function, lazy=lazy)
    assert runs == [1]
    assert (env.storage.users.get("1") == {"n": 1}) == uses_storage
    assert is_outside()


# --- The first use ---------------------------------------------------------------------------------------------------


def _lock_a_user() -> None:
    list(get_user_model().objects.select_for_update())


def _open_a_savepoint() -> None:
    with transaction.atomic():
        pass


def _use_a_cursor() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _use_a_temporary_connection() -> None:
    with connection.temporary_connection() as cursor:
        cursor.execute("SELECT 1")


def _ask_for_the_version() -> object:
    connection.__dict__.pop("pg_version", None)  # Django asks once
    return connection.pg_version  # type: ignore[attr-defined]


FIRST_USES: dict[str, Callable[[], object]] = {
    "get": lambda: env.storage.users.get("1"),
    "query": lambda: list(env.storage.users.query(n=1)),
    "block": lambda: kontract.transaction().__enter__().__exit__(None, None, None),
    "cursor": _use_a_cursor,
    "temporary": _use_a_temporary_connection,
    "version": _ask_for_the_version,
    "savepoint": _open_a_savepoint,
    "ensure": lambda: connection.ensure_connection(),
    "autocommit": lambda: transaction.get_autocommit(),
    "alias": lambda: get_connection(get_alias("")),
    "nested": lambda: run_transaction(lambda: None),
    "ctx": lambda: kontract.ctx.current_txid,
}


@pytest.mark.parametrize("first", FIRST_USES.values(), ids=FIRST_USES)
def test_every_way_to_the_database_begins_the_transaction(first: Callable[[], object], fresh: bool) -> None:
    def function() -> str:
        first()
        env.storage.users.set("1", {"n": 1})
        with connection.cursor() as cursor:
            cursor.execute("SHOW transaction_isolation")
            return str(cursor.fetchone()[0])

    with calling(CallContext(owner="Ada")):
        isolation, txid = run_transaction(function, lazy=True, label="lazily", isolation="serializable")
    assert isolation == "serializable"
    version = env.storage.users.history("1")[0]
    assert (version.txid, version.label, version.changed_by) == (txid, "lazily", "Ada")
    assert is_outside()


@pytest.mark.more_privilege  # Django's own tables
def test_select_for_update_finds_a_transaction() -> None:
    run(_lock_a_user)


def test_the_snapshot_is_that_of_the_first_use() -> None:
    with Actor() as other:

        def function() -> Any:
            other.do(lambda: env.storage.users.set("1", {"n": 1}))
            first = env.storage.users.get("1")
            other.do(lambda: env.storage.users.set("1", {"n": 2}))
            return first, env.storage.users.get("1")

        assert run(function) == ({"n": 1}, {"n": 1})


def test_a_conflict_is_run_again() -> None:
    env.storage.users.set("1", {"n": 0})
    with Actor() as other:
        rivals = [lambda: env.storage.users.set("1", {"n": 10})]

        def function() -> None:
            n = env.storage.users["1"]["n"]
            if rivals:
                other.do(rivals.pop())
            env.storage.users.set("1", {"n": n + 1})

        run(function)
    assert env.storage.users["1"] == {"n": 11}


def test_a_savepoint_as_the_first_use_of_a_connection_holds_back_early_flushes() -> None:
    connections["default"].close()
    del connections["default"]  # Django makes another, which nothing of ours has touched

    def function() -> None:
        with suppress(KeyError), transaction.atomic():
            env.storage.users.set_many({str(n): {} for n in range(5)})
            raise KeyError
        env.storage.users.set("kept", {})

    with kontract_settings(FLUSH_LIMIT=2):
        run(function)
    assert list(env.storage.users) == ["kept"]


def test_a_database_that_comes_back_in_the_middle_is_used() -> None:
    with database_alias("away") as alias:
        settings_of_alias = connections[alias].settings_dict
        port = settings_of_alias["PORT"], settings_of_alias["HOST"]

        def function() -> Any:
            settings_of_alias["PORT"], settings_of_alias["HOST"] = "1", "127.0.0.1"
            with pytest.raises(OperationalError), transaction.atomic(alias, savepoint=False):
                env.storage.users.using(alias).get("1")
            transaction.set_rollback(False, using=alias)
            settings_of_alias["PORT"], settings_of_alias["HOST"] = port
            env.storage.users.using(alias).set("1", {"n": 1})

        run(function, using=alias)
        assert env.storage.users["1"] == {"n": 1}


def test_another_database_is_none_of_its_business() -> None:
    with database_alias("other") as alias:
        run(lambda: env.storage.users.using(alias).set("1", {}), using="default")
        assert connections[alias].connection is not None
    assert env.storage.users["1"] == {}


# --- Inside other transactions ---------------------------------------------------------------------------------------


def test_inside_another_transaction_it_joins() -> None:
    with kontract.transaction() as outer:
        run(lambda: env.storage.users.set("1", {}))
        with pytest.raises(IsolationError):
            run(lambda: None, isolation="serializable")
    assert outer.txid == env.storage.users["1"].txid


def test_a_lazy_one_inside_a_lazy_one_joins_and_keeps_the_outer_label() -> None:
    def inner() -> None:
        with calling(CallContext(route="inner")):
            run(lambda: env.storage.users.set("1", {}))

    with calling(CallContext(route="outer")):
        run(inner)
    assert env.storage.users.history("1")[0].label == "outer"


def test_without_autocommit_it_joins() -> None:
    transaction.set_autocommit(False)
    try:
        run(lambda: env.storage.users.set("1", {}))
        assert connection.in_atomic_block is False
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)
    assert "1" not in env.storage.users


class LazyTestCase(TestCase):
    """A test case as our users write them; it is run below."""

    __test__ = False

    def test_lazily(self) -> None:
        with self.captureOnCommitCallbacks() as callbacks:
            run(lambda: transaction.on_commit(lambda: None))
        assert len(callbacks) == 1
        run(lambda: env.storage.users.set("1", {}))
        assert "1" in env.storage.users


def test_in_a_test_case_it_is_undone() -> None:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(LazyTestCase).run(result)
    assert (result.testsRun, result.failures, result.errors) == (1, [], [])
    assert "1" not in env.storage.users


# --- Eager and lazy ones do the same ---------------------------------------------------------------------------------


class Boom(Exception):
    """What programs fail with."""


class Log(list[Any]):
    """What a program has seen."""

    def note(self, function: Callable[[], object]) -> None:
        """Write down what a step returns or raises; the program goes on."""
        try:
            self.append(function())
        except Boom:
            raise
        except Exception as error:
            self.append(type(error).__name__)


def _divide_by_zero() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")


def _fail_later(log: Log) -> None:
    log.append("hook that fails")
    raise ConflictError("Too late.")


STEPS: dict[str, Callable[[Log], object]] = {
    "read": lambda log: env.storage.users.get("1"),
    "write": lambda log: env.storage.users.set("1", {"n": len(log)}).id,
    "count": lambda log: env.storage.counters.set("1", {"n": len(log)}).id,
    "take": lambda log: env.storage.orders.push({}).id and env.storage.orders.pop() is None,
    "query": lambda log: len(env.storage.users.query(n__gte=0)),
    "bad query": lambda log: _divide_by_zero(),
    "hook": lambda log: transaction.on_commit(lambda: log.append("hook")),
    "failing hook": lambda log: transaction.on_commit(lambda: _fail_later(log)),
    "writing hook": lambda log: transaction.on_commit(lambda: env.storage.users.set("2", {}) and None),
    "roll back": lambda log: transaction.set_rollback(True),
    "do not": lambda log: transaction.set_rollback(False),
    "ask": lambda log: transaction.get_rollback(),
    "commit": lambda log: transaction.commit(),
    "rollback": lambda log: transaction.rollback(),
    "savepoint": lambda log: transaction.savepoint_rollback(set_savepoint()),
    "autocommit": lambda log: transaction.get_autocommit(),
    "set autocommit": lambda log: transaction.set_autocommit(True),
    "close": lambda log: connection.close(),
    "durable": lambda log: transaction.atomic(durable=True).__enter__(),
    "inside": lambda log: (connection.in_atomic_block, len(connection.atomic_blocks)),
}
LEAVES = st.sampled_from([*STEPS, "fail"])
BLOCKS: dict[str, Callable[[], Any]] = {
    "atomic": transaction.atomic,
    "no savepoint": lambda: transaction.atomic(savepoint=False),
    "kontract": kontract.transaction,
}
PROGRAMS = st.recursive(
    st.lists(LEAVES, max_size=4),
    lambda inner: st.lists(LEAVES | st.tuples(st.sampled_from([*BLOCKS]), inner), max_size=4),
    max_leaves=8,
)


def interpret(program: list[Any], log: Log) -> None:
    """Do the steps of a program; a block is left by its body's failure, which goes no further."""
    for step in program:
        if step == "fail":
            raise Boom
        log.note(
            partial(STEPS[step], log) if isinstance(step, str) else partial(_interpret_block, step[0], step[1], log)
        )


def _interpret_block(kind: str, body: list[Any], log: Log) -> None:
    with suppress(Boom), BLOCKS[kind]():
        interpret(body, log)


def outcome(program: list[Any], *, lazy: bool) -> list[Any]:
    """Return all that can be seen of a program and what it leaves behind, and clear that away."""
    connection.ensure_connection()
    connection.rollback()
    connection.run_on_commit = []
    log = Log()
    try:
        _, txid = run_transaction(lambda: interpret(program, log), lazy=lazy)
        log.append(("committed", txid is not None))
    except Exception as error:
        log.append(("raised", type(error).__name__))
    state = (connection.in_atomic_block, connection.savepoint_ids, connection.atomic_blocks)
    log += [state, "ensure_connection" in connection.__dict__, connection.connection is None]
    stored = [dict(env.storage[name].items()) for name in ("users", "counters", "orders")]
    for name in ("users", "counters", "orders"):
        for document_id in list(env.storage[name]):
            env.storage[name].delete(document_id)
    return [*log, stored]


@pytest.fixture
def _clean(namespace: str) -> Iterator[None]:
    yield
    connection.close()


@pytest.mark.usefixtures("_clean")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PROGRAMS)
def test_programs_do_the_same_lazily(program: list[Any]) -> None:
    assert outcome(program, lazy=True) == outcome(program, lazy=False)
