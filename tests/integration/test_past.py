"""Reading the past, undoing it, pinning it, and removing it."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kontract
from kontract import env, tables
from kontract.context import CallContext, calling, ctx, get_namespace
from kontract.exceptions import (
    InvalidSnapshotError,
    NotVersionedError,
    ReadOnlyError,
    SnapshotTooOldError,
    TransactionNotFound,
    UndoConflictError,
)
from kontract.mvcc import vacuum
from kontract.mvcc.connections import fetch_one
from kontract.tables.catalog import create_namespace, locate, resolve
from kontract.tables.proxy import TableProxy
from tests.consistency import check_consistency
from tests.interleave import Actor
from tests.processes import Report, Worker

pytestmark = pytest.mark.usefixtures("declared")


@pytest.fixture
def users() -> TableProxy:
    return env.storage.users


@pytest.fixture
def txids(users: TableProxy) -> list[int]:
    """Three transactions: the documents "1" and "2" are written, "1" is changed, "1" is deleted."""
    first = users.set_many({"1": {"n": 1}, "2": {"n": 1}})
    second = users.set("1", {"n": 2}).txid
    with kontract.transaction() as block:
        users.delete("1")
    return [txid for txid in (first, second, block.txid) if txid]


def set_(users: TableProxy, document_id: str, **data: Any) -> int:
    """Write a document and return the txid."""
    txid = users.set(document_id, data).txid
    assert txid
    return txid


# --- as_of -----------------------------------------------------------------------------------------------------------

VIEWS: dict[str, Callable[[Any], Any]] = {
    "table": lambda moment: env.storage.users.as_of(moment),
    "block": lambda moment: InBlock(moment),
}


class InBlock:
    """The table, each of whose methods is called in a block."""

    def __init__(self, moment: Any) -> None:
        self._moment = moment

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            with kontract.as_of(self._moment):
                result = getattr(env.storage.users, name)(*args, **kwargs)
                return list(result) if isinstance(result, Iterator) else result

        return call


@pytest.fixture(params=VIEWS)
def at(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Two ways to look at the table ``users`` as of a moment."""
    return VIEWS[request.param]


STATES: list[dict[str, Any]] = [
    {"1": {"n": 1}, "2": {"n": 1}},
    {"1": {"n": 2}, "2": {"n": 1}},
    {"2": {"n": 1}},
]


@pytest.mark.parametrize("step", range(3))
def test_every_read_sees_the_state_after_a_transaction(txids: list[int], at: Callable[[Any], Any], step: int) -> None:
    past, state = at(txids[step]), STATES[step]
    assert dict(past.items()) == state
    assert past.get("1") == state.get("1")
    assert past.get_many(["1", "2"]) == state
    assert past.count() == len(state)
    assert [document.id for document in past.query(n=1)] == [key for key, data in state.items() if data["n"] == 1]
    assert past.query(n=2).exists() is (step == 1)
    assert [document.txid for document in past.query(_id="1")] == txids[step : step + 1] * (step < 2)


def test_a_point_in_time_shows_what_was_committed_by_then(
    txids: list[int], users: TableProxy, at: Callable[[Any], Any]
) -> None:
    moments = [version.committed_at for version in reversed(users.history("1"))]
    assert [at(moment).get("1") for moment in moments] == [{"n": 1}, {"n": 2}]
    assert moments[1]
    assert at(moments[1] - timedelta(microseconds=1)).get("1") == {"n": 1}
    assert at(datetime.now(UTC)).get("1") is None


def test_before_the_first_transaction_there_is_nothing(txids: list[int], at: Callable[[Any], Any]) -> None:
    assert list(at(0).items()) == list(at(txids[0] - 1).items()) == []
    assert at(datetime(1970, 1, 1, tzinfo=UTC)).count() == 0


def test_a_txid_of_another_namespace_shows_what_was_before_it(users: TableProxy) -> None:
    set_(users, "1", n=1)
    create_namespace(f"{get_namespace()}-other")
    with kontract.namespace(f"{get_namespace()}-other"):
        between = set_(env.storage.users, "1", n=100)
    set_(users, "1", n=2)
    assert users.as_of(between)["1"] == {"n": 1}


@pytest.mark.parametrize(
    "moment", [lambda txid: txid + 1_000_000, lambda txid: datetime.now(UTC) + timedelta(hours=1)], ids=["txid", "time"]
)
def test_the_future_cannot_be_seen(txids: list[int], at: Callable[[Any], Any], moment: Callable[[int], Any]) -> None:
    for read in (lambda past: past.get("2"), lambda past: past.count(), lambda past: list(past.values())):
        with pytest.raises(InvalidSnapshotError, match="has not come yet"):
            read(at(moment(txids[-1])))


@pytest.mark.parametrize("moment", [-1, 1 << 63, True, 1.5, None, datetime(2020, 1, 1), "malformed", "1.short"])
def test_what_is_no_moment_is_refused(users: TableProxy, moment: Any) -> None:
    with pytest.raises(InvalidSnapshotError):
        users.as_of(moment).get("1")


def test_a_snapshot_that_comes_while_it_is_read_is_not_shown_without_its_writes(users: TableProxy) -> None:
    txid = set_(users, "1", n=1)

    def write_before_the_check(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if "FROM trxs" in sql and not written:
            written.append(other.do(lambda: set_(users, "1", n=2)))
        return execute(sql, params, many, context)

    written: list[int] = []
    with Actor() as other, connection.execute_wrapper(write_before_the_check):
        try:
            seen = users.as_of(txid + 1).get("1")
        except InvalidSnapshotError:
            seen = None
    assert written == [txid + 1]
    assert seen in (None, {"n": 2})


def test_blocks_nest_and_end(txids: list[int], users: TableProxy) -> None:
    with kontract.as_of(txids[0]):
        assert (users["1"], ctx.current_txid) == ({"n": 1}, txids[0] + 1)
        with kontract.as_of(txids[1]):
            assert users["1"] == {"n": 2}
            assert users.as_of(txids[0])["1"] == {"n": 1}
        assert users["1"] == {"n": 1}
        query = users.query()
    assert users.get("1") is None
    assert len(query) == 2  # it was made in the block


def test_the_past_does_not_show_the_own_writes_of_a_transaction(txids: list[int], users: TableProxy) -> None:
    with kontract.transaction():
        users.set("1", {"n": 3})
        assert users.as_of(txids[1])["1"] == {"n": 2}
        with kontract.as_of(txids[2]):
            assert "1" not in users
        assert users["1"] == {"n": 3}


WRITES: dict[str, Callable[[TableProxy], Any]] = {
    "set": lambda users: users.set("2", {}),
    "set_many": lambda users: users.set_many({"2": {}}),
    "update": lambda users: users.update("2", {}),
    "delete": lambda users: users.delete("2"),
    "push": lambda users: users.push({}),
    "pop": lambda users: users.pop(),
    "shift": lambda users: users.shift(),
    "undo": lambda users: kontract.undo(users["2"].txid or 0),
    "create": lambda users: tables.create("new"),
    "drop": lambda users: tables.drop("users"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_the_past_cannot_be_changed(txids: list[int], users: TableProxy, write: Callable[[TableProxy], Any]) -> None:
    with kontract.as_of(txids[1]), pytest.raises(ReadOnlyError):
        write(users)
    with kontract.transaction(), kontract.as_of(txids[1]), pytest.raises(ReadOnlyError):
        write(users)
    assert dict(users.items()) == STATES[2]


# --- history ---------------------------------------------------------------------------------------------------------


def test_history_lists_versions_through_deletion_and_return(users: TableProxy) -> None:
    with calling(CallContext(owner="alice", route="sign_up")):
        first = set_(users, "1", n=1)
    second = set_(users, "1", n=2)
    with kontract.transaction(label="clean up") as deleted:
        users.delete("1")
    fourth = set_(users, "1", n=4)
    versions = users.history("1")
    assert [(version.txid, version.deleted_txid, version.data["n"]) for version in versions] == [
        (fourth, None, 4),
        (second, deleted.txid, 2),
        (first, second, 1),
    ]
    assert [(version.owner, version.changed_by, version.label) for version in versions] == [
        ("", "", None),
        ("alice", "", None),
        ("alice", "alice", "sign_up"),
    ]
    assert users.history("unknown") == []


# --- undo ------------------------------------------------------------------------------------------------------------


def mixed(users: TableProxy) -> None:
    users.set("1", {"n": 10})
    users.delete("2")
    users.set("3", {"n": 30})
    env.storage.orders.set("1", {"n": 1})
    env.storage.orders.delete("2")


TRANSACTIONS: dict[str, Callable[[TableProxy], Any]] = {
    "insert": lambda users: users.set("3", {"n": 3}),
    "update": lambda users: users.update("1", {"m": 1}),
    "delete": lambda users: users.delete("1"),
    "pop": lambda users: users.pop(),
    "set_many": lambda users: users.set_many({"1": {}, "2": {}, "3": {}}),
    "delete and set": lambda users: (users.delete("1"), users.set("1", {})),
    "all in two tables": mixed,
}


def all_documents() -> dict[str, list[tuple[Any, ...]]]:
    return {
        name: [(document.id, dict(document), document.owner) for document in env.storage[name].query()]
        for name in ("users", "orders")
    }


@pytest.mark.usefixtures("consistent")
@pytest.mark.parametrize("change", TRANSACTIONS.values(), ids=TRANSACTIONS)
def test_undo_brings_back_data_owner_and_order_and_can_be_undone(
    users: TableProxy, change: Callable[[TableProxy], Any]
) -> None:
    with calling(CallContext(owner="alice")):
        users.set("1", {"n": 1})
        users.set("2", {"n": 2})
        env.storage.orders.set("2", {"n": 2})
    before = all_documents()
    with calling(CallContext(owner="bob")), kontract.transaction() as block:
        change(users)
    after = all_documents()
    with calling(CallContext(owner="carol")):
        undone = kontract.undo(block.txid or 0)
        assert all_documents() == before
        kontract.undo(undone or 0)
    assert all_documents() == after


def test_undo_refuses_where_later_transactions_wrote_and_lists_the_documents(users: TableProxy) -> None:
    txid = users.set_many({str(n): {} for n in range(4)}) or 0
    changed = set_(users, "1", n=1)
    with kontract.transaction() as deleted:
        users.delete("2")
    with pytest.raises(UndoConflictError, match="users/1, users/2") as caught:
        kontract.undo(txid)
    assert sorted(caught.value.documents) == [("users", "1", changed), ("users", "2", deleted.txid)]
    assert len(users) == 3


def test_undo_of_what_is_no_transaction_here(users: TableProxy) -> None:
    txid = set_(users, "1")
    create_namespace(f"{get_namespace()}-other")
    with kontract.namespace(f"{get_namespace()}-other"), pytest.raises(TransactionNotFound):
        kontract.undo(txid)
    pin = kontract.pin_snapshot(60)
    for unknown in (txid + 1_000_000, int(pin.partition(".")[0])):
        with pytest.raises(TransactionNotFound):
            kontract.undo(unknown)


def test_undo_inside_a_transaction_is_part_of_it(txids: list[int], users: TableProxy) -> None:
    with kontract.transaction() as block:
        assert kontract.undo(txids[2]) is None
        assert users["1"] == {"n": 2}
        users.update("1", {"n": 3})
    assert users["1"] == {"n": 3}
    assert users["1"].txid == block.txid


# --- Pins ------------------------------------------------------------------------------------------------------------


def read_pinned(report: Report, token: str) -> None:
    report(dict(env.storage.users.as_of(token).items()))


def test_a_pinned_snapshot_is_read_by_another_process(txids: list[int], users: TableProxy) -> None:
    token = kontract.pin_snapshot(timedelta(minutes=1))
    set_(users, "2", n=2)
    with Worker(read_pinned, token) as worker:
        assert worker.finish() == [STATES[2]]


def test_a_pin_ends_by_time_or_by_hand(users: TableProxy) -> None:
    brief, longer = kontract.pin_snapshot(0.05), kontract.pin_snapshot(60)
    time.sleep(0.1)
    kontract.unpin_snapshot(longer)
    for token in (brief, longer, f"{longer[:-1]}{'A' if longer[-1] != 'A' else 'B'}"):
        with pytest.raises(SnapshotTooOldError, match="unknown or has expired"):
            users.as_of(token).count()


@pytest.mark.parametrize("ttl", [0, -1, timedelta(days=2), float("inf"), float("nan")])
def test_a_pin_has_a_limit(ttl: float | timedelta) -> None:
    with pytest.raises(InvalidSnapshotError):
        kontract.pin_snapshot(ttl)


# --- Vacuum ----------------------------------------------------------------------------------------------------------


def run_vacuum(**options: Any) -> str:
    """Run the command on the test's own namespace: others hold what other tests rely on."""
    output = StringIO()
    options = {"namespace": get_namespace()} | options
    call_command("kontract_vacuum", stdout=output, stderr=StringIO(), **options)
    return output.getvalue()


def count_history(name: str) -> int:
    connection, ns = locate()
    sql = "SELECT count(*) FROM storage WHERE ns = %(ns)s AND ptr = -%(ptr)s AND _deleted_txid IS NOT NULL"
    return int(fetch_one(connection, sql, {"ns": ns, "ptr": resolve(connection, ns, name).ptr})[0])


def test_vacuum_keeps_what_retention_asks_for(txids: list[int], users: TableProxy) -> None:
    run_vacuum()
    assert dict(users.as_of(txids[0]).items()) == STATES[0]


def test_vacuum_removes_the_past_and_says_so_when_it_is_asked_for(txids: list[int], users: TableProxy) -> None:
    run_vacuum(days=0)
    assert count_history("users") == 0
    assert dict(users.items()) == STATES[2]
    assert dict(users.as_of(txids[2]).items()) == STATES[2]
    for read in (lambda past: past.get("2"), lambda past: past.count(), lambda past: list(past.values())):
        with pytest.raises(SnapshotTooOldError, match="behind its horizon"):
            read(users.as_of(txids[1]))
    with pytest.raises(SnapshotTooOldError):
        kontract.undo(txids[2])
    set_(users, "1", n=5)
    assert dict(users.as_of(txids[2]).items()) == STATES[2]


def test_vacuum_in_batches_removes_the_same(txids: list[int], users: TableProxy) -> None:
    for n in range(10):
        set_(users, "2", n=n)
    run_vacuum(days=0, batch=1)
    assert count_history("users") == 0
    assert users["2"] == {"n": 9}


def test_vacuum_on_trial_removes_nothing(txids: list[int], users: TableProxy) -> None:
    _, ns = locate()
    assert f"namespace {ns}, users: would remove 2 versions up to transaction {txids[2]}" in run_vacuum(
        namespace=None, days=0, dry_run=True
    )
    assert dict(users.as_of(txids[0]).items()) == STATES[0]


def test_vacuum_reports_sizes(txids: list[int]) -> None:
    _, ns = locate()
    report = run_vacuum(sizes=True).partition(f"namespace {ns}:  table")[2]
    rows = [line.split() for line in report.splitlines()]
    assert next((row[1], row[4]) for row in rows if row and row[0] == "users") == ("1", "2")


def test_each_table_has_a_retention_of_its_own(txids: list[int], users: TableProxy) -> None:
    tables.create("brief", retention_days=0)
    first = set_(env.storage.brief, "1", n=1)
    set_(env.storage.brief, "1", n=2)
    run_vacuum()
    assert (count_history("brief"), count_history("users")) == (0, 2)
    with pytest.raises(SnapshotTooOldError):
        env.storage.brief.as_of(first).get("1")


def test_a_pin_holds_vacuum_back_until_it_ends(txids: list[int], users: TableProxy) -> None:
    token = kontract.pin_snapshot(60)
    set_(users, "2", n=2)
    set_(users, "2", n=3)
    run_vacuum(days=0)
    assert dict(users.as_of(token).items()) == STATES[2]
    with pytest.raises(SnapshotTooOldError):
        users.as_of(txids[1]).get("2")
    kontract.unpin_snapshot(token)
    run_vacuum(days=0)
    with pytest.raises(SnapshotTooOldError):
        users.as_of(txids[2]).get("2")


def test_a_moment_after_the_horizon_is_found_though_the_log_behind_it_is_gone(users: TableProxy) -> None:
    for n in range(3):
        set_(users, "1", n=n)
    token = kontract.pin_snapshot(60)
    moment = datetime.now(UTC)
    set_(users, "1", n=3)
    run_vacuum(days=0)
    assert users.as_of(token)["1"] == {"n": 2}
    assert users.as_of(moment)["1"] == {"n": 2}


# --- Any past, any horizon -------------------------------------------------------------------------------------------

documents = st.sampled_from(["a", "b", "c"])
operations = st.tuples(st.sampled_from(["set", "update", "delete"]), documents)
transactions = st.lists(st.lists(operations, min_size=1, max_size=5), min_size=1, max_size=8)


@pytest.mark.parametrize("flush_limit", [10_000, 1])
@given(transactions=transactions, horizons=st.lists(st.integers(0, 8), max_size=2), batch=st.integers(1, 3))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_snapshot_is_right_or_too_old(
    kontract_settings: Any, flush_limit: int, transactions: list[Any], horizons: list[int], batch: int
) -> None:
    name = f"{get_namespace()}-{time.monotonic_ns()}"
    create_namespace(name)
    with kontract.namespace(name):
        kontract_settings(FLUSH_LIMIT=flush_limit)
        states = run_model(transactions)
        check_consistency()
        check_snapshots(states, horizon=0)
        behind = 0
        for choice in horizons:
            horizon = sorted(states)[min(choice, len(states) - 1)]
            behind = max(behind, horizon)
            remove(horizon, batch)
            check_snapshots(states, horizon=behind)


@pytest.fixture
def kontract_settings(settings: Any) -> Callable[..., None]:
    def change(**changes: Any) -> None:
        settings.KONTRACT = {**settings.KONTRACT, **changes}

    return change


def run_model(transactions: list[list[tuple[str, str]]]) -> dict[int, dict[str, Any]]:
    """Run ``transactions`` on the table and on a dict; return the states of the dict by txid."""
    users, state, states = env.storage.users, dict[str, Any](), dict[int, dict[str, Any]]({0: {}})
    for number, transaction in enumerate(transactions):
        with kontract.transaction() as block:
            for step, (operation, key) in enumerate(transaction):
                value = {"n": number, "step": step}
                if operation == "delete":
                    assert users.delete(key) is (state.pop(key, None) is not None)
                elif operation == "set" or key in state:
                    getattr(users, operation)(key, value)
                    state[key] = value
                assert dict(users.items()) == state
        if block.txid:
            states[block.txid] = dict(state)
    return states


def remove(horizon: int, batch: int) -> None:
    connection, ns = locate()
    plan = vacuum.Plan(table=resolve(connection, ns, "users"), horizon=horizon, versions=0)
    list(vacuum.remove(connection, plan, batch=batch))
    list(vacuum.remove_log(connection, ns, horizon, batch=batch))


def check_snapshots(states: dict[int, dict[str, Any]], horizon: int) -> None:
    for txid, state in states.items():
        if txid < horizon:
            with pytest.raises(SnapshotTooOldError):
                env.storage.users.as_of(txid).count()
        else:
            assert dict(env.storage.users.as_of(txid).items()) == state


# --- Tables without a past -------------------------------------------------------------------------------------------


def test_an_unversioned_table_has_no_past_and_leaves_no_log() -> None:
    counters, before = env.storage.counters, kontract.ctx.current_txid
    counters.set("1", {"n": 1})
    assert counters["1"].txid == 0
    counters.set_many({"2": {"n": 2}, "3": {"n": 3}})
    assert counters.update("1", {"m": 1}) == {"n": 1, "m": 1}
    assert counters.delete("2")
    pushed = counters.push({"n": 4})
    assert (counters.shift(), counters.pop()) == ({"n": 1, "m": 1}, pushed)
    assert dict(counters.items()) == {"3": {"n": 3}}
    assert kontract.ctx.current_txid == before
    for look in (lambda: counters.as_of(before - 1).get("3"), lambda: counters.history("3")):
        with pytest.raises(NotVersionedError, match="counters"):
            look()
    with kontract.as_of(before - 1), pytest.raises(NotVersionedError):
        list(counters)
