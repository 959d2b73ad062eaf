"""Which types of fields take everything that others do, stored as the same JSON."""

import math
from typing import Any, Final

from kontract.schema.state import STATELESS, FieldState

_WHOLE: Final = {  # the lowest and the greatest number
    "SmallIntegerField": (-(1 << 15), (1 << 15) - 1),
    "IntegerField": (-(1 << 31), (1 << 31) - 1),
    "BigIntegerField": (-(1 << 63), (1 << 63) - 1),
    "PositiveSmallIntegerField": (0, (1 << 15) - 1),
    "PositiveIntegerField": (0, (1 << 31) - 1),
    "PositiveBigIntegerField": (0, (1 << 63) - 1),
    "SmallAutoField": (-(1 << 63), (1 << 63) - 1),  # keys are made by the application, whatever their type
    "AutoField": (-(1 << 63), (1 << 63) - 1),
    "BigAutoField": (-(1 << 63), (1 << 63) - 1),
}
TEXTS: Final = {"CharField", "SlugField", "FileField", "FilePathField", "TextField"}
_ARRAY: Final = "ArrayField["


def find_bounds(type_name: str) -> tuple[int, int] | None:
    """Return the lowest and the greatest number of a type; None where it is none of whole numbers."""
    return _WHOLE.get(type_name)


def takes_all(before: FieldState, after: FieldState) -> bool:
    """Return whether a field ``after`` can hold every value of ``before``, null aside, in the form that it has."""
    if after.target not in ("", before.target) and before.target:
        return False
    return after.type == STATELESS or _takes_type(before, after, before.type, after.type)


def holds(field: FieldState, value: Any) -> bool:
    """Return whether a text is short enough for a field, or a whole number within its type's bounds."""
    if isinstance(value, str):
        return field.type not in TEXTS or len(value) <= _length(field, field.type)
    low, high = _WHOLE.get(field.type, (-math.inf, math.inf))
    return not isinstance(value, int) or low <= value <= high


def _takes_type(before: FieldState, after: FieldState, old: str, new: str) -> bool:
    if old.startswith(_ARRAY) and new.startswith(_ARRAY):
        return _takes_type(before, after, old[len(_ARRAY) : -1], new[len(_ARRAY) : -1])
    if old in _WHOLE and new in _WHOLE:
        return _WHOLE[new][0] <= _WHOLE[old][0] and _WHOLE[old][1] <= _WHOLE[new][1]
    if old in TEXTS and new in TEXTS:
        return _length(before, old) <= _length(after, new)
    if old == new == "DecimalField":
        return _takes_decimals(before, after)
    return old == new


def _length(field: FieldState, type_name: str) -> float:
    return math.inf if type_name == "TextField" or field.max_length is None else field.max_length


def _takes_decimals(before: FieldState, after: FieldState) -> bool:
    """Return whether decimals fit; with other places equal values would be stored as different texts."""
    if after.max_digits is None or before.max_digits is None:
        return after.max_digits is before.max_digits
    return after.decimal_places == before.decimal_places and after.max_digits >= before.max_digits
