"""Calls through real servers and real sockets: WSGI and ASGI."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from typing import Any

import pytest

from tests.acceptance.conftest import Demo, find_free_port


@pytest.fixture(scope="session")
def wsgi(loaded: Demo) -> Iterator[int]:
    """The port of Django's development server."""
    port = find_free_port()
    with loaded.serve(port, "manage.py", "runserver", "--noreload", str(port)):
        yield port


@pytest.fixture(scope="session")
def asgi(loaded: Demo) -> Iterator[int]:
    """The port of uvicorn."""
    port = find_free_port()
    with loaded.serve(port, "-m", "uvicorn", "--port", str(port), "--lifespan", "off", "config.asgi:application"):
        yield port


@pytest.fixture(params=["wsgi", "asgi"])
def server(request: pytest.FixtureRequest) -> str:
    """The URL under which procedures are called."""
    return f"http://127.0.0.1:{request.getfixturevalue(request.param)}/kontract/rpc/"


def call(server: str, name: str, body: bytes) -> tuple[int, Any, Message]:
    """Call a procedure; return the status, the JSON of the response, and its headers."""
    request = urllib.request.Request(server + name, body, {"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            return response.status, json.load(response), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers


def test_calls_of_both_kinds(server: str) -> None:
    status, answer, headers = call(server, "set_note", b'{"args": ["FR", "Salut"]}')
    assert (status, answer["result"]["note"]) == (200, "Salut")
    txid = int(headers["Kontract-Txid"])
    status, answer, headers = call(server, "get_country", b'{"args": ["FR"]}')
    assert (answer["result"]["note"], int(headers["Kontract-Txid"])) == ("Salut", txid)
    status, answer, _ = call(server, "count_documents", b"{}")  # a coroutine function
    assert (status, answer["result"]["countries"]) == (200, 249)


def test_failures(server: str) -> None:
    for name, body, status, code in [
        ("nothing", b"{}", 404, "procedure_not_found"),
        ("get_country", b'{"args": ["XX"]}', 404, "document_not_found"),
        ("get_country", b'{"args": ["../.."]}', 422, "invalid_arguments"),
        ("get_country", b"{", 400, "invalid_request"),
        ("count_documents", b"[" * 1_000_000, 400, "invalid_request"),
        ("undo", b'{"args": [999999]}', 404, "transaction_not_found"),
    ]:
        answered, problem, headers = call(server, name, body)
        assert (answered, problem["code"], headers["Content-Type"]) == (status, code, "application/problem+json")


def test_pages_and_calls_come_with_a_policy_without_exceptions(server: str) -> None:
    root = server.removesuffix("kontract/rpc/")
    for path in ("", "atlas/", "kontract/rpc/list_trips"):
        with urllib.request.urlopen(root + path, timeout=20) as response:  # noqa: S310
            policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_calls_at_the_same_time_on_one_document(server: str) -> None:
    def note(number: int) -> int | None:
        status, _, headers = call(server, "set_note", json.dumps({"args": ["IT", f"note {number}"]}).encode())
        assert status in (200, 409)  # conflicts may use up the retries
        return int(headers["Kontract-Txid"]) if status == 200 else None

    with ThreadPoolExecutor(4) as pool:
        txids = [txid for txid in pool.map(note, range(12)) if txid]
    assert txids
    states = call(server, "country_history", b'{"args": ["IT"]}')[1]["result"]
    assert sorted(txids, reverse=True) == [state["txid"] for state in states[: len(txids)]]
