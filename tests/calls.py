"""Calling procedures through Django's own clients, and reading what comes back."""

import json
from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.test import AsyncClient, Client

SECRET = "the combination is 12345"  # what procedures know and no client may learn

Post = Callable[..., HttpResponse]
PROBLEM = "application/problem+json"
RENAMED = {413: "Content Too Large", 422: "Unprocessable Content"}  # in RFC 9110, and from Python 3.13 on


def post_through(client: Any, name: str, body: bytes, **options: Any) -> HttpResponse:
    content_type = options.pop("content_type", "application/json")
    response: HttpResponse = client.post(f"/kontract/rpc/{name}", body, content_type=content_type, **options)
    return response


def wsgi(name: str, body: bytes, **options: Any) -> HttpResponse:
    return post_through(Client(raise_request_exception=True), name, body, **options)


async def _asgi(name: str, body: bytes, **options: Any) -> HttpResponse:
    return await post_through(AsyncClient(raise_request_exception=True), name, body, **options)  # type: ignore[misc,no-any-return]


def asgi(name: str, body: bytes, **options: Any) -> HttpResponse:
    response: HttpResponse = async_to_sync(_asgi)(name, body, **options)
    return response


def call(post: Post, name: str, *args: Any, **kwargs: Any) -> Any:
    """Call a procedure that is expected to succeed, and return its result."""
    response = post(name, json.dumps({"args": args} if args else {"kwargs": kwargs}).encode())
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/json"
    return json.loads(response.content)["result"]


def refused(response: Any, status: int, code: str) -> dict[str, Any]:
    """Check that a response is this problem, with all that belongs to one, and return it."""
    problem: dict[str, Any] = json.loads(response.content)
    assert (response.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert (response["Content-Type"], problem["type"]) == (PROBLEM, "about:blank")
    assert problem["title"] == RENAMED.get(status, response.reason_phrase)
    assert response["Cache-Control"] == "no-store"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Kontract-Txid"].isdecimal()
    assert SECRET not in response.content.decode()
    return problem
