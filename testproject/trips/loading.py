"""Two trips of the house, planned step by step, so that the first visitor finds a board with a past."""

from typing import Final

from kontract import transaction
from trips.models import Stop, Trip

_SAMPLES: Final = (
    (
        "North by rail",
        (
            ("Copenhagen", "DK", "Cinnamon buns before the bridge to Malmö."),
            ("Stockholm", "SE", "Archipelago ferry, if the sun is out."),
            ("Narvik", "NO", "End of the line, north of the Arctic Circle."),
        ),
    ),
    (
        "Slow Japan",
        (
            ("Kanazawa", "JP", "Gardens first, then the samurai quarter."),
            ("Naoshima", "JP", "One night on the art island."),
            ("Yakushima", "JP", "Cedars older than most countries."),
        ),
    ),
)


def load() -> None:
    """Plan the trips unless there are any, each step in a transaction of its own."""
    if Trip.objects.exists():
        return
    for title, stops in _SAMPLES:
        with transaction(label="add_trip"):
            trip = Trip.objects.create(title=title)
        for place, country, note in stops:
            with transaction(label="add_stop"):
                Stop.objects.create(trip=trip, place=place, country=country, note=note)
