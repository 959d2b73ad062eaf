"""What clients may call.  Start reading here: this file and the list of tables in the settings are the whole backend.

Each function under ``@backend`` is one call and one transaction.  Its annotations say what it takes and gives; what
does not fit never reaches it; ``perm`` says whether it may read, write or delete.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, NotRequired

from pydantic import AwareDatetime, Field
from typing_extensions import TypedDict

import kontract
from kontract import backend, env, perms

TABLES = ("countries", "subdivisions", "languages", "currencies", "scripts")

Code = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Limit = Annotated[int, Field(ge=1, le=100)]
Offset = Annotated[int, Field(ge=0)]


class Country(TypedDict):
    """A country of ISO 3166-1."""

    code: str
    name: str
    official_name: str
    flag: str
    note: NotRequired[str]


class Subdivision(TypedDict):
    """A part of a country, of ISO 3166-2."""

    code: str
    name: str
    type: str


class Hit(TypedDict):
    """Something that a search has found."""

    table: str
    code: str
    name: str


class State(TypedDict):
    """What a country was from one transaction to the next."""

    txid: int
    since: datetime | None
    changed_by: str | None
    country: Country


@backend(perm=perms.R__)
def list_countries(limit: Limit = 10, offset: Offset = 0) -> list[Country]:
    """List the countries by name."""
    return list(env.storage.countries.query().order_by("name").limit(limit, offset))


@backend(perm=perms.R__)
def get_country(code: Code) -> Country:
    """Return one country; 404 where there is none."""
    return env.storage.countries[code]  # type: ignore[return-value]


@backend(perm=perms.R__)
def list_subdivisions(country: Code, limit: Limit = 100) -> list[Subdivision]:
    """List the provinces, states or whatever a country is divided into."""
    return list(env.storage.subdivisions.query(country=country).order_by("name").limit(limit))


@backend(perm=perms.R__)
def search(text: Name, limit: Limit = 10) -> list[Hit]:
    """Find the text in the names of all tables."""
    return [
        Hit(table=table, code=found["code"], name=found["name"])
        for table in TABLES
        for found in env.storage[table].query(name__icontains=text).order_by("name").limit(limit)
    ][:limit]


@backend(perm=perms.RW_)
def rename_country(code: Code, name: Name) -> Country:
    """Give a country another name."""
    return env.storage.countries.update(code, {"name": name})  # type: ignore[return-value]


@backend(perm=perms.RW_)
def set_note(code: Code, note: Annotated[str, Field(max_length=2000)]) -> Country:
    """Attach a note to a country."""
    return env.storage.countries.update(code, {"note": note})  # type: ignore[return-value]


@backend(perm=perms.R__)
def country_history(code: Code) -> list[State]:
    """List what a country has been, newest first, and which transactions made it so."""
    return [
        State(txid=v.txid, since=v.committed_at, changed_by=v.label, country=v.data)  # type: ignore[typeddict-item]
        for v in env.storage.countries.history(code)
    ]


@backend(perm=perms.R__)
def country_as_of(code: Code, moment: int | AwareDatetime) -> Country:
    """Return a country as it was right after a transaction, or at a point in time."""
    return env.storage.countries.as_of(moment)[code]  # type: ignore[return-value]


@backend
def undo(txid: int) -> None:
    """Reverse everything that a transaction wrote, unless later ones built on it."""
    kontract.undo(txid)


@backend(perm=perms.R__)
def export_names() -> Iterator[Hit]:
    """Send everything there is, line by line."""
    for table in TABLES:
        for found in env.storage[table].query().iterator():
            yield Hit(table=table, code=found["code"], name=found["name"])


@backend(perm=perms.R__)
async def count_documents() -> dict[str, int]:
    """Count what is in each table."""
    return {table: await env.storage[table].acount() for table in TABLES}
