"""The road of a stream: middleware and its rules, the encrypted channel, cookies, WSGI, and what it holds."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.db import connection
from django.http import HttpRequest
from django.test import Client, override_settings
from django.utils.decorators import async_only_middleware

import kontract
from kontract import env
from kontract.client.channel import Session
from kontract.client.transports import AsyncTransport
from kontract.context import get_namespace
from tests.integration.raystream.wire import PINS, options
from tests.integration.streams.serving import EVENTS, MIDDLEWARE, TABLES, Reader, Refused, serving, sign_in, write

users = env.storage.users
_test_namespace = ""


@pytest.fixture(autouse=True)
def _remember_namespace(project: None) -> Iterator[None]:
    global _test_namespace
    _test_namespace = get_namespace()
    yield
    _test_namespace = ""


@async_only_middleware
def in_test_namespace(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Let each request, which cannot say so itself, work in the namespace of the test that runs."""

    async def answer(request: HttpRequest) -> Any:
        with kontract.namespace(_test_namespace):
            return await get_response(request)

    return answer


def project(**changes: Any) -> override_settings:
    """Return a block with other settings of Django's and, by ``KONTRACT``, of kontract's."""
    ours = {"TABLES": TABLES, "EVENTS": EVENTS, **changes.pop("KONTRACT", {})}
    return override_settings(KONTRACT=ours, **{"MIDDLEWARE": MIDDLEWARE, **changes})


def test_a_server_that_speaks_wsgi_says_what_to_do() -> None:
    with override_settings(MIDDLEWARE=[]):
        response = Client().get("/kontract/events/?table=users")
    problem = response.json()
    assert (response.status_code, problem["code"]) == (501, "asgi_required")
    assert "uvicorn" in problem["detail"]


def test_rules_of_middleware_apply_to_streams_as_to_views() -> None:
    rule = {
        "fn": "kontract.middleware.require_auth",
        "filter": {"endpoints": ["kontract:events"]},
    }

    async def run() -> None:
        middleware = [*MIDDLEWARE, "kontract.middleware.AuthMiddleware", "kontract.middleware.FilterMiddleware"]
        with project(KONTRACT={"MIDDLEWARE": [rule]}, MIDDLEWARE=middleware):
            somebody = await write(sign_in)
            async with serving() as server:
                with pytest.raises(Refused, match="authentication_required"):
                    async with server.stream(table="users"):
                        pass
                async with server.stream(table="users", token=somebody.token) as stream:
                    await write(lambda: users.set("u1", {}))
                    await stream.told(1)

    asyncio.run(run())


def test_rules_for_a_procedure_apply_to_each_run_of_a_live_query() -> None:
    rule = {
        "fn": "kontract.middleware.require_group",
        "filter": {"endpoints": ["live_users"]},
        "options": {"group": "staff"},
    }

    async def run() -> None:
        with project(KONTRACT={"MIDDLEWARE": [rule]}):
            somebody = await write(lambda: sign_in("staff"))
            async with serving() as server:
                async with server.stream(live="live_users") as stream:
                    assert (await stream.next()).data["problem"]["code"] == "authentication_required"
                async with server.stream(live="live_users", token=somebody.token) as stream:
                    assert (await stream.next()).data["result"] == []
                    await write(lambda: somebody.join("others"))
                    assert (await stream.next(3)).data["problem"]["code"] == "permission_denied"

    asyncio.run(run())


def test_compression_does_not_keep_events_back() -> None:
    async def run() -> None:
        with project(MIDDLEWARE=["django.middleware.gzip.GZipMiddleware", *MIDDLEWARE]):
            async with serving() as server, server.stream(table="users") as stream:
                await write(lambda: users.set("u1", {}))
                assert len(await stream.told(1)) == 1

    asyncio.run(run())


@pytest.mark.more_privilege
def test_a_user_of_djangos_is_known_by_the_cookie_until_the_log_out() -> None:
    def log_in(user: User) -> str:
        session = SessionStore()
        session.update({"_auth_user_id": str(user.pk), "_auth_user_backend": BACKEND, "_auth_user_hash": HASH(user)})
        session.create()
        session.save()
        return str(session.session_key)

    async def run() -> None:
        middleware = ["django.contrib.sessions.middleware.SessionMiddleware"]
        middleware += ["django.contrib.auth.middleware.AuthenticationMiddleware", *MIDDLEWARE]
        engine = "django.contrib.sessions.backends.signed_cookies"
        with project(MIDDLEWARE=middleware, SESSION_ENGINE=engine, AUTHENTICATION_BACKENDS=[BACKEND]):
            user = await write(lambda: User.objects.create(username=f"u-{_test_namespace[-12:]}"))
            try:
                key = await write(log_in, user)
                async with serving() as server:
                    server.client.cookies.set("sessionid", key)
                    async with server.stream(table="private") as stream:
                        await write(lambda: save_as(str(user.pk)))
                        assert (await stream.told(1))[0]["owner"] == str(user.pk)
                        await write(lambda: User.objects.filter(pk=user.pk).update(is_active=False))
                        event = await stream.next(3)
                        assert (event.name, event.data["code"]) == ("stream-error", "session_revoked")
            finally:
                await write(user.delete)

    asyncio.run(run())


BACKEND = "django.contrib.auth.backends.ModelBackend"
HASH = User.get_session_auth_hash


def save_as(owner: str) -> None:
    """Write somebody's document."""
    with kontract.context.calling(kontract.context.CallContext(owner=owner)):
        env.storage.private.set("p1", {})


CHANNEL = ["tests.integration.streams.test_road.in_test_namespace", "kontract.middleware.RaystreamMiddleware"]


def test_a_stream_goes_through_the_encrypted_channel() -> None:
    async def run() -> None:
        raystream = options(policy="required")
        with project(KONTRACT={"RAYSTREAM": raystream}, MIDDLEWARE=CHANNEL):
            async with serving() as server, httpx.AsyncClient(timeout=10) as outer:
                with pytest.raises(Refused, match="raystream_required"):
                    async with server.stream(table="users"):
                        pass
                with pytest.raises(Refused, match="raystream_required"):
                    async with server.stream(live="live_users"):
                        pass
                somebody = await write(sign_in)
                transport = AsyncTransport(outer, Session(httpx.URL(server.url), PINS))
                server.client = httpx.AsyncClient(transport=transport, timeout=10)
                body = {"subscriptions": {"t": {"table": "users"}, "l": {"live": "live_users"}}}
                async with server.stream(body, token=somebody.token) as stream:
                    assert (await stream.next()).data["result"] == []
                    txid = (await write(lambda: users.set("u1", {}))).txid
                    names = {(await stream.next()).name for _ in range(2)}
                    assert names == {"change", "live"}
                    assert stream.cursor == f"{txid}.1"
                await write(lambda: users.set("u2", {}))
                async with server.stream(table="users", last=f"{txid}.1", token=somebody.token) as stream:
                    assert [one["id"] for one in await stream.told(1)] == ["u2"]

    asyncio.run(run())


def test_idle_streams_hold_neither_a_connection_nor_a_thread() -> None:
    def count() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            found: int = cursor.fetchone()[0]
        return found

    async def open_all(server: Any, token: str, opened: list[Reader], closing: asyncio.Event) -> None:
        async with server.stream(table="users", token=token) as stream:
            opened.append(stream)
            await closing.wait()

    async def run() -> None:
        somebody = await write(sign_in)
        async with serving() as server:
            opened: list[Reader] = []
            closing = asyncio.Event()
            tasks = [asyncio.create_task(open_all(server, somebody.token, opened, closing)) for _ in range(20)]
            while len(opened) < len(tasks):
                await asyncio.sleep(0.02)
            await asyncio.sleep(1.2)
            counts = []
            for _ in range(12):
                counts.append(await write(count))
                await asyncio.sleep(0.1)
            assert min(counts) <= before + 1  # the listener's; now and then there is that which looks sessions up
            assert max(counts) <= before + 2
            assert sum("kontract" in thread.name for thread in threading.enumerate()) <= 3
            closing.set()
            await asyncio.gather(*tasks)

    before = count()  # of what other tests have left
    connection.close()  # the test's own
    asyncio.run(run())


def test_the_parts_of_django_eventstream_that_are_used() -> None:
    from django_eventstream.utils import sse_encode_event

    assert sse_encode_event("a\nb", "1\n2\r\n3", event_id="4\n7") == "event: ab\nid: 47\ndata: 1\ndata: 2\ndata: 3\n\n"
    assert sse_encode_event("keep-alive", "") == "event: keep-alive\ndata: \n\n"
    assert json.loads(sse_encode_event("x", '{"a": 1}').splitlines()[1].removeprefix("data: ")) == {"a": 1}
