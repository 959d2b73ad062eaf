"""The generated Python client follows tables and live queries of a real server, which crashes, over bad connections."""

import asyncio
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import aclosing, closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.test import override_settings
from pytest_django import DjangoDbBlocker

import kontract
from kontract import env, tables
from kontract.client import KontractProblem
from kontract.client.patches import apply_patch
from kontract.context import CallContext, calling, get_namespace
from tests.generated import imported, write_client
from tests.integration.raystream.wire import options as make_channel
from tests.typescript.streams import TABLES, Cutting, serve


@pytest.fixture(autouse=True)
def place(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A new namespace, with tables that can be followed."""
    with django_db_blocker.unblock(), override_settings(KONTRACT={"TABLES": TABLES, "EVENTS": {}, "AUTH": {}}):
        name = f"events-{uuid.uuid4().hex}"
        tables.create_namespace(name)
        with kontract.namespace(name):
            yield


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The generated module, without a channel."""
    with imported(write_client(tmp_path_factory.mktemp("events"))) as module:
        yield module


def test_changes_and_results(api: Any) -> None:
    written = env.storage.users.set("u0", {"name": "Zoe", "age": 30})
    env.storage.users.set("u1", {"name": "Ann", "age": 20})
    with serve() as server, api.Client(f"{server.url}/kontract") as client:
        with closing(client.subscribe("users", where={"age__gte": 18}, old=True, after=written.txid)) as changes:
            inserted = next(changes)
            assert (inserted.type, inserted.id, inserted.data["name"]) == ("insert", "u1", "Ann")
            env.storage.users.update("u1", {"name": "Bob"})
            updated = next(changes)
            assert (updated.old["name"], updated.data["name"]) == ("Ann", "Bob")
            env.storage.users.update("u1", {"age": 2})
            gone = next(changes)
            assert (gone.type, gone.data) == ("delete", None)
        with closing(client.subscribe("users", where={"age__gte": 18}, after=inserted.cursor)) as changes:
            assert [next(changes) for _ in range(2)] == [_without_old(updated), gone]
        with closing(client.live(client.live_users, age=30)) as results:
            assert next(results) == [{"id": "u0", "name": "Zoe", "age": 30}]
            env.storage.users.set("u2", {"name": "Eve", "age": 30})
            assert [one["id"] for one in next(results)] == ["u0", "u2"]
        with closing(client.live("live_users", age=2)) as results:
            assert [one["id"] for one in next(results)] == ["u1"]


def _without_old(change: Any) -> Any:
    return type(change)(**{name: getattr(change, name) for name in change.__slots__} | {"old": None})


def test_what_is_refused_is_raised(api: Any) -> None:
    with serve() as server, api.Client(f"{server.url}/kontract") as client:
        for refused, code in [
            (client.subscribe("nothing"), "table_not_found"),
            (client.subscribe("users", where={"name__regex": "a"}), "invalid_query"),
            (client.live("live_writer"), "invalid_request"),
        ]:
            with pytest.raises(KontractProblem) as caught:
                next(refused)
            assert caught.value.code == code
        with pytest.raises(api.Missing):
            next(client.live(client.live_user, user_id="nobody"))


def telling(client: Any, said: list[str]) -> Any:
    """Return the client, which tells of its streams."""
    return client.options(on_open=lambda cursor: said.append("open"), on_lost=lambda error: said.append("lost"))


def test_nothing_is_missed_over_bad_connections_and_crashes(api: Any) -> None:
    last, said = 100, list[str]()

    def write() -> None:
        for number in range(last + 1):
            env.storage.users.set(f"u{number:03}", {"name": "Ann"})
            time.sleep(0.01)
            if number == last // 2:
                server.kill()
                server.start()
        connections.close_all()

    with serve() as server, Cutting(server.port, 0.6).running() as proxy:
        with (
            api.Client(f"{proxy.url}/kontract") as client,
            closing(telling(client, said).subscribe("users", after=0)) as changes,
        ):
            env.storage.users.set("first", {"name": "Ann"})
            assert next(changes).id == "first"
            writer = threading.Thread(target=kontract.namespace(get_namespace())(write))
            writer.start()
            found = [next(changes).id for _ in range(last + 1)]
            writer.join()
    assert found == [f"u{number:03}" for number in range(last + 1)]
    assert proxy.cuts > 0
    assert set(said) == {"open", "lost"}
    assert all(one != other for one, other in pairwise(said)), "each is told once"


def test_an_expired_token_is_renewed_on_the_way(api: Any) -> None:
    with serve(AUTH={"access_seconds": 2.0, "leeway_seconds": 0.0}) as server:
        with api.Client(f"{server.url}/kontract") as client:
            owner = client.auth.anonymous().id
            with closing(client.subscribe("private", after=0)) as changes:
                for number in range(6):
                    with calling(CallContext(owner=owner)):
                        env.storage.private.set(f"p{number}", {"n": number})
                    assert next(changes).id == f"p{number}"
                    time.sleep(0.5)


async def follow(client: Any, count: int) -> list[str]:
    """Return the ids of the next changes."""
    async with aclosing(client.subscribe("users", after=0)) as changes:
        return [(await anext(changes)).id for _ in range(count)]


def test_the_same_awaited_and_cancelled(api: Any) -> None:
    env.storage.users.set("u0", {"name": "Zoe", "age": 30})

    async def run(url: str) -> None:
        async with api.AsyncClient(f"{url}/kontract") as client:
            assert await follow(client, 1) == ["u0"]
            async with aclosing(client.live(client.live_users, age=30)) as results:
                assert [one["id"] for one in await anext(results)] == ["u0"]
            endless = asyncio.create_task(follow(client, 2))
            await asyncio.sleep(0.2)
            endless.cancel()
            with pytest.raises(asyncio.CancelledError):
                await endless

    with serve() as server:
        asyncio.run(run(server.url))


def test_through_the_encrypted_channel(tmp_path: Path) -> None:
    channel = make_channel(policy="required")
    with override_settings(KONTRACT={**settings.KONTRACT, "RAYSTREAM": channel}):
        path = write_client(tmp_path)
    env.storage.users.set("u0", {"name": "Zoe", "age": 30})
    with (
        imported(path) as module,
        serve(RAYSTREAM=channel) as server,
        module.Client(f"{server.url}/kontract") as client,
    ):
        with closing(client.subscribe("users", after=0)) as changes:
            assert next(changes).id == "u0"
            env.storage.users.set("u1", {"name": "Ann"})
            assert next(changes).id == "u1"
        with closing(client.live(client.live_users, age=30)) as results:
            assert [one["id"] for one in next(results)] == ["u0"]
        with module.Client(f"{server.url}/kontract", raystream=None) as bare, pytest.raises(KontractProblem) as caught:
            next(bare.subscribe("users"))
        assert caught.value.code == "raystream_required"


@pytest.mark.parametrize(
    ("document", "patch", "result"),
    [
        ([1, 2], [{"op": "add", "path": "/1", "value": 9}], [1, 9, 2]),
        ([1, 2], [{"op": "add", "path": "/-", "value": 9}], [1, 2, 9]),
        ({"a/b": {"~": 1}}, [{"op": "replace", "path": "/a~1b/~0", "value": 2}], {"a/b": {"~": 2}}),
        ({"a": [1]}, [{"op": "move", "from": "/a/0", "path": "/b"}], {"a": [], "b": 1}),
        ({"a": 1}, [{"op": "copy", "from": "/a", "path": "/b"}, {"op": "remove", "path": "/a"}], {"b": 1}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": None}], None),
    ],
)
def test_patches(document: Any, patch: Any, result: Any) -> None:
    kept = repr(document)
    assert apply_patch(document, patch) == result
    assert repr(document) == kept
