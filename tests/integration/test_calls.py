"""Calls over HTTP through Django's own clients: what they do, and what a hostile client gets."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.http import HttpResponse
from django.test import AsyncClient, Client

import kontract
from kontract import env
from kontract.mvcc import clock
from kontract.tables.catalog import locate
from tests.app import backend as app
from tests.calls import SECRET, Post, call, post_through, refused, wsgi
from tests.interleave import Actor

# --- What calls do ---


@pytest.mark.parametrize("name", ["echo", "echo_async"])
@pytest.mark.parametrize("value", [None, True, 5, 1.5, "Grüße \0", [1, [2]], {"a": {"b": None}}])
def test_arguments_arrive_and_results_return(post: Post, name: str, value: Any) -> None:
    assert call(post, name, value) == value
    assert call(post, name, value=value) == value


def test_a_call_without_arguments_needs_no_body(post: Post) -> None:
    for body in (b"\n", b"{}"):
        assert json.loads(post("renamed", body).content) == {"result": "renamed"}


def test_arguments_become_what_the_annotations_say(post: Post) -> None:
    assert call(
        post,
        "describe_values",
        flag=True,
        day="2026-02-03",
        uuid="0190b2c0-0000-7000-8000-000000000000",
        price="1.10",
        raw="AP8=",
        colour="red",
        lines=[{"article": "bolt", "count": 2, "price": "0.1"}],
    ) == [
        "True",
        "datetime.date(2026, 2, 3)",
        "UUID('0190b2c0-0000-7000-8000-000000000000')",
        "Decimal('1.10')",
        r"b'\x00\xff'",
        "<Colour.RED: 'red'>",
        "[Line(article='bolt', count=2, price=Decimal('0.1'))]",
    ]


@pytest.mark.parametrize("suffix", ["", "_async"])
def test_a_write_is_one_transaction_whose_txid_is_told(post: Post, suffix: str) -> None:
    response = post(f"set_user{suffix}", b'{"args": ["u1", "Ada"]}')
    version = env.storage.users.history("u1")[0]
    assert response["Kontract-Txid"] == str(version.txid)
    assert version.label == f"set_user{suffix}"
    assert call(post, f"get_user{suffix}", "u1") == {"name": "Ada"}


def test_a_result_shows_only_what_its_annotation_has(post: Post) -> None:
    assert call(post, "set_user", "u1", "Ada") == {"name": "Ada"}
    assert env.storage.users["u1"]["secret"] == SECRET


@pytest.mark.parametrize("name", ["get_user", "get_user_async"])
def test_a_read_tells_the_snapshot_that_it_read(post: Post, name: str) -> None:
    txid = env.storage.users.set("u1", {"name": "Ada"}).txid
    response = post(name, b'{"args": ["u1"]}')
    assert response["Kontract-Txid"] == str(txid)


@pytest.mark.parametrize("name", ["echo", "echo_async"])
def test_a_call_that_needs_no_storage_sends_the_database_nothing(post: Post, name: str) -> None:
    known = clock.last_seen(*_place()) or 0
    with Actor() as observer:
        before = observer.do(partial(_last_heard, connection.connection.info.backend_pid))
        response = post(name, b'{"args": [1]}')
        refusal = post("divide", b'{"args": ["1"]}')
        assert observer.do(partial(_last_heard, connection.connection.info.backend_pid)) == before
    assert response["Kontract-Txid"] == refusal["Kontract-Txid"] == str(known)


def _last_heard(pid: int) -> Any:
    """Return when the server last heard from this backend's client; Django's own log has a BEGIN that is never sent."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT state_change FROM pg_stat_activity WHERE pid = %s", [pid])
        return cursor.fetchone()


def _place() -> tuple[str, int]:
    found, ns = locate()
    return found.alias, ns


def test_a_process_that_knows_no_txid_says_so_and_asks_nobody(post: Post) -> None:
    connection.close()
    clock._last_seen.pop((connection.alias, 0), None)
    with kontract.namespace(""):
        assert [post("echo", b'{"args": [1]}')["Kontract-Txid"] for _ in range(2)] == ["0", "0"]
    assert connection.connection is None


def test_a_call_knows_its_route(post: Post) -> None:
    assert call(post, "who_am_i") == {"owner": "", "is_anonymous": True, "route": "who_am_i"}


def test_the_isolation_is_the_one_asked_for(post: Post) -> None:
    assert call(post, "get_isolation") == "serializable"


def test_a_call_runs_again_after_a_conflict_with_arguments_as_they_were_sent(post: Post) -> None:
    with Actor() as rival:
        app.rivals.append(lambda: rival.do(lambda: env.storage.users.set("total", {"n": 100})))
        assert call(post, "add_up", [1, 2]) == 103
    assert env.storage.users["total"] == {"n": 103}


# --- What fails ---


def test_an_error_rolls_back_is_logged_and_leaks_nothing(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    problem = refused(post("set_user_then_fail", b'{"args": ["u1"]}'), 500, "internal_error")
    assert problem.keys() == {"type", "title", "status", "code"}
    assert env.storage.users.get("u1") is None
    (record,) = [record for record in caplog.records if record.name == "kontract.rpc"]
    assert record.exc_info
    assert SECRET in str(record.exc_info[1])


def test_a_result_that_does_not_fit_rolls_back_and_leaks_nothing(post: Post) -> None:
    refused(post("set_user_and_return_nonsense", b'{"args": ["u1"]}'), 500, "invalid_result")
    refused(post("return_an_object", b"{}"), 500, "invalid_result")
    assert env.storage.users.get("u1") is None


@pytest.mark.parametrize(
    ("how", "status", "code", "detail"),
    [
        ("missing", 404, "not_found", "No such page."),
        ("forbidden", 403, "permission_denied", "Not yours."),
        ("invalid", 422, "validation_failed", None),
        ("outage", 503, "database_unavailable", None),
        ("bug", 500, "internal_error", None),
    ],
)
def test_errors_of_django_have_their_meaning(post: Post, how: str, status: int, code: str, detail: str | None) -> None:
    problem = refused(post("fail", json.dumps({"args": [how]}).encode()), status, code)
    assert problem.get("detail") == detail
    if how == "invalid":
        assert problem["errors"] == [{"path": ["email"], "message": "Not an address.", "type": "validation"}]


def test_without_a_database_only_calls_that_need_it_are_refused(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    monkeypatch.setattr(clock, "_last_seen", {})
    refused(post("get_user", b'{"args": ["u1"]}'), 503, "database_unavailable")
    assert call(post, "echo", 1) == 1


# --- A hostile client ---


@pytest.fixture
def nothing_stored(namespace: str) -> Iterator[None]:
    """Check at the end that nothing at all was written to the namespace."""
    yield
    assert clock.latest(*locate()) == 0


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    ("arguments", "path", "kind"),
    [
        ({"args": [5, "Ada"]}, ["user_id"], "string_type"),
        ({"args": ["u1", None]}, ["name"], "string_type"),
        ({"args": ["u1"]}, ["name"], "missing"),
        ({"args": ["u1", "Ada", "more"]}, [2], "too_many_arguments"),
        ({"kwargs": {"user_id": "u1", "name": "Ada", "is_admin": True}}, ["is_admin"], "extra_forbidden"),
        ({"kwargs": {"user_id": {"$ne": None}, "name": "Ada"}}, ["user_id"], "string_type"),
    ],
)
def test_arguments_that_do_not_fit(post: Post, arguments: Any, path: list[Any], kind: str) -> None:
    problem = refused(post("set_user", json.dumps(arguments).encode()), 422, "invalid_arguments")
    assert [(error["path"], error["type"]) for error in problem["errors"]] == [(path, kind)]


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    "body",
    [
        b'{"args": ["u1", "Ada"], "args": ["u2", "Bob"]}',
        b'{"kwargs": {"user_id": "u1", "name": "Ada", "name": "Bob"}}',
        b'{"args": ["u1", NaN]}',
        b'{"args": ["u1", Infinity]}',
        b'{"args": ["u1", 1e400]}',
        b'{"args": ["u1", "\xff"]}',
        rb'{"args": ["u1", "\ud800"]}',
        b'{"args": ["u1", "Ada"]',
        b'["u1", "Ada"]',
        b'{"method": "set_user", "args": ["u1", "Ada"]}',
        b'{"args": ["u1", ' + b"[" * 150 + b"]" * 150 + b"]}",
        b"[" * 500_000,
        b'{"a":' * 200_000,
    ],
    ids=range(13),
)
def test_bodies_that_are_no_call(post: Post, body: bytes) -> None:
    refused(post("set_user", body), 400, "invalid_request")


@pytest.mark.usefixtures("nothing_stored")
def test_a_body_that_is_too_large(post: Post) -> None:
    body = b'{"args": ["u1", "' + b"x" * 20_000_000 + b'"]}'
    refused(post("set_user", body), 413, "body_too_large")


@pytest.mark.usefixtures("nothing_stored")
def test_a_body_whose_announced_length_is_wrong(settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "MAX_BODY_BYTES": 20}
    body = b'{"args": ["u1", "Ada and then some more"]}'
    refused(wsgi("set_user", body, headers={"Content-Length": "10"}), 400, "invalid_request")
    refused(wsgi("set_user", body), 413, "body_too_large")
    refused(wsgi("set_user", body, headers={"Content-Length": "x"}), 400, "invalid_request")


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/jsonp",
        "text/plain; application/json",
    ],
)
def test_content_types_that_a_foreign_page_may_send(post: Post, content_type: str) -> None:
    body = b'{"args": ["u1", "Ada"]}'
    refused(post("set_user", body, content_type=content_type), 415, "unsupported_media_type")


def test_a_content_type_may_have_the_charset(post: Post) -> None:
    response = post("echo", '{"args": ["é"]}'.encode(), content_type="Application/JSON; charset=UTF-8")
    assert json.loads(response.content) == {"result": "é"}


@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "_private",
        "not_a_procedure",
        "has_another_name",
        "__class__",
        "echo.__class__",
        "tests.app.backend.echo",
        "ECHO",
        "echo%00",
        "echo%20",
        "SECRET",
        "x" * 5000,
    ],
)
def test_only_what_is_registered_can_be_called(post: Post, name: str) -> None:
    problem = refused(post(name, b'{"args": [1]}'), 404, "procedure_not_found")
    assert len(problem["detail"]) < 200


@pytest.mark.parametrize("name", ["echo", "echo_async"])
@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "options", "trace"])
def test_other_methods_are_refused(name: str, method: str) -> None:
    response = getattr(Client(), method)(f"/kontract/rpc/{name}")
    refused(response, 405, "method_not_allowed")
    assert response["Allow"] == "POST"
    head = Client().head(f"/kontract/rpc/{name}")
    assert (head.status_code, head.content) == (405, b"")


def test_calls_stay_out_of_atomic_requests(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    with Actor() as rival:
        app.rivals.append(lambda: rival.do(lambda: env.storage.users.set("total", {"n": 100})))
        assert call(post, "add_up", [1]) == 101
    assert call(post, "echo_async", 5) == 5


# --- Who calls ---


TOKEN = "a" * 32


def post_as(user: Any, name: str, **headers: str) -> HttpResponse:
    """Call through WSGI as a browser that has a session and the CSRF cookie."""
    client = Client(enforce_csrf_checks=True)
    if user is not None:
        client.force_login(user)
        client.cookies["csrftoken"] = TOKEN
    return post_through(client, name, b"{}", headers=headers)


async def apost_as(user: Any, name: str, **headers: str) -> HttpResponse:
    """See post_as()."""
    client = AsyncClient(enforce_csrf_checks=True)
    if user is not None:
        await client.aforce_login(user)
        client.cookies["csrftoken"] = TOKEN
    return await post_through(client, name, b"{}", headers=headers)  # type: ignore[misc,no-any-return]


@pytest.mark.more_privilege
@pytest.mark.parametrize("post_as", [post_as, async_to_sync(apost_as)], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("name", ["who_am_i", "who_am_i_async"])
def test_a_session_needs_the_csrf_token_and_nobody_else_does(signed_in: Any, post_as: Any, name: str) -> None:
    refused(post_as(signed_in, name), 403, "csrf_failed")
    refused(post_as(signed_in, name, **{"X-CSRFToken": "b" * 32}), 403, "csrf_failed")
    refused(post_as(signed_in, name, **{"X-CSRFToken": TOKEN, "Origin": "https://evil.example"}), 403, "csrf_failed")
    answer = json.loads(post_as(signed_in, name, **{"X-CSRFToken": TOKEN}).content)
    assert answer["result"] == {"owner": str(signed_in.pk), "is_anonymous": False, "route": name}
    anonymous = json.loads(post_as(None, name).content)
    assert anonymous["result"] == {"owner": "", "is_anonymous": True, "route": name}
