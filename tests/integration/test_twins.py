"""The ``a`` twins: there is one for each method that touches the database, and it does the same."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import async_to_sync

import kontract
from kontract import env
from kontract.tables.proxy import TableProxy
from kontract.tables.query import TableQuery

TABLE = ["get", "get_many", "count", "history", "set", "set_many", "push", "update", "delete", "pop", "shift"]
QUERY = ["first", "count", "exists", "update", "delete"]
MODULE = ["undo", "pin_snapshot", "unpin_snapshot"]


@pytest.mark.parametrize(("owner", "names"), [(TableProxy, TABLE), (TableQuery, QUERY), (kontract, MODULE)])
def test_every_method_has_a_twin_with_the_same_parameters(owner: Any, names: list[str]) -> None:
    for name in names:
        method, twin = getattr(owner, name), getattr(owner, f"a{name}")
        assert asyncio.iscoroutinefunction(twin)
        assert {**method.__annotations__} == {**twin.__annotations__}
        assert method.__code__.co_varnames[: method.__code__.co_argcount] == twin.__code__.co_varnames[
            : twin.__code__.co_argcount
        ]  # fmt: skip


async def use_every_twin() -> None:
    users = env.storage.users
    assert await users.aset_many({"a": {"n": 1}, "b": {"n": 2}}) is not None
    assert await users.aget_many(["b", "x", "a"]) == {"b": {"n": 2}, "a": {"n": 1}}
    pushed = await users.apush({"n": 3})
    assert await users.apop() == {"n": 3}
    assert [version.txid for version in await users.ahistory(pushed.id)] == [pushed.txid]
    assert await users.ashift() == {"n": 1}
    assert await users.aupdate("b", {"m": 1}) == {"n": 2, "m": 1}
    assert (await users.aget("b")).txid == (await users.ahistory("b"))[0].txid
    token = await kontract.apin_snapshot(60)
    assert await users.query(n=2).aupdate({"n": 4}) == 1
    assert [document async for document in users.query(n=4)] == [{"n": 4, "m": 1}]
    assert await users.as_of(token).aget("b") == {"n": 2, "m": 1}
    await kontract.aunpin_snapshot(token)
    last = (await users.ahistory("b"))[0].txid
    assert await kontract.aundo(last) is not None
    assert await users.query(n=2).adelete() == 1
    assert (await users.acount(), await users.query().aexists(), await users.query().afirst()) == (0, False, None)


def test_every_twin_does_what_its_method_does() -> None:
    async_to_sync(use_every_twin)()
