"""Streams of changes over HTTP: what subscribers are told, and how they resume."""

import asyncio
import threading
from collections.abc import Iterable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

import kontract
from kontract import env
from kontract.auth import sessions
from kontract.events.sharing import catchers, runners
from tests.integration.streams.serving import Refused, Server, events_with, serving, sign_in, write

users, private = env.storage.users, env.storage.private


def save(document_id: str, **data: Any) -> int:
    """Write a user and return the transaction."""
    txid = users.set(document_id, data).txid
    assert txid is not None
    return txid


def forget_history() -> None:
    """Let vacuum remove everything that is not live."""
    name = kontract.context.get_namespace()
    call_command("kontract_vacuum", namespace=name, days=0, stdout=StringIO(), stderr=StringIO())


def ids(told: list[dict[str, Any]]) -> list[str]:
    """Return the kinds and ids of what was told."""
    return [f"{one['type']} {one['id']}" for one in told]


def test_a_subscriber_is_told_of_each_change_with_its_cursor() -> None:
    async def run() -> None:
        async with serving() as server, server.stream(table="users", old="1") as stream:
            txid = await write(lambda: save("u1", age=1))
            event = await stream.next()
            assert (event.name, event.id) == ("change", f"{txid}.1")
            assert event.data.keys() == {"txid", "ordinal", "at", "label", "to"}
            insert = {"type": "insert", "table": "users", "id": "u1", "data": {"age": 1}, "owner": ""}
            assert event.data["to"] == {"": insert}
            await write(lambda: save("u1", age=2))
            (update,) = await stream.told(1)
            assert (update["type"], update["data"], update["old"]) == ("update", {"age": 2}, {"age": 1})
            await write(lambda: users.delete("u1"))
            assert await stream.told(1) == [{"type": "delete", "table": "users", "id": "u1"}]

    asyncio.run(run())


def test_the_wire_is_that_of_django_eventstream() -> None:
    async def run() -> None:
        txid = await write(lambda: save("u1"))
        with events_with(keep_alive_seconds=0.05):
            async with serving() as server:
                request = server.client.build_request("GET", f"{server.url}events/?table=users")
                response = await server.client.send(request, stream=True)
                text = ""
                async for part in response.aiter_text():
                    text += part
                    if "keep-alive" in text:
                        break
                await response.aclose()
        assert text.startswith(f':{" " * 2048}\n\nevent: stream-open\nid: {txid}\ndata: {{"txid": {txid}}}\n\n')
        assert text.endswith(f"event: keep-alive\nid: {txid}\ndata: \n\n")
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["X-Accel-Buffering"] == "no"

    asyncio.run(run())


def test_a_stream_goes_on_after_any_change_of_a_transaction() -> None:
    async def run() -> None:
        async with serving() as server:
            before = await write(lambda: save("u0"))
            await write(lambda: users.set_many({f"u{n}": {"n": n} for n in range(1, 6)}))
            async with server.stream(table="users", after=str(before)) as stream:
                events = [await stream.next() for _ in range(5)]
            for position, event in enumerate(events):
                assert event.id is not None
                async with server.stream(table="users", last=event.id) as stream:
                    assert stream.cursor == event.id
                    rest = [await stream.next() for _ in range(4 - position)]
                    assert [one.id for one in rest] == [one.id for one in events[position + 1 :]]
                    await write(lambda n=position: save(f"later{n}"))
                    assert ids(await stream.told(position + 1))[-1] == f"insert later{position}"

    asyncio.run(run())


def test_conditions_let_documents_come_and_go() -> None:
    async def run() -> None:
        body = {
            "subscriptions": {
                "adults": {"table": "users", "where": {"age__gte": 18, "name__startswith": "A"}},
                "one": {"table": "users", "where": {"_id": "u2"}},
            }
        }
        async with serving() as server, server.stream(body) as stream:
            for age, name in [(17, "Ann"), (18, "Ann"), (19, "Ann"), (19, "Bob"), (19, "Ada")]:
                await write(lambda age=age, name=name: save("u1", age=age, name=name))
            await write(lambda: users.delete("u1"))
            await write(lambda: save("u2", age=99, name="A"))
            told = [(await stream.next()).data["to"] for _ in range(6)]
            kinds = [{name: one["type"] for name, one in to.items()} for to in told]
            adults = [{"adults": kind} for kind in ("insert", "update", "delete", "insert", "delete")]
            assert kinds == [*adults, {"adults": "insert", "one": "insert"}]
            assert told[2]["adults"].keys() == {"type", "table", "id"}

    asyncio.run(run())


def test_hidden_fields_are_neither_told_nor_named_nor_noticed() -> None:
    async def run() -> None:
        async with serving() as server, server.stream(table="users", old="1") as stream:
            await write(lambda: save("u1", name="Ann", secret=1))
            await write(lambda: save("u1", name="Ann", secret=2))
            await write(lambda: save("u1", name="Eve", secret=3))
            insert, update = await stream.told(2)
            assert insert["data"] == {"name": "Ann"}
            assert (update["data"], update["old"]) == ({"name": "Eve"}, {"name": "Ann"})
            with pytest.raises(Refused) as refused:
                async with server.stream(table="users", where={"secret": 1}):
                    pass
            assert (refused.value.status, refused.value.problem["code"]) == (403, "permission_denied")

    asyncio.run(run())


def test_documents_of_others_are_neither_told_nor_counted() -> None:
    def as_owner(owner: str, document_id: str) -> None:
        with kontract.context.calling(kontract.context.CallContext(owner=owner)):
            private.set(document_id, {"text": owner})

    async def run() -> None:
        ann, bob = await write(sign_in), await write(sign_in)
        async with (
            serving() as server,
            server.stream(table="private", token=ann.token) as of_ann,
            server.stream(table="private", token=bob.token) as of_bob,
        ):
            for number in range(3):
                await write(as_owner, bob.principal.id, f"b{number}")
                await write(as_owner, ann.principal.id, f"a{number}")
            await write(as_owner, "", "nobody's")
            assert ids(await of_ann.told(3)) == ["insert a0", "insert a1", "insert a2"]
            assert ids(await of_bob.told(3)) == ["insert b0", "insert b1", "insert b2"]
            assert await of_ann.is_quiet()

    asyncio.run(run())


async def refusal(server: Server, body: Any = None, **asked: Any) -> tuple[int, str, str]:
    """Return the status, code and sentence of the problem that a stream is refused with."""
    with pytest.raises(Refused) as refused:
        async with server.stream(body, **asked):
            pass
    problem = refused.value.problem
    return refused.value.status, problem["code"], problem.get("detail", "")


def test_what_cannot_be_subscribed_to_is_a_problem() -> None:
    async def run() -> None:
        somebody = await write(sign_in)
        async with serving() as server:
            for asked, status, code in [
                ({"table": "hidden"}, 404, "table_not_found"),
                ({"table": "__users"}, 404, "table_not_found"),
                ({"table": "none"}, 404, "table_not_found"),
                ({"table": "private"}, 401, "authentication_required"),
                ({"table": "closed"}, 403, "permission_denied"),
                ({"table": "audit"}, 401, "authentication_required"),
                ({"table": "audit", "token": somebody.token}, 403, "permission_denied"),
                ({"table": "users", "token": f"{somebody.token}x"}, 401, "invalid_token"),
                ({"table": "users", "where": []}, 400, "invalid_request"),
                ({"table": "users", "where": {"name__regex": "a"}}, 400, "invalid_query"),
                ({"table": "users", "where": {"name__gt": "a"}}, 400, "invalid_query"),
                ({"table": "users", "after": "x"}, 400, "invalid_cursor"),
                ({"table": "users", "last": "chan:abc"}, 400, "invalid_cursor"),
                ({"table": "users", "other": "1"}, 400, "invalid_request"),
                ({"live": "live_users", "where": {}}, 400, "invalid_request"),
                ({"live": "live_writer"}, 400, "invalid_request"),
                ({"live": "nothing"}, 404, "procedure_not_found"),
                ({"live": "live_staff"}, 401, "authentication_required"),
                ({"live": "live_staff", "token": somebody.token}, 403, "permission_denied"),
            ]:
                assert (await refusal(server, **asked))[:2] == (status, code), asked
            many = {"subscriptions": {str(number): {"table": "users"} for number in range(51)}}
            assert (await refusal(server, many))[:2] == (400, "invalid_request")
            heavy = {"subscriptions": {str(n): {"table": "users", "where": {"n__in": [0] * 500}} for n in range(2)}}
            assert (await refusal(server, heavy))[:2] == (400, "invalid_query")
            large = {"subscriptions": {"": {"live": "live_user", "args": {"user_id": "x" * 300_000}}}}
            assert (await refusal(server, large))[:2] == (413, "body_too_large")
            _, _, detail = await refusal(server, table="users", where={"name__icontains": "a"})
            assert "startswith" in detail

    asyncio.run(run())


def test_streams_are_limited_for_each_owner_and_network() -> None:
    async def run() -> None:
        somebody = await write(sign_in)
        with events_with(streams_per_owner=1, streams_per_network=2):
            async with serving() as server:
                async with server.stream(table="users", token=somebody.token):
                    assert (await refusal(server, table="users", token=somebody.token))[:2] == (429, "rate_limited")
                    async with server.stream(table="users"):
                        assert (await refusal(server, table="users"))[:2] == (429, "rate_limited")
                for _ in range(100):  # the server notices that they are gone
                    try:
                        async with server.stream(table="users", token=somebody.token):
                            return
                    except Refused:
                        await asyncio.sleep(0.02)
                raise AssertionError("the places of streams that are gone are still taken")

    asyncio.run(run())


def test_who_leaves_a_group_is_told_no_more() -> None:
    async def run() -> None:
        somebody = await write(lambda: sign_in("auditors"))
        async with serving() as server, server.stream(table="audit", token=somebody.token) as stream:
            await write(lambda: env.storage.audit.set("a1", {}))
            assert ids(await stream.told(1)) == ["insert a1"]
            await write(lambda: somebody.join("others"))
            event = await stream.next(2.5)
            assert (event.name, event.data["code"]) == ("stream-error", "permission_denied")

    asyncio.run(run())


def test_a_session_that_ends_ends_its_streams_and_all_are_looked_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[int] = []
    look_up_all = sessions.look_up_all

    def look_up(sids: Iterable[str]) -> dict[str, sessions.Signed | None]:
        sids = list(sids)
        looked_up.append(len(sids))
        return look_up_all(sids)

    async def run() -> None:
        one, other = await write(sign_in), await write(sign_in)
        async with (
            serving() as server,
            server.stream(table="users", token=one.token) as of_one,
            server.stream(table="users", token=other.token) as of_other,
            server.stream(table="users", token=other.token) as another,
        ):
            monkeypatch.setattr(sessions, "look_up_all", look_up)
            await write(lambda: save("u1"))
            for stream in (of_one, of_other, another):
                assert ids(await stream.told(1)) == ["insert u1"]
            await write(one.log_out)
            event = await of_one.next(2.5)
            assert (event.name, event.data["code"]) == ("stream-error", "session_revoked")
            await write(lambda: save("u2"))
            for stream in (of_other, another):
                assert ids(await stream.told(1)) == ["insert u2"]
        assert set(looked_up) <= {1, 2}
        assert 2 in looked_up

    asyncio.run(run())


def test_a_token_that_expires_ends_its_streams() -> None:
    async def run() -> None:
        with events_with():
            from django.conf import settings
            from django.test import override_settings

            auth = {"access_seconds": 1.5, "leeway_seconds": 0}
            with override_settings(KONTRACT={**settings.KONTRACT, "AUTH": auth}):
                somebody = await write(sign_in)
                async with serving() as server, server.stream(table="users", token=somebody.token) as stream:
                    event = await stream.next(3)
                    assert (event.name, event.data["code"]) == ("stream-error", "token_expired")

    asyncio.run(run())


def test_a_stream_that_was_away_for_too_long_begins_anew() -> None:
    async def run() -> None:
        first = await write(lambda: save("u1", n=1))
        for number in range(3):
            latest = await write(lambda n=number: save("u1", n=n))
        await write(forget_history)
        async with serving() as server:
            async with server.stream(table="users", last=str(first)) as stream:
                event = await stream.next()
                assert (event.name, event.id, event.data) == ("stream-reset", str(latest), {"txid": latest})
                await write(lambda: save("u2"))
                assert ids(await stream.told(1)) == ["insert u2"]
            async with server.stream(table="users", last=str(latest + 1000)) as stream:  # of another database
                assert (await stream.next()).name == "stream-reset"

    asyncio.run(run())


def test_a_slow_reader_misses_nothing() -> None:
    async def run() -> None:
        def flood() -> None:
            for start in range(0, 3000, 100):
                users.set_many({f"u{start + n}": {"n": start + n, "text": "x" * 2000} for n in range(100)})

        async with serving() as server, server.stream(table="users") as slow, server.stream(table="users") as fast:
            reading = asyncio.create_task(fast.told(3000))
            await write(flood)
            assert [one["data"]["n"] for one in await reading] == list(range(3000))
            assert [one["data"]["n"] for one in await slow.told(3000)] == list(range(3000))

    asyncio.run(run())


def test_who_reads_the_past_and_what_runs_for_long_keep_nobody_else_waiting() -> None:
    async def run() -> None:
        ended = threading.Event()
        try:
            async with serving() as server:
                for _ in range(50):
                    runners.submit(ended.wait)
                async with server.stream(table="users") as stream:
                    for _ in range(50):
                        catchers.submit(ended.wait)
                    await write(lambda: users.set("u1", {}))
                    assert len(await stream.told(1)) == 1
        finally:
            ended.set()

    asyncio.run(run())
