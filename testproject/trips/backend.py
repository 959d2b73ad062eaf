"""What the page calls.  Whose trips a call may change is said by the models: ``owner_scoped``."""

from typing import Annotated

from django.shortcuts import get_object_or_404
from pydantic import Field, StringConstraints
from typing_extensions import TypedDict

import kontract
from kontract import backend, ctx, env, perms
from trips.board import Journey, read_board
from trips.errors import UnknownCountry
from trips.models import Stop, Trip
from trips.moments import Moment, read_moments
from trips.names import name_of

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)]
Code = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Id = Annotated[str, Field(min_length=1, max_length=36)]


class Board(TypedDict):
    """What the page shows: trips, the latest first, and moments, the latest last."""

    trips: list[Journey]
    moments: list[Moment]


@backend(egroup="trips", perm=perms.R__)
def list_trips() -> list[Journey]:
    """List everybody's latest trips with their stops, the last one first."""
    return read_board()


@backend(egroup="trips", perm=perms.R__)
def show_board() -> Board:
    """Return the latest trips, and the latest transactions that changed any, of one moment."""
    return {"trips": read_board(), "moments": read_moments()}


@backend(egroup="trips", perm=perms.R__, etag=False)
def my_name() -> str:
    """Return what others see of the caller."""
    return name_of(ctx.owner)


@backend(egroup="trips", perm=perms.RW_)
def add_trip(title: Title) -> str:
    """Plan a trip; return its id."""
    return str(Trip.objects.create(title=title).pk)


@backend(egroup="trips", perm=perms.RW_)
def rename_trip(trip: Id, title: Title) -> None:
    """Give a trip of one's own another title."""
    found = get_object_or_404(Trip, pk=trip)
    found.title = title
    found.save()


@backend(egroup="trips")
def remove_trip(trip: Id) -> None:
    """Give up a trip of one's own, with all of its stops."""
    get_object_or_404(Trip, pk=trip).delete()


@backend(egroup="trips", perm=perms.RW_, errors=[UnknownCountry])
def add_stop(trip: Id, place: Title, country: Code, note: Note = "") -> str:
    """Add a stop to the end of a trip of one's own; return its id."""
    _check_country(country)
    found = get_object_or_404(Trip, pk=trip)
    return str(Stop.objects.create(trip=found, place=place, country=country, note=note).pk)


@backend(egroup="trips", perm=perms.RW_, errors=[UnknownCountry])
def edit_stop(stop: Id, place: Title, country: Code, note: Note = "") -> None:
    """Change a stop of one's own."""
    _check_country(country)
    found = get_object_or_404(Stop, pk=stop)
    found.place, found.country, found.note = place, country, note
    found.save()


@backend(egroup="trips")
def remove_stop(stop: Id) -> None:
    """Skip a stop of one's own."""
    get_object_or_404(Stop, pk=stop).delete()


@backend(egroup="trips")
def undo_change(txid: int) -> None:
    """Take back all that one has done in a transaction, unless something later builds on it."""
    kontract.undo(txid)


def _check_country(code: str) -> None:
    if code not in env.storage.countries:
        raise UnknownCountry(country=code)
