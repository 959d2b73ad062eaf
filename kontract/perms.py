"""Permissions: three bits, read (R), write (W) and execute or delete (X), as in a UNIX file mode."""

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

_ATTRIBUTE: Final = "kontract_perm"


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
