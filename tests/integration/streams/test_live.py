"""Live queries: results that are pushed again when what was read has changed, and only then."""

import asyncio
from typing import Any

import jsonpatch

from kontract import env
from kontract.events import live
from tests.guarded.models import Note
from tests.integration.streams.serving import Reader, serving, sign_in, write

users = env.storage.users


def runs() -> list[int]:
    """Return how often each live query of this event loop has run."""
    return live.get_lives().count_runs()


async def result(stream: Reader, name: str = "") -> Any:
    """Return the result of the next event, which is expected to be whole."""
    event = await stream.next()
    assert (event.name, event.data["sub"], event.id) == ("live", name, None), event
    return event.data["result"]


TEXT = "long enough that a patch is shorter"


def test_a_result_comes_at_once_and_again_when_it_has_changed() -> None:
    async def run() -> None:
        await write(lambda: users.set_many({"u1": {"age": 1, "text": TEXT * 9}, "u2": {"age": 2}}))
        async with serving() as server, server.stream(live="live_users", args={"age": 1}) as stream:
            before = await result(stream)
            assert before == [{"id": "u1", "age": 1, "text": TEXT * 9}]
            await write(lambda: users.set("u2", {"age": 3}))  # in the range neither before nor after
            await write(lambda: users.set("u3", {"age": 4}))
            txid = (await write(lambda: users.set("u2", {"age": 1}))).txid
            event = await stream.next()
            assert event.data["txid"] == txid
            assert jsonpatch.apply_patch(before, event.data["patch"]) == [*before, {"id": "u2", "age": 1}]
            await write(lambda: users.delete("u1"))
            assert await result(stream) == [{"id": "u2", "age": 1}]  # which is shorter than what removes the other
            assert runs() == [3]

    asyncio.run(run())


def test_reading_by_id_looks_at_nothing_else() -> None:
    async def run() -> None:
        async with serving() as server, server.stream(live="live_user", args={"user_id": "u1"}) as stream:
            problem = (await stream.next()).data["problem"]
            assert (problem["code"], problem["status"]) == ("missing_user", 404)
            await write(lambda: users.set("u2", {}))
            await write(lambda: users.set("u1", {"n": 1}))
            assert await result(stream) == {"n": 1}
            await write(lambda: users.delete("u1"))
            assert (await stream.next()).data["problem"]["code"] == "missing_user"
            assert runs() == [3]

    asyncio.run(run())


def test_a_feed_is_followed_by_its_tables() -> None:
    async def run() -> None:
        body = {
            "subscriptions": {
                "some": {"live": "live_log", "args": {"tables": ["users"]}},
                "all": {"live": "live_log", "args": {"tables": None}},
            }
        }
        async with serving() as server, server.stream(body) as stream:
            first = {event.data["sub"]: event.data for event in [await stream.next(), await stream.next()]}
            assert first["some"]["result"] == []
            assert first["all"]["problem"]["code"] == "invalid_query"
            await write(lambda: env.storage.orders.set("o1", {}))
            await write(lambda: users.set("u1", {}))
            assert await result(stream, "some") == ["u1"]
            assert sorted(runs()) == [1, 2]

    asyncio.run(run())


def test_models_are_followed_by_their_conditions() -> None:
    async def run() -> None:
        note = await write(lambda: Note.objects.create(title="a", number=1))
        body = {
            "subscriptions": {
                "range": {"live": "live_notes", "args": {"number": 1}},
                "one": {"live": "live_note", "args": {"pk": str(note.pk)}},
            }
        }
        async with serving() as server, server.stream(body) as stream:
            first = {event.data["sub"]: event.data["result"] for event in [await stream.next(), await stream.next()]}
            assert first == {"range": ["a"], "one": "a"}
            other = await write(lambda: Note.objects.create(title="b", number=2))
            await write(lambda: Note.objects.filter(pk=other.pk).update(title="c"))
            await write(lambda: Note.objects.filter(pk=other.pk).update(number=1))
            event = await stream.next()
            assert event.data["sub"] == "range"
            assert sorted(runs()) == [1, 2]

    asyncio.run(run())


def test_a_coroutine_function_is_followed() -> None:
    async def run() -> None:
        async with serving() as server, server.stream(live="live_count") as stream:
            assert await result(stream) == 0
            await write(lambda: users.set("u1", {}))
            assert await result(stream) == 1

    asyncio.run(run())


def test_who_asks_the_same_shares_one_and_others_do_not() -> None:
    async def run() -> None:
        ann, bob = await write(lambda: sign_in("staff", "a")), await write(lambda: sign_in("staff", "b"))
        async with (
            serving() as server,
            server.stream(live="live_staff", token=ann.token) as first,
            server.stream(live="live_staff", token=ann.token) as second,
            server.stream(live="live_staff", token=bob.token) as third,
        ):
            assert [await result(one) for one in (first, second, third)] == [["a", "staff"]] * 2 + [["b", "staff"]]
            assert runs() == [1, 1]

    asyncio.run(run())


def test_a_change_of_groups_runs_again_or_ends_the_stream() -> None:
    async def run() -> None:
        ann = await write(lambda: sign_in("staff"))
        async with serving() as server, server.stream(live="live_staff", token=ann.token) as stream:
            assert await result(stream) == ["staff"]
            await write(lambda: ann.join("staff", "more"))
            assert (await stream.next(3)).data["result"] == ["more", "staff"]
            await write(lambda: ann.join("others"))
            event = await stream.next(3)
            assert (event.name, event.data["code"]) == ("stream-error", "permission_denied")

    asyncio.run(run())


def test_what_a_client_knows_already_is_not_sent_again() -> None:
    async def run() -> None:
        await write(lambda: users.set("u1", {"text": TEXT * 9}))
        async with serving() as server:
            async with server.stream(live="live_users") as stream:
                first = (await stream.next()).data
            async with server.stream(live="live_users", known=first["digest"]) as stream:
                event = await stream.next()
                assert event.data.keys() == {"sub", "txid", "digest", "same"}
                await write(lambda: users.set("u2", {"age": 1}))
                event = await stream.next()
                assert len(jsonpatch.apply_patch(first["result"], event.data["patch"])) == 2

    asyncio.run(run())


def test_a_burst_of_writes_is_few_runs_and_ends_with_the_last_state() -> None:
    async def run() -> None:
        def burst() -> None:
            for number in range(200):
                users.set("u1", {"n": number})

        async with serving() as server, server.stream(live="live_user", args={"user_id": "u1"}) as stream:
            await stream.next()
            await write(burst)
            state: Any = None
            while state != {"n": 199}:
                data = (await stream.next()).data
                state = data["result"] if "result" in data else jsonpatch.apply_patch(state, data["patch"])
            assert runs()[0] < 150

    asyncio.run(run())


def test_arguments_that_do_not_fit_are_a_problem_of_that_subscription_alone() -> None:
    async def run() -> None:
        body = {
            "subscriptions": {
                "bad": {"live": "live_users", "args": {"age": "x"}},
                "good": {"live": "live_users"},
            }
        }
        async with serving() as server, server.stream(body) as stream:
            events = [await stream.next(), await stream.next()]
            found = {event.data["sub"]: event.data for event in events}
            assert (found["bad"]["problem"]["code"], found["good"]["result"]) == ("invalid_arguments", [])

    asyncio.run(run())


def test_nothing_is_left_when_everybody_has_gone() -> None:
    async def run() -> None:
        async with serving() as server:
            async with server.stream(live="live_users") as stream:
                await stream.next()
            for _ in range(100):
                if not runs():
                    break
                await asyncio.sleep(0.02)
            lives = live.get_lives()
            assert (lives._shared, lives._indexes) == ({}, {})

    asyncio.run(run())
