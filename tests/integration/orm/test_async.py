"""The ``a`` methods of querysets, managers and instances."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Count, Sum

import kontract
from tests.twins.compare import Models, comparable, plain_tables


async def use_everything(m: Models) -> Any:
    """Use every asynchronous method; return what they return."""
    authors = m.Author.objects
    jane = await authors.acreate(id=1, name="Jane", age=41)
    made = await authors.abulk_create([m.Author(id=n, name=str(n), age=n) for n in (2, 3)])
    seen: list[Any] = [jane.pk, len(made), await authors.acount(), await authors.aexists()]
    seen.append(await authors.aget_or_create(id=4, defaults={"name": "x"}))
    seen.append(await authors.aupdate_or_create(id=4, defaults={"name": "y"}))
    seen.append([author.name async for author in authors.order_by("id")])
    seen.append([author.name async for author in authors.order_by("id").aiterator()])
    seen.append((await authors.aget(id=4)).name)
    seen += [await authors.order_by("id").afirst(), await authors.order_by("id").alast()]
    seen += [await authors.alatest("age"), await authors.aearliest("id")]
    seen.append(sorted(await authors.ain_bulk([1, 2])))
    seen.append(await authors.aaggregate(Sum("age"), n=Count("id")))
    seen.append(await authors.filter(id=2).acontains(made[0]))
    seen.append(await authors.filter(id__gt=1).aupdate(age=7))
    made[0].name = "two"
    seen.append(await authors.abulk_update(made, ["name"]))
    jane.name = "Joan"
    await jane.asave()
    await jane.arefresh_from_db()
    book = await m.Book.objects.acreate(id=1, title="Emma")
    await book.authors.aadd(jane, 2)
    seen.append([author.name async for author in book.authors.order_by("id")])
    await book.authors.aremove(2)
    await book.authors.aset([3])
    seen.append(await book.authors.acount())
    await book.authors.aclear()
    seen.append(await m.Book.objects.filter(authors=None).acount())
    seen.append((await jane.adelete())[0])
    seen.append((await authors.filter(id=2).adelete())[0])
    seen.append(len(await authors.order_by("id").aexplain()) > 0)
    try:
        await authors.aget(id=1)
    except ObjectDoesNotExist as error:
        seen.append(str(error))
    return [(type(x).__name__, x.pk) if hasattr(x, "pk") else x for x in seen]


@pytest.mark.more_privilege
@pytest.mark.usefixtures("plain_tables")
def test_async_methods_do_what_they_do_for_ordinary_models(versioned: Models) -> None:
    plain_tables.empty()
    expected, found = (async_to_sync(use_everything)(Models(kind)) for kind in ("plain", "versioned"))
    assert comparable(found) == comparable(expected)


async def write_in_a_transaction(m: Models) -> int | None:
    async with kontract.transaction() as block:
        await m.Task.objects.acreate(name="a")
        await m.Task.objects.filter(name="a").aupdate(count=3)
        assert (await m.Task.objects.aget()).count == 3
    return block.txid


def test_async_methods_join_an_async_transaction(versioned: Models) -> None:
    txid = async_to_sync(write_in_a_transaction)(versioned)
    assert txid is not None
    assert versioned.Task.objects.as_of(txid).get().count == 3
    assert not versioned.Task.objects.as_of(txid - 1).exists()
