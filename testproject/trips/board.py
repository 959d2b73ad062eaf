"""What everybody sees: the latest trips with their stops."""

from collections import defaultdict
from typing import Any, Final

from typing_extensions import TypedDict

import kontract
from kontract import Document, ctx, env
from trips.names import name_of

SHOWN: Final = 100  # trips


class Place(TypedDict):
    """A stop on a trip."""

    id: str
    place: str
    country: str
    country_name: str
    note: str


class Journey(TypedDict):
    """A trip with its stops in order; ``is_mine``: whether the caller may change it."""

    id: str
    title: str
    traveller: str
    is_mine: bool
    stops: list[Place]


def read_board() -> list[Journey]:
    """Return the latest trips, the last one first, whoever owns them."""
    with kontract.elevated():  # sharing is this line: tables of trips show each caller only what is theirs
        trips = list(env.storage.trips.query().order_by("-_id").limit(SHOWN))
        stops = list(env.storage.stops.query(trip_id__in=[trip.id for trip in trips]).order_by("_id"))
        countries = env.storage.countries.get_many({stop["country"] for stop in stops})
    by_trip: defaultdict[str, list[Document]] = defaultdict(list)
    for stop in stops:
        by_trip[stop["trip_id"]].append(stop)
    return [_show_trip(trip, by_trip[trip.id], countries) for trip in trips]


def _show_trip(trip: Document, stops: list[Document], countries: dict[str, Document]) -> Journey:
    return {
        "id": trip.id,
        "title": trip["title"],
        "traveller": name_of(trip.owner or ""),
        "is_mine": trip.owner == ctx.owner != "",
        "stops": [_show_stop(stop, countries.get(stop["country"], {})) for stop in stops],
    }


def _show_stop(stop: Document, country: dict[str, Any]) -> Place:
    code = stop["country"]
    return {
        "id": stop.id,
        "place": stop["place"],
        "country": code,
        "country_name": country.get("name", code),
        "note": stop["note"],
    }
