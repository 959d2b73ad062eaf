"""Calls through the channel: inside they are what they are without it."""

import io
import json
from typing import Any

import pytest
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import Client as DjangoClient
from django.urls import include, path

from kontract.exceptions import ConfigurationError
from kontract.raystream.errors import MisuseError

from .wire import OUTER, Peer, Wire, open_answer, options


def reflect(request: HttpRequest) -> HttpResponse:
    """Tell what a view sees of a request."""
    seen = {
        "meta": {k: v for k, v in request.META.items() if isinstance(v, str)},
        "path": request.path,
        "url": request.build_absolute_uri(),
        "cookies": dict(request.COOKIES),
        "secure": request.is_secure(),
        "body": request.body.decode(),
        "get": dict(request.GET),
        "sid": request.raystream.sid,  # type: ignore[attr-defined]
        "exporter": request.raystream.exporter.hex(),  # type: ignore[attr-defined]
        "method": request.method,
    }
    response = HttpResponse(json.dumps(seen), content_type="application/json", status=203)
    response.headers["X-Inside"] = "sealed"
    response.set_cookie("session", "secret")
    return response


def fail(request: HttpRequest) -> HttpResponse:
    """Fail as views do."""
    raise RuntimeError("a secret of the project")


def send_file(request: HttpRequest) -> FileResponse:
    """Send a file in many blocks."""
    content = bytes(range(256)) * 4 * int(request.GET.get("kib", "256"))
    return FileResponse(io.BytesIO(content), filename="bytes.bin", content_type="application/x-bytes")


def events(request: HttpRequest) -> StreamingHttpResponse:
    """Send events."""
    return StreamingHttpResponse(iter([b"data: one\n\n", b"data: two\n\n"]), content_type="text/event-stream")


def nothing(request: HttpRequest) -> HttpResponse:
    """Send no body."""
    return HttpResponse(status=204)


urlpatterns = [
    path("kontract/", include("kontract.urls")),
    path("reflect/é", reflect),
    path("fail", fail),
    path("file", send_file),
    path("events", events),
    path("nothing", nothing),
]


@pytest.fixture
def views(settings: Any) -> None:
    """The views of this module."""
    settings.ROOT_URLCONF = __name__
    settings.ALLOWED_HOSTS = ["*"]


def test_a_call_through_the_channel_answers_as_it_does_without(peer: Peer) -> None:
    for name in ("echo", "echo_async"):
        answer = peer.call(name, "hello")
        assert (answer.status, answer.json) == (200, {"result": "hello"})
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["kontract-txid"].isdecimal()
        assert answer.outer["Content-Type"] == "application/raystream"
        assert answer.outer["Cache-Control"] == "no-cache, no-transform"
        assert set(answer.outer.headers) == {"Content-Type", "Cache-Control", "X-Content-Type-Options"}
        assert b"hello" not in answer.outer.content


def test_problems_are_sealed_and_the_outer_status_is_200(peer: Peer) -> None:
    answer = peer.call("no_such_procedure")
    assert (answer.status, answer.json["code"], answer.outer.status_code) == (404, "procedure_not_found", 200)
    answer = peer.call("echo", 1, 2)
    assert (answer.status, answer.json["code"]) == (422, "invalid_arguments")


def test_calls_write_and_batches_run(peer: Peer) -> None:
    calls = [{"procedure": "echo", "args": [1]}, {"procedure": "echo_async", "args": [2]}]
    batch = peer.seal("POST", "/kontract/rpc", json.dumps(calls).encode(), content_type="application/json")
    assert [item["result"] for item in peer.send(batch).json] == [1, 2]


def test_a_view_sees_what_is_inside_and_how_it_came(peer: Peer, views: None, settings: Any) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_TLS", "on")
    call = peer.seal(
        "POST", "/reflect/%C3%A9?a=1&a=%20", b"body", authorization="Bearer t", accept_language="de", content_type="a/b"
    )
    if peer.wire.is_async:
        headers = {"cookie": "a=b", "authorization": "Basic outer", "x-forwarded-for": "1.2.3.4"}
        headers |= {"x-tls": "on", "accept-encoding": "gzip", "x-other": "1"}
        answer = peer.send(call, headers=headers)
    else:
        answer = peer.send(
            call,
            HTTP_HOST="testserver",
            HTTP_COOKIE="a=b",
            HTTP_AUTHORIZATION="Basic outer",
            HTTP_X_FORWARDED_FOR="1.2.3.4",
            HTTP_X_TLS="on",
            HTTP_ACCEPT_ENCODING="gzip",
            HTTP_X_OTHER="1",
            REMOTE_USER="root",
        )
    seen = answer.json
    assert (answer.status, answer.headers["x-inside"]) == (203, "sealed")
    assert "set-cookie" not in answer.headers
    assert not answer.outer.cookies
    assert seen["url"] == "https://testserver/reflect/%C3%A9?a=1&a=%20"
    assert (seen["method"], seen["body"], seen["cookies"], seen["get"]) == ("POST", "body", {}, {"a": ["1", " "]})
    assert seen["secure"]
    meta = seen["meta"]
    assert (meta["HTTP_AUTHORIZATION"], meta["HTTP_ACCEPT_LANGUAGE"]) == ("Bearer t", "de")
    assert (meta["CONTENT_TYPE"], meta["CONTENT_LENGTH"]) == ("a/b", "4")
    assert (meta["REMOTE_ADDR"], meta["HTTP_X_FORWARDED_FOR"]) == ("127.0.0.1", "1.2.3.4")
    assert not meta.keys() & {"HTTP_COOKIE", "HTTP_ACCEPT_ENCODING", "HTTP_X_OTHER", "REMOTE_USER"}
    assert seen["exporter"] == peer.client.exporter.hex()
    assert seen["sid"] == call.frame[4:20].hex()


@pytest.mark.parametrize(
    "head",
    [
        {"method": "POST", "path": "/", "headers": [["cookie", "sessionid=1"]]},
        {"method": "POST", "path": "/", "headers": [["host", "evil.example"]]},
        {"method": "POST", "path": "/", "headers": [["x-forwarded-for", "10.0.0.1"]]},
        {"method": "POST", "path": "http://other/"},
        {"method": "CONNECT", "path": "/", "headers": []},
        [],
    ],
)
def test_what_must_not_be_inside_gets_a_sealed_refusal(peer: Peer, head: Any) -> None:
    channel = peer.client._channel
    assert channel is not None
    call = peer.seal("GET", "/")
    envelope = json.dumps(head).encode()
    forged = channel.seal(call.seq, len(envelope).to_bytes(4, "big") + envelope)
    answer = open_answer(call, peer.wire.post(forged))
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")


def test_a_client_refuses_to_send_them(peer: Peer) -> None:
    with pytest.raises(MisuseError, match="cookie"):
        peer.seal("GET", "/", cookie="a=b")


def test_a_failing_view_is_sealed_like_any_other(peer: Peer, views: None) -> None:
    peer.wire._client.raise_request_exception = False
    answer = peer.send(peer.seal("GET", "/fail"))
    assert (answer.status, answer.outer.status_code) == (500, 200)
    assert b"secret" not in answer.body


def test_files_and_events_come_in_chunks(peer: Peer, views: None) -> None:
    answer = peer.send(peer.seal("GET", "/file"))
    assert answer.body == bytes(range(256)) * 1024
    assert answer.headers["content-length"] == str(256 * 1024)
    assert answer.headers["content-disposition"] == 'inline; filename="bytes.bin"'
    answer = peer.send(peer.seal("GET", "/events"))
    assert answer.body == b"data: one\n\ndata: two\n\n"
    assert answer.outer["Content-Type"] == "text/event-stream"
    assert answer.outer["X-Accel-Buffering"] == "no"
    lines = [line for line in answer.outer.wire.split(b"\n") if line]  # type: ignore[attr-defined]
    assert all(line.startswith(b"data: ") for line in lines)


def test_an_answer_may_be_larger_than_a_frame(peer: Peer, views: None) -> None:
    answer = peer.send(peer.seal("GET", "/file?kib=40960"))
    assert answer.body == bytes(range(256)) * 4 * 40960


def test_head_and_204_have_no_body(peer: Peer, views: None) -> None:
    answer = peer.send(peer.seal("HEAD", "/file"))
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", str(256 * 1024))
    answer = peer.send(peer.seal("GET", "/nothing"))
    assert (answer.status, answer.body) == (204, b"")


def test_streams_of_procedures(peer: Peer) -> None:
    call = peer.seal_call("zoo_count", 3)
    answer = peer.send(call)
    assert answer.body.splitlines()[-1] == b'{"done":true}'
    assert answer.headers["content-type"] == "application/jsonl"
    assert answer.outer["Content-Type"] == "application/raystream"


def test_there_is_no_channel_inside_the_channel(peer: Peer) -> None:
    answer = peer.send(peer.seal("POST", OUTER, b"x" * 200))
    assert answer.status == 404


def test_what_is_not_for_the_channel_passes(wire: Wire) -> None:
    response = DjangoClient().post("/kontract/rpc/echo", b'{"args": [1]}', content_type="application/json")
    assert (response.status_code, response.json()) == (200, {"result": 1})
    assert DjangoClient().post("/other/_rs", b"", content_type="a/b").status_code == 404


def test_without_the_middleware_there_is_nothing(settings: Any) -> None:
    settings.MIDDLEWARE = []
    assert DjangoClient().post(OUTER, b"", content_type="a/b").status_code == 404


def test_the_middleware_without_keys_stops_the_server(settings: Any) -> None:
    settings.KONTRACT = {}
    with pytest.raises(ConfigurationError, match="kontract_keys new"):
        DjangoClient().get("/")
    settings.KONTRACT = {"RAYSTREAM": options(limits={"idle": 10**6})}
    with pytest.raises(ConfigurationError, match="idle"):
        DjangoClient().get("/")
