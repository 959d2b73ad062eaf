"""Middleware with filters, around calls and around ordinary views, as clients meet it."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any
from urllib.parse import quote

import pytest
from asgiref.sync import async_to_sync
from corsheaders.defaults import default_headers
from django.conf import settings as configured
from django.core.exceptions import MiddlewareNotUsed
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, override_settings

from kontract import env
from kontract.exceptions import ConfigurationError
from kontract.middleware import FilterMiddleware, request_log
from kontract.middleware.logs import MASKED
from tests.app import mw
from tests.calls import SECRET
from tests.processes import Report, Worker

MW = "tests.app.mw"
RPC = "/inside/kontract/rpc"
JSON = "application/json"
FILTERS = "kontract.middleware.FilterMiddleware"

Ask = Callable[..., HttpResponse]


def _send(client: Any, path: str, body: Any = None, **options: Any) -> Any:
    if body is None:
        return client.get(path, **options)
    return client.post(path, json.dumps(body).encode(), content_type=JSON, **options)


def wsgi(path: str, body: Any = None, **options: Any) -> HttpResponse:
    response: HttpResponse = _send(Client(raise_request_exception=False), path, body, **options)
    return response


async def _asgi(path: str, body: Any, **options: Any) -> HttpResponse:
    response: HttpResponse = await _send(AsyncClient(raise_request_exception=False), path, body, **options)
    return response


def asgi(path: str, body: Any = None, **options: Any) -> HttpResponse:
    response: HttpResponse = async_to_sync(_asgi)(path, body, **options)
    return response


@pytest.fixture(params=[wsgi, asgi], ids=["wsgi", "asgi"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Send a GET, or a POST where there is a body, through each of Django's two handlers."""
    chosen: Ask = request.param
    return chosen


@pytest.fixture(autouse=True)
def _urls(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.app.mw"
    settings.MIDDLEWARE = [FILTERS]
    mw.seen.clear()
    mw.calls.clear()


@pytest.fixture
def rules(settings: Any) -> Callable[..., None]:
    """Set the project's rules."""

    def choose(*entries: Any, **further: Any) -> None:
        settings.KONTRACT = {**configured.KONTRACT, "MIDDLEWARE": list(entries), **further}

    return choose


def entry(name: str, *, options: Any = None, **filter_: Any) -> dict[str, Any]:
    path = name if "." in name else f"{MW}.{name}"
    return {"fn": path, "filter": filter_, "options": options or {}}


def limit(rate: str, *, filter_: Any = None, **options: Any) -> dict[str, Any]:
    return entry("kontract.middleware.rate_limit", options={"rate": rate, **options}, **(filter_ or {}))


# Around calls


@pytest.mark.parametrize("name", ["echo", "echo_async"])
def test_a_call_goes_through_the_middleware_that_is_for_it(ask: Ask, rules: Any, name: str) -> None:
    rules(
        entry("outer", prefixurl="/inside", endpoints=[name]),
        entry("inner", egroup="default"),
        entry("either", endpoints=["other"]),
        entry("either", prefixurl="/outside"),
        entry("either", options={"note": "mine"}),
    )
    response = ask(f"{RPC}/{name}", {"args": [5]})
    assert json.loads(response.content) == {"result": 5}
    kind = "async" if name == "echo_async" else "sync"
    assert mw.seen == ["outer in", "inner in", f"mine {kind}", "inner out 200", "outer out 200"]


@pytest.mark.parametrize("name", ["who_am_i", "who_am_i_async"])
def test_the_middleware_knows_the_call(ask: Ask, rules: Any, name: str) -> None:
    rules(entry("outer"), entry("Tagging"), entry("either"))
    assert ask(f"{RPC}/{name}", {})["X-Tagged"] == name
    (call,) = mw.calls
    assert (call.route, call.owner, call.is_anonymous) == (name, "", True)
    assert call.request is not None


@pytest.mark.parametrize("suffix", ["", "_async"])
def test_calls_write_beneath_middleware_of_either_kind(ask: Ask, rules: Any, suffix: str) -> None:
    rules(entry("inner"), entry("outer"), entry("inner"))
    response = ask(f"{RPC}/set_user{suffix}", {"args": ["ada", "Ada"]})
    assert response["Kontract-Txid"] == str(env.storage.users["ada"].txid)


@pytest.mark.parametrize("name", ["echo", "echo_async"])
def test_what_a_middleware_raises_is_a_problem_and_leaks_nothing(ask: Ask, rules: Any, name: str) -> None:
    rules(entry("outer"), entry("refusing", prefixurl=RPC), entry("broken"))
    response = ask(f"{RPC}/{name}", {"args": [5]})
    problem = json.loads(response.content)
    assert (response.status_code, problem["code"], problem["detail"]) == (403, "permission_denied", "Not today.")
    assert response["Kontract-Txid"].isdecimal()
    assert mw.seen == ["outer in", "outer out 403"]
    rules(entry("broken"))
    response = ask(f"{RPC}/{name}", {"args": [5]})
    assert (response.status_code, json.loads(response.content)["code"]) == (500, "internal_error")
    assert SECRET not in response.content.decode()


def test_each_call_of_a_batch_has_its_own_middleware(ask: Ask, rules: Any) -> None:
    rules(entry("refusing", endpoints="echo", prefixurl=f"{RPC}/echo"), entry("either"))
    names = ["echo", "echo_async", "who_am_i"]
    response = ask(RPC, [{"procedure": name, "kwargs": {"value": 1} if "echo" in name else {}} for name in names])
    assert [item["status"] for item in json.loads(response.content)] == [403, 200, 200]
    assert mw.seen == ["either async", "either sync"]
    assert [call.route for call in mw.calls] == names[1:]


def test_a_batch_is_where_it_was_sent(ask: Ask, rules: Any) -> None:
    rules(entry("refusing", prefixurl="/again"))
    batch = [{"procedure": "echo", "args": [1]}]
    assert json.loads(ask("/again/kontract/rpc", batch).content)[0]["status"] == 403
    assert json.loads(ask(RPC, batch).content)[0]["status"] == 200


def test_a_call_by_get_and_a_stream_have_it_too(ask: Ask, rules: Any) -> None:
    rules(entry("either"))
    response = ask(f"{RPC}/read_user?kwargs={quote(json.dumps({'user_id': 'ada'}))}")
    assert (response.status_code, mw.seen) == (200, ["either sync"])


def test_nothing_runs_for_a_procedure_that_does_not_exist(ask: Ask, rules: Any) -> None:
    rules(entry("either"))
    assert ask(f"{RPC}/absent", {}).status_code == 404
    assert mw.seen == []


def test_a_mistake_in_the_rules_lets_no_call_through(ask: Ask, rules: Any, settings: Any) -> None:
    settings.MIDDLEWARE = []
    rules(entry("outer", endpoint="echo"))
    response = ask(f"{RPC}/echo", {"args": [1]})
    assert (response.status_code, json.loads(response.content)["code"]) == (500, "configuration_error")


def test_with_a_mistake_in_the_rules_no_server_starts(ask: Ask, rules: Any) -> None:
    rules(entry("outer", endpoint="plain"))
    with pytest.raises(ConfigurationError, match="Did you mean 'endpoints'"):
        ask("/outside")


@pytest.mark.parametrize("filter_", [None, {"egroup": "default"}])
def test_without_rules_for_views_the_middleware_is_not_there(rules: Any, filter_: Any) -> None:
    rules(*([] if filter_ is None else [entry("outer", **filter_)]))
    with pytest.raises(MiddlewareNotUsed):
        FilterMiddleware(mw.view)


# Around ordinary views

EVERY = ["/inside/plain", "/inside/async", "/inside/unnamed", "/insidestory", "/outside", "/shop/checkout", "/no"]


@pytest.mark.parametrize(
    ("filter_", "paths"),
    [
        (
            {},
            {"/inside/plain", "/inside/async", "/inside/unnamed", "/insidestory", "/outside", "/shop/checkout", "/no"},
        ),
        ({"prefixurl": "/inside"}, {"/inside/plain", "/inside/async", "/inside/unnamed"}),
        ({"endpoints": ["plain", "async"]}, {"/inside/plain", "/inside/async"}),
        ({"endpoints": "shop:checkout"}, {"/shop/checkout"}),
        ({"endpoints": "tests.app.mw.view"}, {"/inside/unnamed"}),
        ({"endpoints": "plain", "prefixurl": "/outside"}, set()),
        ({"egroup": "default"}, set()),
    ],
)
def test_views_are_known_by_path_and_by_the_name_of_their_url(
    ask: Ask, rules: Any, filter_: Any, paths: set[str]
) -> None:
    rules(entry("either", **filter_))
    reached = set()
    for path in EVERY:
        mw.seen.clear()
        assert ask(path).status_code == (404 if path == "/no" else 200)
        if mw.seen[:1] and mw.seen[0].startswith("either"):
            reached.add(path)
    assert reached == paths


def test_views_go_through_middleware_of_either_kind(ask: Ask, rules: Any) -> None:
    rules(entry("outer"), entry("inner"), entry("outer"), entry("unused"))
    assert ask("/inside/async").content == b"async"
    assert mw.seen[:4] == ["outer in", "inner in", "outer in", "view"]


def test_what_a_middleware_raises_is_a_page_as_django_makes_it(ask: Ask, rules: Any) -> None:
    rules(entry("outer"), entry("refusing"))
    response = ask("/inside/plain")
    assert (response.status_code, response["Content-Type"]) == (403, "text/html; charset=utf-8")
    assert mw.seen == ["outer in", "outer out 403"]


def test_a_view_that_fails_is_a_response_to_the_middleware(ask: Ask, rules: Any) -> None:
    rules(entry("outer"))
    assert ask("/inside/fail").status_code == 500
    assert mw.seen == ["outer in", "outer out 500"]


def test_calls_are_left_to_themselves(ask: Ask, rules: Any) -> None:
    rules(entry("either", prefixurl="/inside"))
    ask(f"{RPC}/echo", {"args": [1]})
    assert mw.seen == ["either sync"]  # not twice


def test_classes_of_django_are_filtered(ask: Ask, rules: Any) -> None:
    rules(entry("django.middleware.http.ConditionalGetMiddleware", prefixurl="/inside"))
    response = ask("/inside/plain")
    assert ask("/inside/plain", headers={"If-None-Match": response["ETag"]}).status_code == 304
    assert "ETag" not in ask("/outside")


# Rate limits


@pytest.mark.parametrize("name", ["echo", "echo_async"])
def test_a_call_too_many_is_a_problem_that_says_when_to_try_again(ask: Ask, rules: Any, name: str) -> None:
    rules(limit("2/h", filter_={"endpoints": name}))
    assert [ask(f"{RPC}/{name}", {"args": [1]}).status_code for _ in range(2)] == [200, 200]
    response = ask(f"{RPC}/{name}", {"args": [1]})
    problem = json.loads(response.content)
    assert (response.status_code, response["Content-Type"]) == (429, "application/problem+json")
    assert (problem["code"], response["Retry-After"]) == ("rate_limited", str(problem["retry_after"]))
    assert 1790 <= problem["retry_after"] <= 1800
    assert response["Kontract-Txid"].isdecimal()
    assert ask(f"{RPC}/who_am_i", {}).status_code == 200  # which the limit is not for


def test_views_are_limited_too(ask: Ask, rules: Any) -> None:
    rules(limit("1/h", filter_={"prefixurl": "/inside"}))
    assert ask("/inside/async").status_code == 200
    response = ask("/inside/plain")
    assert (response.status_code, json.loads(response.content)["code"]) == (429, "rate_limited")
    assert 3590 <= int(response["Retry-After"]) <= 3600
    assert ask("/outside").status_code == 200


def test_after_that_time_it_is_granted(rules: Any) -> None:
    rules(limit("1/s"))
    assert wsgi("/outside").status_code == 200
    response = wsgi("/outside")
    assert (response.status_code, response["Retry-After"]) == (429, "1")
    time.sleep(1)
    assert wsgi("/outside").status_code == 200


def test_a_call_that_fails_counts_as_well(ask: Ask, rules: Any) -> None:
    rules(limit("2/h"))
    failing = [ask(f"{RPC}/set_user_then_fail", {"args": ["ada"]}).status_code for _ in range(3)]
    assert failing == [500, 500, 429]
    assert env.storage.users.get("ada") is None


def test_each_call_of_a_batch_counts(ask: Ask, rules: Any) -> None:
    rules(limit("3/h"))
    batch = [{"procedure": name, "args": [1]} for name in ("echo", "echo_async", "echo", "echo", "echo_async")]
    assert [item["status"] for item in json.loads(ask(RPC, batch).content)] == [200, 200, 200, 429, 429]


def test_a_forged_address_is_not_another_caller(ask: Ask, rules: Any) -> None:
    def from_(*forwarded: str, **options: Any) -> list[int]:
        return [ask("/outside", headers={"X-Forwarded-For": value}, **options).status_code for value in forwarded]

    rules(limit("2/h", by="ip"))
    assert from_("198.51.100.1", "198.51.100.2", "198.51.100.3") == [200, 200, 429]
    rules(limit("2/h", by="ip", name="behind a proxy"), TRUSTED_PROXIES=1)
    assert from_("6.6.6.1, 198.51.100.9", "6.6.6.2, 198.51.100.9", "6.6.6.3, 198.51.100.9") == [200, 200, 429]
    assert from_("198.51.100.8", "2001:db8::1", "2001:db8::2", "2001:db8::3") == [200, 200, 200, 429]


@pytest.mark.more_privilege
@pytest.mark.parametrize("name", ["echo", "echo_async"])
def test_who_is_signed_in_counts_for_himself(ask: Ask, rules: Any, signed_in: Any, settings: Any, name: str) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, FILTERS]
    signed = sign_in(signed_in)
    rules(limit("1/h", by="owner_or_ip"))
    for headers in ({}, signed):
        assert [ask("/inside/plain", headers=headers).status_code for _ in range(2)] == [200, 429]
    rules(limit("1/h", by="owner_or_ip", name="calls"))
    for headers in ({}, signed):
        codes = [ask(f"{RPC}/{name}", {"args": [1]}, headers=headers).status_code for _ in range(2)]
        assert codes == [200, 429]
    rules(limit("1/h", by="owner", name="owners"))
    for headers in ({}, signed):
        assert [ask("/inside/async", headers=headers).status_code for _ in range(2)] == [200, 429]


def sign_in(user: Any) -> dict[str, str]:
    """Return the headers of somebody who is signed in by a cookie."""
    client, token = Client(), "a" * 32
    client.force_login(user)
    cookie = "; ".join(f"{key}={morsel.value}" for key, morsel in client.cookies.items())
    return {"Cookie": f"{cookie}; csrftoken={token}", "X-CSRFToken": token}


def test_limits_of_one_name_count_together_and_others_apart(rules: Any) -> None:
    both = [limit("1/h", name="shared", filter_={"endpoints": name}) for name in ("plain", "outside")]
    rules(*both)
    assert [wsgi(path).status_code for path in ("/inside/plain", "/outside")] == [200, 429]
    rules(*[limit("1/h", name=name, filter_={"endpoints": name}) for name in ("plain", "outside")])
    assert [wsgi(path).status_code for path in ("/inside/plain", "/outside")] == [200, 200]


def test_two_processes_and_their_threads_share_a_limit(rules: Any) -> None:
    rules(limit("30/h", filter_={"endpoints": ["echo", "echo_async"]}))
    workers = [Worker(call_many, send, name) for send, name in ((wsgi, "echo"), (asgi, "echo_async"))]
    codes = [code for worker in workers for (found,) in [worker.finish()] for code in found]
    assert (codes.count(200), codes.count(429)) == (30, 10)


def call_many(report: Report, send: Ask, name: str) -> None:
    """Report the statuses of 20 calls, made in two threads."""

    def work(_: int) -> list[int]:
        try:
            return [send(f"{RPC}/{name}", {"args": [1]}).status_code for _ in range(10)]
        finally:
            connections.close_all()

    with override_settings(ROOT_URLCONF="tests.app.mw", MIDDLEWARE=[FILTERS]):
        contexts = [copy_context() for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            report([code for found in pool.map(lambda c: c.run(work, 0), contexts) for code in found])


# The request log


@pytest.fixture
def log(rules: Any, caplog: pytest.LogCaptureFixture) -> Callable[..., Any]:
    """Log with these options; what it returns gives the one record."""

    def begin(**options: Any) -> Callable[[], Any]:
        caplog.set_level(logging.INFO, logger="kontract.request")
        rules(entry("kontract.middleware.request_log", options=options))

        def read() -> Any:
            (record,) = [record for record in caplog.records if record.name == "kontract.request"]
            return record

        return read

    return begin


@pytest.mark.parametrize("suffix", ["", "_async"])
def test_a_call_is_logged(ask: Ask, log: Any, suffix: str) -> None:
    read = log()
    response = ask(f"{RPC}/set_user{suffix}", {"args": ["ada", "Ada"]})
    record = read()
    assert record.getMessage() == f"POST {RPC}/set_user{suffix} 200"
    assert (record.levelname, record.method, record.path) == ("INFO", "POST", f"{RPC}/set_user{suffix}")
    assert (record.route, record.egroup, record.status, record.code) == (f"set_user{suffix}", "default", 200, None)
    assert (record.owner, record.ip, record.bytes) == ("", "127.0.0.1", len(response.content))
    assert record.txid == env.storage.users["ada"].txid
    assert 0 < record.duration_ms < 5000
    assert not hasattr(record, "arguments")
    assert not hasattr(record, "headers")


@pytest.mark.parametrize(
    ("name", "body", "status", "code", "level"),
    [
        ("set_user", {"args": [5]}, 422, "invalid_arguments", "INFO"),
        ("set_user_then_fail", {"args": ["ada"]}, 500, "internal_error", "ERROR"),
    ],
)
def test_a_failure_is_logged_with_its_code(
    ask: Ask, log: Any, name: str, body: Any, status: int, code: str, level: str
) -> None:
    read = log()
    ask(f"{RPC}/{name}", body)
    assert (read().status, read().code, read().levelname) == (status, code, level)
    assert read().getMessage().endswith(f" {status} {code}")


def test_a_view_is_logged(ask: Ask, log: Any) -> None:
    read = log()
    ask("/shop/checkout?page=2&token=" + SECRET)
    record = read()
    assert (record.method, record.path, record.route, record.egroup) == ("GET", "/shop/checkout", "shop:checkout", None)
    assert (record.status, record.bytes, record.txid) == (200, 5, None)
    assert record.query == {"page": ["2"], "token": MASKED}


@pytest.mark.parametrize(("path", "status", "size"), [("/no", 404, True), ("/inside/stream", 200, False)])
def test_what_is_not_found_or_streamed_is_logged(ask: Ask, log: Any, path: str, status: int, size: bool) -> None:
    read = log()
    ask(path)
    assert (read().status, read().bytes is not None) == (status, size)


HIDDEN = {
    "password": SECRET,
    "newPassword": SECRET,
    "api_key": SECRET,
    "Secret": {"deep": SECRET},
    "list": [{"Refresh-Token": SECRET}, [{"COOKIE": [SECRET]}]],
    "name": "Ada",
}


@pytest.mark.parametrize("name", ["echo", "echo_async"])
@pytest.mark.parametrize("as_json", [False, True])
def test_arguments_and_headers_are_logged_when_asked_for_and_secrets_never(
    ask: Ask, log: Any, name: str, as_json: bool
) -> None:
    read = log(arguments=True, headers=True, json=as_json)
    headers = {"Authorization": SECRET, "X-Api-Key": SECRET, "Cookie": f"sessionid={SECRET}", "X-Other": "fine"}
    ask(f"{RPC}/{name}?access_token={SECRET}", {"args": [HIDDEN]}, headers=headers)
    record = read()
    assert record.arguments["value"]["name"] == "Ada"
    assert record.arguments["value"]["list"] == [{"Refresh-Token": MASKED}, [{"COOKIE": MASKED}]]
    assert record.headers["X-Other"] == "fine"
    assert {record.headers[key] for key in ("Authorization", "X-Api-Key", "Cookie")} == {MASKED}
    assert SECRET not in repr(record.__dict__) + record.getMessage()
    if as_json:
        assert json.loads(record.getMessage())["arguments"]["value"]["name"] == "Ada"


def test_positional_secrets_are_known_by_their_parameters(ask: Ask, log: Any) -> None:
    read = log(arguments=True, mask=["user_id"])
    ask(f"{RPC}/set_user", {"args": [SECRET, "Ada", "too many"]})
    assert read().arguments == {"user_id": MASKED, "name": "Ada"}


def test_arguments_in_the_url_are_not_logged_unless_asked_for(ask: Ask, log: Any) -> None:
    path = f"{RPC}/read_user?kwargs={quote(json.dumps({'user_id': SECRET}))}"
    read = log()
    ask(path)
    assert SECRET not in repr(read().__dict__.get("query")) + read().getMessage()


def test_arguments_in_the_url_are_logged_when_asked_for(ask: Ask, log: Any) -> None:
    read = log(arguments=True)
    ask(f"{RPC}/read_user?kwargs={quote(json.dumps({'user_id': 'ada'}))}")
    assert read().arguments == {"user_id": "ada"}


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'{"args": 5}', b"[" * 30_000, b'{"args": ["' + b"x" * 70_000 + b'"]}', b"\xff"],
)
def test_a_body_that_is_no_call_is_logged_without_arguments(log: Any, body: bytes) -> None:
    read = log(arguments=True)
    response = Client().post(f"{RPC}/echo", body, content_type=JSON)
    assert read().status == response.status_code
    assert read().arguments is None


def test_in_djangos_own_setting_it_sees_what_is_refused_earlier(
    ask: Ask, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.MIDDLEWARE = ["kontract.middleware.request_log", "kontract.middleware.rate_limit"]
    caplog.set_level(logging.INFO, logger="kontract.request")
    ask(f"{RPC}/absent", {})
    ask(f"{RPC}/read_user?kwargs={quote(json.dumps({'user_id': SECRET}))}")
    records: list[Any] = [record for record in caplog.records if record.name == "kontract.request"]
    absent, read = records
    assert (absent.status, absent.code, absent.route) == (404, "procedure_not_found", "kontract:call")
    assert (read.status, read.query) == (200, {})
    assert SECRET not in read.getMessage()


@pytest.mark.more_privilege
@pytest.mark.parametrize("path", [f"{RPC}/who_am_i", f"{RPC}/who_am_i_async", "/me", "/me_async"])
def test_the_log_names_who_was_signed_in(ask: Ask, log: Any, signed_in: Any, settings: Any, path: str) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, FILTERS]
    read = log()
    ask(path, {} if path.startswith(RPC) else None, headers=sign_in(signed_in))
    assert (read().status, read().owner) == (200, str(signed_in.pk))


@pytest.mark.parametrize("path", ["/no%0AGET /forged 200", "/no%1b[31m", "/no%E2%80%AE", "/no" + "x" * 100_000])
def test_a_path_cannot_break_the_line_or_fill_the_log(ask: Ask, log: Any, path: str) -> None:
    read = log()
    ask(path)
    message = read().getMessage()
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 3000


def test_a_query_of_any_size_does_no_harm(ask: Ask, log: Any) -> None:
    read = log()
    assert ask("/outside?" + "a=1&" * 2000).status_code == 200
    assert read().query is None


def test_the_log_is_told_when_the_client_goes_away(log: Any) -> None:
    read = log()

    async def gone(request: HttpRequest) -> HttpResponse:
        raise asyncio.CancelledError

    request = HttpRequest()
    request.path, request.method = "/x", "GET"
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(request_log(gone)(request))
    assert (read().status, read().code) == (499, "cancelled")


# Pages of other origins: django-cors-headers serves for calls

ORIGIN = "https://app.example.org"


@pytest.fixture
def _cors(settings: Any) -> None:
    settings.MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware", FILTERS]
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    settings.CORS_URLS_REGEX = r"^/inside/kontract/"
    settings.CORS_ALLOW_HEADERS = [
        *default_headers,
        "idempotency-key",
        "if-none-match",
        "kontract-as-of",
        "kontract-dry-run",
    ]
    settings.CORS_EXPOSE_HEADERS = ["ETag", "Kontract-Replayed", "Kontract-Txid", "Retry-After"]


@pytest.mark.usefixtures("_cors")
@pytest.mark.parametrize("name", ["echo", "echo_async"])
def test_a_page_of_an_allowed_origin_may_ask_and_call(ask: Ask, rules: Any, name: str) -> None:
    rules(limit("1/h"))
    asked = preflight(ask, f"{RPC}/{name}", ORIGIN)
    assert (asked.status_code, asked["Access-Control-Allow-Origin"]) == (200, ORIGIN)
    assert {"content-type", "idempotency-key"} <= set(asked["Access-Control-Allow-Headers"].split(", "))
    assert "POST" in asked["Access-Control-Allow-Methods"]
    for status in (200, 429):
        response = ask(f"{RPC}/{name}", {"args": [1]}, headers={"Origin": ORIGIN})
        assert (response.status_code, response["Access-Control-Allow-Origin"]) == (status, ORIGIN)
        exposed = set(response["Access-Control-Expose-Headers"].split(", "))
        assert {"Kontract-Txid", "ETag", "Retry-After"} <= exposed
        assert response["Kontract-Txid"].isdecimal()


@pytest.mark.usefixtures("_cors")
def test_a_page_of_another_origin_may_not(ask: Ask) -> None:
    asked = preflight(ask, f"{RPC}/echo", "https://evil.example.org")
    assert "Access-Control-Allow-Origin" not in asked
    response = ask("/outside", headers={"Origin": ORIGIN})
    assert "Access-Control-Allow-Origin" not in response


def preflight(ask: Ask, path: str, origin: str) -> HttpResponse:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,idempotency-key",
    }
    options: Any = Client().options if ask is wsgi else async_to_sync(AsyncClient().options)
    response: HttpResponse = options(path, headers=headers)
    return response
