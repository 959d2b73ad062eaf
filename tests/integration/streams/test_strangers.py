"""What a live query tells one caller, it tells no other: what a request says besides who sends it."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import override_settings

from kontract import env
from kontract.context import get_namespace
from tests.integration.streams.serving import EVENTS, HEADER, MIDDLEWARE, TABLES, Reader, Server, serving, write

users = env.storage.users
BACKEND = "django.contrib.auth.backends.ModelBackend"


def require_key(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Let through who has the key, as a project's own middleware may."""

    def guard(request: HttpRequest) -> HttpResponseBase:
        if request.headers.get("X-Key") != "open sesame":
            return HttpResponse('{"code": "no_key"}', status=403, content_type="application/problem+json")
        return get_response(request)

    return guard


@pytest.fixture
def rules() -> Iterator[None]:
    """Let a live query be for those alone who have the key."""
    rule = {"fn": "tests.integration.streams.test_strangers.require_key", "filter": {"endpoints": ["live_users"]}}
    with override_settings(KONTRACT={"TABLES": TABLES, "EVENTS": EVENTS, "MIDDLEWARE": [rule]}):
        yield


def like(server: Server, **headers: str) -> Server:
    """Return what another client asks, which nobody has signed in, with headers of its own."""
    other = Server(0, get_namespace())
    other.url = server.url
    other.client.headers.update({HEADER: get_namespace(), **headers})
    return other


async def first(stream: Reader) -> Any:
    """Return what the first event of a live query says."""
    data = (await stream.next()).data
    return data["problem"]["code"] if "problem" in data else data["result"]


def test_visitors_without_an_account_do_not_share_what_depends_on_their_cookies() -> None:
    async def run() -> None:
        async with serving() as server:
            ann, bob = like(server, Cookie="cart=a"), like(server, Cookie="cart=b")
            for _ in range(2):  # also when it is known that the procedure looks at the request
                async with (
                    ann.client,
                    bob.client,
                    ann.stream(live="live_cart") as one,
                    bob.stream(live="live_cart") as two,
                ):
                    assert [await first(one), await first(two)] == ["a", "b"]
                ann, bob = like(server, Cookie="cart=a"), like(server, Cookie="cart=b")

    asyncio.run(run())


def test_who_has_no_key_does_not_share_what_another_has_opened(rules: None) -> None:
    async def run() -> None:
        await write(lambda: users.set("u1", {}))
        async with serving() as server:
            owner, thief = like(server, **{"X-Key": "open sesame"}), like(server)
            async with owner.client, thief.client, owner.stream(live="live_users") as opened:
                assert await first(opened) == [{"id": "u1"}]
                async with thief.stream(live="live_users") as stolen:
                    assert await first(stolen) == "no_key"

    asyncio.run(run())


@pytest.mark.more_privilege
def test_a_run_knows_the_user_as_they_are_now() -> None:
    def log_in(user: User) -> str:
        session = SessionStore()
        session.update({"_auth_user_id": str(user.pk), "_auth_user_backend": BACKEND})
        session["_auth_user_hash"] = user.get_session_auth_hash()
        session.create()
        session.save()
        return str(session.session_key)

    async def run() -> None:
        user = await write(lambda: User.objects.create(username=f"u-{get_namespace()[-12:]}", is_staff=True))
        try:
            async with serving() as server:
                server.client.cookies.set("sessionid", await write(log_in, user))
                async with server.stream(live="live_rights") as stream:
                    assert await first(stream) is True
                    await write(lambda: User.objects.filter(pk=user.pk).update(is_staff=False))
                    await write(lambda: users.set("u1", {}))
                    assert await first(stream) is False
        finally:
            await write(user.delete)

    middleware = ["django.contrib.sessions.middleware.SessionMiddleware"]
    middleware += ["django.contrib.auth.middleware.AuthenticationMiddleware", *MIDDLEWARE]
    engine = "django.contrib.sessions.backends.signed_cookies"
    with override_settings(MIDDLEWARE=middleware, SESSION_ENGINE=engine, AUTHENTICATION_BACKENDS=[BACKEND]):
        asyncio.run(run())
