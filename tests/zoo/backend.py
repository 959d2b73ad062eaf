"""The procedures of the zoo."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from pydantic import Field
from typing_extensions import TypedDict

from kontract import Download, HttpResp, backend, env, perms
from tests.app.models import Journal
from tests.zoo.types import (
    Aliased,
    CageOccupied,
    Cat,
    Colour,
    Dog,
    Everything,
    Keeper,
    Legs,
    Node,
    Page,
    Pet,
    Words,
    ZooClosed,
)

if TYPE_CHECKING:
    File = UploadedFile[bytes]  # generic in the stubs alone
else:
    File = UploadedFile

SINCE = datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC)


class Cage(TypedDict):
    """What is in a cage."""

    name: str
    kind: str


class Digest(TypedDict):
    """What arrived of a file."""

    name: str
    size: int
    sha256: str


@backend(egroup="zoo.types", perm=perms.R__)
def zoo_echo(value: Everything) -> Everything:
    """Return one value of each type as it came."""
    return value


@backend(egroup="zoo.types", perm=perms.R__)
def zoo_everything() -> Everything:
    """Return one value of each type."""
    return Everything(
        flag=True,
        count=-1,
        big=2**63 + 1,
        ratio=0.1,
        text="Grüße, \N{SNOWMAN} \N{GRINNING FACE} </script> \u2028",
        raw=bytes(range(256)),
        day=date(2024, 2, 29),
        moment=SINCE,
        clock=time(23, 59, 59, 999999),
        span=timedelta(days=-1, seconds=3, microseconds=5),
        price=Decimal("12345678901234567890.10"),
        uuid=UUID(int=2**127 + 1),
        colour=Colour.DARK_GREEN,
        legs=Legs.FOUR,
        choice=None,
        maybe=None,
        union=[1],
        numbers=[2**53, -(2**53)],
        pair=(1, "one"),
        row=(date(1, 1, 1), date(9999, 12, 31)),
        unique={3},
        by_name={"__proto__": Decimal("0.10")},
        anything={"deep": [{"er": 2**70}]},
        pet=Dog(name="Rex", friends=[Cat(name="Tom"), Dog(name="Bo")]),
        keeper={"name": "Zoë", "born": date(1990, 1, 1)},
        tree=Node(value=1, children=[Node(value=2), Node(value=3, children=[Node(value=4)])]),
        page=Page[Cat](items=[Cat(name="Kit", lives=1)], total=10),
    )


@backend(egroup="zoo.types", perm=perms.R__)
def zoo_defaults(
    plain: int, text: str = 'a "quote"', colours: tuple[Colour, ...] = (Colour.RED,), *, day: date | None = None
) -> dict[str, Any]:
    """Return what the function got.

    Parameters have *defaults*; `day` is by name only. Ünïcödé and */ and \""" are no trouble.
    """
    return {"plain": plain, "text": text, "colours": [c.value for c in colours], "day": day}


@backend(egroup="zoo.types", perm=perms.R__)
def zoo_positional(
    first: int, /, second: Annotated[int, Field(ge=0, le=10)] = 2, *, third: int
) -> tuple[int, int, int]:
    """Return the arguments."""
    return first, second, third


@backend(egroup="zoo.types", perm=perms.R__)
def zoo_words(words: Words, self: int, await_: bool, default: str, lambda_: str = "") -> Words:
    """Return what has the names of words that languages reserve."""
    return words


@backend(egroup="zoo.types", perm=perms.R__, name="delete")
def zoo_named_by_a_keyword() -> str:
    """Be called by a word that languages reserve."""
    return "deleted"


@backend(egroup="zoo.types", perm=perms.R__)
def zoo_pet(pet: Pet, loose: int | str | bool | None = None) -> Cat | Dog:
    """Return the animal, one of two kinds."""
    return pet


@backend(egroup="zoo.types", perm=perms.R__)
def zoo_tree(root: Node) -> int:
    """Return the sum of a tree's values."""
    return root.value + sum(zoo_tree(child) for child in root.children)


@backend(egroup="zoo.types", perm=perms.R__)
def zoo_pages(names: list[Annotated[str, Field(min_length=1, max_length=50)]]) -> Page[Keeper]:
    """Return a page of keepers."""
    return Page[Keeper](items=[{"name": name, "born": date(2000, 1, 1)} for name in names], total=len(names))


@backend(egroup="zoo.types", perm=perms.R__)
def zoo_aliased(model: Aliased) -> Aliased:
    """Return a model whose JSON has other names."""
    return model


@backend(egroup="zoo.types", perm=perms.R__)
def zoo_any(value: Any, by_colour: dict[Colour, int]) -> Any:
    """Return any JSON value."""
    return value


@backend(egroup="zoo.types", perm=perms.R__)
def zoo_nothing() -> None:
    """Return nothing."""


@backend(egroup="zoo.types", perm=perms.R__)
def zoo_journal(journal: Journal) -> Journal:
    """Return a versioned model's instance, which is not saved."""
    return journal


@backend(egroup="zoo.cages", errors=[CageOccupied, ZooClosed])
def zoo_put(cage: Annotated[int, Field(ge=0, lt=2**31)], pet: Pet) -> HttpResp[Cage]:
    """Put an animal into a cage."""
    if env.storage.zoo_cages.get(str(cage)) is not None:
        raise CageOccupied(cage=cage, by=Cat(name="Tom"), since=SINCE)
    put: Cage = {"name": pet.name, "kind": pet.kind}
    env.storage.zoo_cages.set(str(cage), dict(put))
    return HttpResp(put, status=201, headers={"Location": f"/cages/{cage}"})


@backend(egroup="zoo.cages", perm=perms.R__)
async def zoo_look(cage: int) -> Cage | None:
    """Return what is in a cage."""
    found: Cage | None = await env.storage.zoo_cages.aget(str(cage))
    return found


@backend(egroup="zoo.cages", perm=perms.R__, errors=[ZooClosed], etag=False)
def zoo_fail(how: Literal["closed", "bug", "value"]) -> int:
    """Fail, as wanted."""
    if how == "closed":
        raise ZooClosed
    if how == "bug":
        raise RuntimeError("a bug")
    return 1


@backend(egroup="zoo.cages", ugroup=["keepers", "directors"])
def zoo_restricted() -> str:
    """Be called by keepers and directors."""
    return "welcome"


@backend(egroup="zoo.streams", perm=perms.R__, errors=[ZooClosed])
def zoo_count(to: Annotated[int, Field(le=1000)], fail_at: int | None = None) -> Iterator[int]:
    """Count to a number."""
    for number in range(to):
        if number == fail_at:
            raise ZooClosed
        yield number


@backend(egroup="zoo.streams", perm=perms.R__)
async def zoo_parade(
    names: Annotated[list[str], Field(max_length=100)], pause: float = 0.0
) -> AsyncIterator[Cat | Dog]:
    """Yield animals, with a pause in seconds after each."""
    for name in names:
        yield Dog(name=name)
        await asyncio.sleep(min(pause, 1.0))


@backend(egroup="zoo.files", perm=perms.R__)
def zoo_upload(photo: File, title: str, taken: date | None = None, more: list[File] | None = None) -> list[Digest]:
    """Return what arrived of the files."""
    return [_digest(file) for file in [photo, *(more or [])]]


def _digest(file: File) -> Digest:
    data = file.read()
    return {"name": file.name or "", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@backend(egroup="zoo.files", perm=perms.R__)
def zoo_download(size: Annotated[int, Field(ge=0, le=100_000)], name: str = "zoo.bin") -> Download:
    """Return a file of this size in bytes."""
    return Download(bytes(range(256)) * (size // 256) + bytes(size % 256), filename=name)
