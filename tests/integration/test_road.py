"""What calls make of HTTP: GET and ETag, statuses and headers, errors, files, streams, batches, the past."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import AsyncClient, Client, override_settings

from kontract import env
from tests.app import road
from tests.calls import SECRET, Post, refused, wsgi

ROAD = "/kontract/rpc"


def get(procedure: str, headers: dict[str, str] | None = None, **kwargs: Any) -> Any:
    response: Any = Client().get(f"{ROAD}/{procedure}?kwargs={quote(json.dumps(kwargs))}", headers=headers)
    return response


def result(response: Any) -> Any:
    assert response.status_code == 200, response.content
    return json.loads(response.content)["result"]


# Reading by GET


@pytest.mark.parametrize("name", ["read_user", "read_user_async"])
def test_what_only_reads_is_called_by_get(name: str) -> None:
    env.storage.users.set("ada", {"name": "Ada"})
    response = get(name, user_id="ada")
    assert result(response) == {"name": "Ada"}
    assert response["Cache-Control"] == "private, no-cache"
    assert {"Cookie", "Authorization", "Kontract-As-Of"} <= set(response["Vary"].split(", "))


@pytest.mark.parametrize("name", ["read_user", "read_user_async"])
def test_a_copy_is_good_until_something_is_committed(name: str) -> None:
    env.storage.users.set("ada", {"name": "Ada"})
    first = get(name, user_id="ada")
    again = get(name, {"If-None-Match": first["ETag"]}, user_id="ada")
    assert (again.status_code, again.content) == (304, b"")
    assert (again["ETag"], again["Kontract-Txid"]) == (first["ETag"], first["Kontract-Txid"])
    other = get(name, {"If-None-Match": first["ETag"]}, user_id="bob")
    assert (other.status_code, result(other)) == (200, None)
    env.storage.users.set("ada", {"name": "Augusta"})
    changed = get(name, {"If-None-Match": first["ETag"]}, user_id="ada")
    assert result(changed) == {"name": "Augusta"}
    assert changed["ETag"] != first["ETag"]


@pytest.mark.more_privilege
def test_another_caller_or_release_has_another_copy(signed_in: Any) -> None:
    env.storage.users.set("ada", {})
    client = Client()
    first = get("read_user", user_id="ada")
    client.force_login(signed_in)
    path = f"{ROAD}/read_user?kwargs={quote(json.dumps({'user_id': 'ada'}))}"
    assert client.get(path, headers={"If-None-Match": first["ETag"]}).status_code == 200
    with override_settings(KONTRACT={"TABLES": ["users"], "RELEASE": "2"}):
        assert get("read_user", {"If-None-Match": first["ETag"]}, user_id="ada").status_code == 200


def test_what_depends_on_more_than_stored_data_is_not_kept() -> None:
    response = get("read_clock")
    assert "ETag" not in response
    assert response["Cache-Control"] == "no-store"
    assert "ETag" not in get("read_nothing")  # no snapshot was read
    assert "ETag" not in get("read_user")  # a failure: the argument is missing


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("kwargs=[]", "invalid_request"),
        ("kwargs={", "invalid_request"),
        ('kwargs={"a":1,"a":2}', "invalid_request"),
        ("kwargs={}&kwargs={}", "invalid_request"),
        ("user_id=ada", "invalid_request"),
        ('kwargs={"user_id":1}', "invalid_arguments"),
        ("", "invalid_arguments"),
    ],
)
def test_a_url_that_is_no_call(query: str, code: str) -> None:
    refused(Client().get(f"{ROAD}/read_user?{query}"), 422 if code == "invalid_arguments" else 400, code)


@pytest.mark.parametrize("name", ["create_user", "count_up", "measure_files", "echo_async"])
def test_what_writes_streams_or_takes_files_is_not_called_by_get(name: str) -> None:
    response = get(name)
    refused(response, 405, "method_not_allowed")
    assert response["Allow"] == "POST"


# The past


@pytest.mark.parametrize("name", ["read_user", "read_user_async"])
def test_a_call_that_reads_may_ask_for_the_past(post: Post, name: str) -> None:
    env.storage.users.set("ada", {"name": "Ada"})
    before = datetime.now(UTC).isoformat()
    txid = result_txid(post("set_user", b'{"kwargs": {"user_id": "ada", "name": "Augusta"}}'))
    body = b'{"kwargs": {"user_id": "ada"}}'
    for moment in (str(txid - 1), before):
        assert result(post(name, body, headers={"Kontract-As-Of": moment})) == {"name": "Ada"}
    assert result(post(name, body, headers={"Kontract-As-Of": str(txid)}))["name"] == "Augusta"


def result_txid(response: Any) -> int:
    assert response.status_code == 200, response.content
    return int(response["Kontract-Txid"])


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "yesterday",
        "2026-01-01T00:00:00",
        "-1",
        "9" * 30,
        "99999999",
        "",
        "2999-01-01T00:00Z",
    ],
)
def test_a_moment_that_is_none(post: Post, moment: str) -> None:
    response = post("read_user", b'{"args": ["ada"]}', headers={"Kontract-As-Of": moment})
    refused(response, 400, "invalid_snapshot")


def test_the_past_cannot_be_changed(post: Post) -> None:
    refused(post("create_user", b'{"args": ["ada"]}', headers={"Kontract-As-Of": "1"}), 400, "invalid_request")


# Statuses, headers, errors


def test_a_procedure_may_choose_status_and_headers(post: Post) -> None:
    response = post("create_user", b'{"args": ["ada"]}')
    assert (response.status_code, response["Location"]) == (201, "/users/ada")
    assert json.loads(response.content) == {"result": {"name": "ada"}}


def test_errors_of_the_project_are_problems_with_their_fields(post: Post) -> None:
    problem = refused(post("create_user", b'{"args": ["nobody"]}'), 409, "out_of_stock")
    assert problem["detail"] == "There are not enough of this article."
    assert (problem["article"], problem["left"], problem["since"]) == ("users", 0, "2026-01-02T00:00:00Z")
    assert refused(post("create_user", b'{"args": ["teapot"]}'), 418, "teapot")["detail"] == "This is a teapot."
    assert refused(post("create_user", b'{"args": ["special"]}'), 418, "teapot")["detail"] == "Something special."


# Files


def test_files_arrive_beside_the_arguments() -> None:
    files = {
        "kwargs": json.dumps({"label": "both"}),
        "first": SimpleUploadedFile("a.txt", b"\x00\xff", "text/plain"),
        "rest": [SimpleUploadedFile("b.bin", b"b"), SimpleUploadedFile("../../c", b"")],
    }
    found = result(Client().post(f"{ROAD}/measure_files", files))
    assert found["label"] == "both"
    assert [file[0] for file in found["files"]] == ["a.txt", "b.bin", "c"]
    assert found["files"][0] == ["a.txt", "text/plain", "\x00\xff"]


@pytest.mark.parametrize(
    ("name", "fields", "status", "code"),
    [
        ("measure_files", {"kwargs": '{"label": "x"}'}, 422, "invalid_arguments"),
        ("measure_files", {"kwargs": "[]", "first": b"1"}, 400, "invalid_request"),
        ("measure_files", {"label": "x", "first": b"1"}, 400, "invalid_request"),
        ("measure_files", {"kwargs": '{"label": "x"}', "first": b"1", "other": b"1"}, 422, "invalid_arguments"),
        ("measure_files", {"kwargs": '{"label": "x", "first": "1"}', "first": b"1"}, 422, "invalid_arguments"),
        ("create_user", {"kwargs": '{"name": "x"}'}, 415, "unsupported_media_type"),
    ],
)
def test_files_that_do_not_fit(name: str, fields: dict[str, Any], status: int, code: str) -> None:
    data = {k: SimpleUploadedFile(k, v) if isinstance(v, bytes) else v for k, v in fields.items()}
    refused(Client().post(f"{ROAD}/{name}", data), status, code)


def test_one_file_where_one_is_taken() -> None:
    two = [SimpleUploadedFile("a", b"a"), SimpleUploadedFile("b", b"b")]
    response = Client().post(f"{ROAD}/measure_files", {"kwargs": '{"label": "x"}', "first": two})
    assert refused(response, 422, "invalid_arguments")["errors"][0]["type"] == "too_many_files"


def test_files_that_are_too_large_are_not_read() -> None:
    with override_settings(KONTRACT={"MAX_UPLOAD_BYTES": 1000}):
        data = {"kwargs": '{"label": "x"}', "first": SimpleUploadedFile("a", b"a" * 2000)}
        refused(Client().post(f"{ROAD}/measure_files", data), 413, "body_too_large")


def test_a_file_is_sent_so_that_it_cannot_act_as_a_page() -> None:
    response = get("fetch_file", kind="bytes", name='a"b.html')
    assert (response.status_code, b"".join(response)) == (200, b"<script>1</script>")
    assert response["Content-Disposition"] == 'attachment; filename="a\\"b.html"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    shown = get("fetch_file", kind="path")
    assert b"Return a file in one of the ways" in b"".join(shown)
    assert shown["Content-Disposition"] == 'inline; filename="road.py"'
    assert b"Return a file" in b"".join(get("fetch_file", kind="open"))
    refused(get("fetch_file", kind="wrong"), 500, "invalid_result")


def test_a_file_is_sent_in_pieces_under_asgi() -> None:
    async def run() -> list[bytes]:
        client: Any = AsyncClient()
        response = await client.post(f"{ROAD}/fetch_file", b'{"args": ["open"]}', content_type="application/json")
        return [part async for part in response]

    assert b"".join(async_to_sync(run)()) == Path(road.__file__).read_bytes()


def test_an_offset_that_postgresql_does_not_know() -> None:
    env.storage.users.set("ada", {})
    response = wsgi("read_user", b'{"args": ["ada"]}', headers={"Kontract-As-Of": "2020-01-01T00:00:00-16:49"})
    assert result(response) is None


# Streams


@pytest.fixture(params=["wsgi", "asgi"])
def stream(request: pytest.FixtureRequest) -> Any:
    """Read a stream to its end within the request, as servers do."""
    if request.param == "wsgi":
        return lambda name, body, **options: b"".join(wsgi(name, body, **options))

    def read(name: str, body: bytes, **options: Any) -> bytes:
        async def run() -> bytes:
            client: Any = AsyncClient()
            response = await client.post(f"{ROAD}/{name}", body, content_type="application/json", **options)
            return b"".join([part async for part in response])

        return async_to_sync(run)()

    return read


def lines(text: bytes) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_stream_is_json_lines_with_an_end(stream: Any) -> None:
    env.storage.users.set("ada", {})
    found = lines(stream("count_up", b'{"args": [2]}'))
    assert found == [
        {"item": {"n": 0, "owner": "", "users": 1}},
        {"item": {"n": 1, "owner": "", "users": 1}},
        {"done": True},
    ]


def test_a_stream_is_server_sent_events_where_they_are_asked_for(stream: Any) -> None:
    text = stream("count_up", b'{"args": [1]}', headers={"Accept": "text/event-stream"})
    assert text == b'data: {"n":0,"owner":"","users":0}\n\nevent: done\ndata: {}\n\n'


@pytest.mark.parametrize(
    ("fail", "code"), [("ours", "internal_error"), ("theirs", "teapot"), ("type", "invalid_result")]
)
def test_a_failure_in_the_middle_is_the_last_line(stream: Any, fail: str, code: str) -> None:
    road.closed.clear()
    text = stream("count_up", json.dumps({"kwargs": {"last": 1, "fail": fail}}).encode())
    *_, last = lines(text)
    assert last["problem"]["code"] == code
    assert SECRET.encode() not in text
    assert road.closed == ["count_up"]


def test_an_asynchronous_stream_under_asgi() -> None:
    async def run() -> bytes:
        client: Any = AsyncClient()
        response = await client.post(f"{ROAD}/count_up_async", b'{"args": [2]}', content_type="application/json")
        assert response["Content-Type"] == "application/jsonl"
        return b"".join([part async for part in response])

    assert [line.get("done") for line in lines(async_to_sync(run)())] == [None, None, True]


def test_an_asynchronous_stream_says_that_it_needs_asgi() -> None:
    refused(wsgi("count_up_async", b'{"args": [2]}'), 501, "needs_asgi")


def test_a_client_that_leaves_closes_the_stream() -> None:
    road.closed.clear()
    response = wsgi("count_up", b'{"args": [100]}')
    assert next(iter(response)).startswith(b'{"item"')
    response.close()
    assert road.closed == ["count_up"]


def test_arguments_of_a_stream_are_checked_before_it_begins(post: Post) -> None:
    refused(post("count_up", b'{"args": [5000]}'), 422, "invalid_arguments")


# Batches


def send_batch(calls: Any, **options: Any) -> Any:
    response: Any = Client().post(ROAD, json.dumps(calls), content_type="application/json", **options)
    return response


def test_the_calls_of_a_batch_are_answered_in_order_and_by_themselves() -> None:
    response = send_batch(
        [
            {"procedure": "create_user", "kwargs": {"name": "ada"}},
            {"procedure": "create_user", "kwargs": {"name": "nobody"}},
            {"procedure": "read_user_async", "args": ["ada"]},
            {"procedure": "nothing"},
            {"procedure": "count_up", "args": [1]},
            {"procedure": "read_user"},
        ]
    )
    assert response.status_code == 200
    found = json.loads(response.content)
    assert [item["status"] for item in found] == [201, 409, 200, 404, 400, 422]
    assert found[0]["result"] == {"name": "ada"}
    assert found[0]["txid"] == found[2]["txid"]
    assert (found[1]["problem"]["code"], found[1]["problem"]["left"]) == ("out_of_stock", 0)
    assert found[2]["result"] == {"name": "ada"}


@pytest.mark.parametrize(
    "calls",
    [
        {},
        [],
        [1],
        [{"procedure": 1}],
        [{"procedure": "echo", "arg": []}],
        [{"kwargs": {}}],
        [{"procedure": "echo", "args": [1]}] * 101,
    ],
)
def test_a_batch_that_is_none_calls_nothing(calls: Any) -> None:
    refused(send_batch(calls), 400, "invalid_request")


def test_a_batch_is_json_by_post() -> None:
    refused(Client().get(ROAD), 405, "method_not_allowed")
    refused(Client().post(ROAD, "[]", content_type="text/plain"), 415, "unsupported_media_type")


@pytest.mark.more_privilege
def test_each_call_of_a_batch_is_checked_for_forgery(signed_in: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(signed_in)
    response = client.post(ROAD, json.dumps([{"procedure": "echo", "args": [1]}]), content_type="application/json")
    assert json.loads(response.content)[0]["problem"]["code"] == "csrf_failed"
