"""Permissions: three bits, read (R), write (W) and delete (X), as in a UNIX file mode, and the one rule.

**A bit is granted where every level that has a say grants it**: the procedure, the table, and for R and W the field.  A
document is deleted as a whole, so that X of a field neither grants nor forbids anything.
"""

from enum import IntFlag
from typing import Any, Final, TypeVar

F = TypeVar("F")


class Perm(IntFlag):
    """A set of the bits ``R`` (4), ``W`` (2) and ``X`` (1)."""

    X = 1
    W = 2
    R = 4


___: Final = Perm(0)
__X: Final = Perm.X
_W_: Final = Perm.W
_WX: Final = Perm.W | Perm.X
R__: Final = Perm.R
R_X: Final = Perm.R | Perm.X
RW_: Final = Perm.R | Perm.W
RWX: Final = Perm.R | Perm.W | Perm.X

BITS: Final = {"R": Perm.R, "W": Perm.W, "X": Perm.X}
LEVELS: Final = ("procedure", "table", "field")

_ATTRIBUTE: Final = "kontract_perm"


def show(bits: Perm) -> str:
    """Return the name of the constant: ``RW_``."""
    return "".join(letter if bits & bit else "_" for letter, bit in BITS.items())


def find_lacking(bit: Perm, *granted: Perm) -> str | None:
    """Return the first of ``LEVELS`` whose permissions, given in that order, lack ``bit``; None where it is granted.

    A level that is not given has no say.
    """
    levels = LEVELS[:2] if bit is Perm.X else LEVELS
    for level, bits in zip(levels, granted, strict=False):
        if not int.__and__(bits, bit):  # the operator of an IntFlag is slow, and this is asked for all that a call does
            return level
    return None


def perm(bits: Perm, field: F) -> F:
    """Give a model's field permissions and return it: ``email = perm(perms.R__, models.EmailField())``.

    Raises ``TypeError`` unless ``bits`` is one of the constants of ``kontract.perms``.
    """
    if not isinstance(bits, Perm):
        raise TypeError(f"{bits!r} is no permission. Use a constant of kontract.perms, for example perms.RW_.")
    setattr(field, _ATTRIBUTE, bits)
    return field


def field_perm(field: Any) -> Perm:
    """Return the permissions of a model's field; all of them where none were given."""
    bits: Perm = getattr(field, _ATTRIBUTE, RWX)
    return bits
