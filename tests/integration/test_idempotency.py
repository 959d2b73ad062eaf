"""Calls with an Idempotency-Key: one effect and one answer, whoever repeats them, whenever, and whatever dies."""

import itertools
import json
import random
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from io import StringIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import transaction
from django.test import override_settings

import kontract
from kontract import env
from kontract.context import CallContext, calling, get_namespace
from kontract.exceptions import (
    AnswerTooLargeError,
    ConflictError,
    DocumentNotFound,
    IdempotencyInProgressError,
    IdempotencyKeyReusedError,
    InvalidRequestError,
)
from kontract.mvcc.connections import fetch_all
from kontract.mvcc.transaction import run_transaction
from kontract.mvcc.versions import ptrs
from kontract.rpc.dispatch import dispatch
from kontract.rpc.envelope import Arguments
from kontract.rpc.idempotency import identify_call, run_once
from kontract.rpc.options import Options
from kontract.rpc.procedure import Procedure
from kontract.rpc.reply import Reply
from kontract.rpc.results import Download, HttpResp
from kontract.tables.catalog import create_namespace, locate
from tests.calls import Post, refused
from tests.integration.test_crashes import wait_for_end_of
from tests.interleave import Actor
from tests.processes import Report, Worker

pytestmark = pytest.mark.usefixtures("consistent", "declared")

during: list[Callable[[], object]] = []  # each is run once, in the middle of a call of ``order``


def order(n: int) -> int:
    """Order something, and return how many orders there are."""
    env.storage.orders.push({"n": n})
    if during:
        during.pop()()
    return len(env.storage.orders)


def order_with_headers(n: int) -> HttpResp[int]:
    """Order something, with an answer of its own."""
    return HttpResp(order(n), status=201, headers={"X-Order": str(n), "Ünï": "cödé"})


def look(n: int) -> int:
    """Write nothing, though it might."""
    return len(env.storage.orders) + n


def send_file(n: int) -> Download:
    """Order something, and answer with a file."""
    order(n)
    return Download(b"")


def repeat(text: str, times: int) -> str:
    """Answer at length."""
    env.storage.orders.push({})
    return text * times


FUNCTIONS = (order, order_with_headers, look, send_file, repeat)
PROCEDURES: dict[str, Procedure[..., Any]] = {f.__name__: Procedure(name=f.__name__, function=f) for f in FUNCTIONS}


def call(name: str, key: str, *args: Any, owner: str = "Ada", sid: str | None = None) -> Reply:
    """Call a procedure with a key."""
    with calling(CallContext(owner=owner, sid=sid, route=name)):
        return dispatch(PROCEDURES[name], Arguments(args=list(args)), Options(idempotency_key=key))


def is_replayed(reply: Reply) -> bool:
    return "Kontract-Replayed" in reply.headers


def orders() -> list[Any]:
    return [document["n"] for document in env.storage.orders.query().order_by("n")]


def kept() -> list[Any]:
    """Return the answers that are stored in the test's namespace."""
    connection, ns = locate()
    sql = "SELECT _order, _txid, data FROM storage WHERE ns = %(ns)s AND ptr = %(ptr)s"
    return fetch_all(connection, sql, {"ns": ns, "ptr": ptrs.ANSWERS})


# --- One client ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flush_limit", [10_000, 0])
@pytest.mark.parametrize("durability", ["strict", "group"])
def test_a_repeated_call_is_answered_as_the_first_was(flush_limit: int, durability: str, settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "FLUSH_LIMIT": flush_limit, "DURABILITY": durability}
    call("order", "other", 0)
    first = call("order_with_headers", "k", 1)
    assert first.txid == next(iter(env.storage.orders.query(n=1))).txid
    env.storage.orders.push({"n": 2})
    for _ in range(2):
        again = call("order_with_headers", "k", 1)
        assert (again.body, again.status, again.txid) == (first.body, 201, first.txid)
        assert again.headers == {**first.headers, "Kontract-Replayed": "1"}
    assert not is_replayed(first)
    assert orders() == [0, 1, 2]


@pytest.mark.parametrize("suffix", ["", "_async"])
def test_over_http(post: Post, suffix: str) -> None:
    key = str(uuid.uuid4())
    first, again = (
        post(f"set_user{suffix}", b'{"args": ["u1", "Ada"]}', headers={"Idempotency-Key": key}) for _ in range(2)
    )
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert first["Kontract-Txid"] == again["Kontract-Txid"] == str(env.storage.users["u1"].txid)
    assert ("Kontract-Replayed" in first, again["Kontract-Replayed"]) == (False, "1")
    assert len(env.storage.users.history("u1")) == 1
    other = post(f"set_user{suffix}", b'{"args": ["u1", "Bob"]}', headers={"Idempotency-Key": key})
    refused(other, 422, "idempotency_key_reused")


def test_an_answer_leaves_no_trace_in_log_and_history() -> None:
    reply = call("order", "k", 1)
    ((txid_of_answer, txid_of_row, _),) = kept()
    assert (txid_of_answer, txid_of_row) == (reply.txid, 0)
    connection, ns = locate()
    logged = fetch_all(
        connection, "SELECT changes FROM trxs WHERE ns = %(ns)s AND txid = %(n)s", {"ns": ns, "n": reply.txid}
    )
    assert str(ptrs.ANSWERS) not in json.loads(logged[0][0])


def test_a_call_that_writes_nothing_is_answered_from_its_snapshot() -> None:
    txid = env.storage.orders.push({"n": 1}).txid
    first = call("look", "k", 1)
    env.storage.orders.push({"n": 2})
    again = call("look", "k", 1)
    assert (first.body, first.txid) == (again.body, again.txid) == (b'{"result":2}', txid)
    assert is_replayed(again)


def test_other_arguments_are_refused() -> None:
    call("order", "k", 1)
    with pytest.raises(IdempotencyKeyReusedError):
        call("order", "k", 2)
    assert orders() == [1]


def test_files_are_arguments() -> None:
    def fingerprint(content: bytes) -> str:
        file = SimpleUploadedFile("a.txt", content)
        once = identify_call("k" * 22, Arguments(files={"file": [file]}))
        assert once is not None
        assert file.read() == content
        return once.fingerprint

    assert fingerprint(b"1") == fingerprint(b"1") != fingerprint(b"2")


def test_a_failed_call_may_be_tried_again() -> None:
    def fail() -> None:
        raise DocumentNotFound("Not now.")

    during.append(fail)
    with pytest.raises(DocumentNotFound):
        call("order", "k", 1)
    assert (orders(), kept()) == ([], [])
    assert not is_replayed(call("order", "k", 1))
    assert orders() == [1]


def test_what_waits_for_the_commit_runs_once() -> None:
    ran: list[int] = []
    during.append(lambda: transaction.on_commit(lambda: ran.append(1)))
    call("order", "k", 1)
    call("order", "k", 1)
    assert ran == [1]


def test_a_result_that_is_too_large_rolls_back(settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "MAX_DOCUMENT_BYTES": 1000}
    with pytest.raises(AnswerTooLargeError, match="at most 1000 are kept"):
        call("repeat", "k", "x", 1000)
    assert (len(env.storage.orders), kept()) == (0, [])
    call("repeat", "k", "x", 100)


def test_any_text_is_answered_exactly() -> None:
    first = call("repeat", "k", 'Grüße \0 \\u0000 " 😀', 3)
    assert call("repeat", "k", 'Grüße \0 \\u0000 " 😀', 3).body == first.body


def test_a_file_is_not_kept() -> None:
    with pytest.raises(InvalidRequestError):
        call("send_file", "k", 1)
    assert orders() == []


# --- Several clients -------------------------------------------------------------------------------------------------


def test_keys_are_those_of_a_caller_and_a_procedure() -> None:
    replies = [
        call("order", "k", 1),
        call("order", "k", 1, owner="Bob"),
        call("order", "k", 1, owner="", sid="Ada"),
        call("order", "k", 1, owner="", sid="Bob"),
        call("order_with_headers", "k", 1),
    ]
    create_namespace(other := f"{get_namespace()}-other")
    with kontract.namespace(other):
        replies.append(call("order", "k", 1))
    assert not any(map(is_replayed, replies))
    assert is_replayed(call("order", "k", 1, sid="another"))


def test_who_is_not_known_needs_a_key_that_nobody_guesses() -> None:
    for key in ("k", "x" * 21):
        with pytest.raises(InvalidRequestError, match="random UUID"):
            call("order", key, 1, owner="")
    assert orders() == []
    key = str(uuid.uuid4())
    assert [is_replayed(call("order", key, 1, owner="")) for _ in range(2)] == [False, True]


def test_while_the_first_runs_others_are_told_to_wait(post: Post) -> None:
    key = str(uuid.uuid4())
    with Actor() as other:

        def repeat_it() -> None:
            with pytest.raises(IdempotencyInProgressError):
                other.do(lambda: call("order", key, 1, owner=""))

        during.append(repeat_it)
        call("order", key, 1, owner="")
        assert is_replayed(other.do(lambda: call("order", key, 1, owner="")))
    assert orders() == [1]


def test_whoever_is_told_to_wait_is_told_how_long(post: Post) -> None:
    key = str(uuid.uuid4())
    with Actor() as other:
        other.begin()
        once = _once("set_user", key, "u1", "Ada")
        other.do(lambda: run_once(once, lambda: Reply(body=b"{}")))
        response = post("set_user", b'{"args": ["u1", "Ada"]}', headers={"Idempotency-Key": key})
        refused(response, 409, "idempotency_in_progress")
        assert response["Retry-After"] == "1"
        other.rollback()
    response = post("set_user", b'{"args": ["u1", "Ada"]}', headers={"Idempotency-Key": key})
    assert (response.status_code, "Kontract-Replayed" in response) == (200, False)


def _once(route: str, key: str, *args: Any, owner: str = "") -> Any:
    with calling(CallContext(owner=owner, route=route)):
        return identify_call(key, Arguments(args=list(args)))


def test_an_older_snapshot_ends_in_the_first_answer_and_not_in_a_second_effect() -> None:
    once, runs = _once("order", "k", 1, owner="Ada"), []

    def late() -> Reply:
        """Look so early that the first answer cannot be seen, and run when the lock is free again."""
        runs.append(len(env.storage.orders))
        if len(runs) == 1:
            first.do(lambda: call("order", "k", 1))
        return run_once(once, lambda: Reply(body=str(env.storage.orders.push({"n": 1}).id).encode()))

    with Actor() as first:
        reply, txid = run_transaction(late)
    assert (reply.body, txid, runs) == (b'{"result":1}', None, [0, 1])
    assert orders() == [1]


@pytest.mark.parametrize("isolation", ["snapshot", "serializable"])
def test_without_retries_an_older_snapshot_is_a_conflict(isolation: Any) -> None:
    once = _once("order", "k", 1, owner="Ada")
    with Actor() as one:
        one.begin(isolation)
        one.do(lambda: env.storage.orders.get("1"))
        call("order", "k", 1)
        one.do(lambda: run_once(once, lambda: Reply(body=b"{}")))
        with pytest.raises(ConflictError):
            one.commit()
    assert orders() == [1]


def test_sixteen_clients_at_once() -> None:
    outcomes: list[Any] = []

    def client() -> None:
        start.wait(20)
        try:
            outcomes.append(call("order", "k", 1).body)
        except IdempotencyInProgressError as error:
            outcomes.append(error.code)

    start = threading.Barrier(16)
    with ExitStack() as stack:
        actors = [stack.enter_context(Actor()) for _ in range(16)]
        for future in [actor.start(client) for actor in actors]:
            future.result(timeout=30)
    assert orders() == [1]
    assert set(outcomes) <= {b'{"result":1}', "idempotency_in_progress"}
    assert outcomes.count(b'{"result":1}') >= 1


# --- Processes that die ----------------------------------------------------------------------------------------------


def order_for_ever(report: Report, start: int) -> None:
    """Order one thing after another, each with its own key, and report what was answered."""
    for n in itertools.count(start):
        body: Any = call("order", f"key-{n}", n).body
        report(json.loads(body)["result"])


def test_killed_clients_repeat_the_call_that_was_not_answered() -> None:
    done = 0
    for _ in range(8):
        with Worker(order_for_ever, done) as worker:
            assert worker.report() == done + 1  # the call that its forerunner did not get to the end of
            time.sleep(random.uniform(0, 0.03))
            worker.kill()
            wait_for_end_of(worker)
            done += 1 + len(worker.reports())
    call("order", f"key-{done}", done)
    assert orders() == list(range(done + 1))


def order_and_hang(report: Report, when: str) -> None:
    """Order something, and hang before or after the commit."""

    def hang() -> None:
        report("hangs")
        time.sleep(60)

    during.append(hang if when == "before" else lambda: transaction.on_commit(hang))
    call("order", "k", 1)


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_right_before_and_right_after_the_commit(when: str) -> None:
    with Worker(order_and_hang, when) as worker:
        assert worker.report() == "hangs"
        if when == "before":
            with pytest.raises(IdempotencyInProgressError):
                call("order", "k", 1)
        worker.kill()
        wait_for_end_of(worker)
    reply = call("order", "k", 1)
    assert (reply.body, is_replayed(reply)) == (b'{"result":1}', when == "after")
    assert orders() == [1]


# --- Expiry ----------------------------------------------------------------------------------------------------------


def test_an_answer_expires() -> None:
    with override_settings(KONTRACT={"TABLES": ["orders"], "IDEMPOTENCY_HOURS": 0}):
        call("order", "k", 1)
    assert not is_replayed(call("order", "k", 2))
    assert is_replayed(call("order", "k", 2))
    assert orders() == [1, 2]


def test_vacuum_removes_what_has_expired() -> None:
    call("order", "kept", 1)
    with override_settings(KONTRACT={"TABLES": ["orders"], "IDEMPOTENCY_HOURS": 0}):
        for n in range(5):
            call("order", f"k{n}", n)
    output = StringIO()
    call_command("kontract_vacuum", namespace=get_namespace(), dry_run=True, stdout=StringIO())
    assert len(kept()) == 6
    call_command("kontract_vacuum", namespace=get_namespace(), batch=2, stdout=output, stderr=StringIO())
    assert "removed 5 answers to idempotency keys that have expired" in output.getvalue()
    assert len(kept()) == 1
    assert is_replayed(call("order", "kept", 1))
