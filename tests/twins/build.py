"""Making the two models of a shape."""

import sys
from typing import Any

from tests.twins.shapes import constraints, deletion, fields, keys, library, places, work

SHAPES = [
    *(fields.Everything, fields.Line, fields.Draft),
    *(keys.Auto, keys.SmallAuto, keys.BigAuto, keys.Uuid, keys.Slug, keys.Amount, keys.Day, keys.Linked),
    *(library.Publisher, library.Author, library.Book, library.Profile, library.Store, library.Category),
    *(library.Country, library.City),
    *(work.Person, work.Club, work.Membership, work.Note, work.Tag, work.Label, work.Question, work.Answer, work.Task),
    *(deletion.Parent, *deletion.CHILDREN, *deletion.ANCHORED),
    *(constraints.Account, constraints.Seat, constraints.Booking, constraints.Reading),
    *(places.Guide,),
]


def build(module: str, *base: Any) -> None:
    """Make a model of each shape in the app that ``module`` belongs to, inheriting from ``base``."""

    def make(shape: Any, *parents: Any, **attributes: Any) -> Any:
        metaclass = type(parents[0]) if parents else type(shape)
        model = metaclass(shape.__name__, (shape, *parents), {"__module__": module, **attributes})
        setattr(sys.modules[module], shape.__name__, model)  # where pickle looks for it
        return model

    for shape in SHAPES:
        make(shape, *base)
    place = make(places.Place, *base)
    make(places.Pizzeria, make(places.Restaurant, place))
    make(places.BigPlace, place, Meta=type("Meta", (), {"proxy": True}))
