"""The replay window: which of the latest 1024 numbers have been used."""

from dataclasses import dataclass
from typing import Final, Self

WINDOW_BITS: Final = 1024
_MASK: Final = (1 << WINDOW_BITS) - 1


@dataclass(frozen=True, slots=True)
class Window:
    """``hi`` is the greatest number accepted, -1 before the first; bit ``i`` of ``bits`` says that ``hi - i`` was."""

    hi: int = -1
    bits: int = 0

    def accept(self, number: int) -> Self | None:
        """Return the window after ``number``, or None if that was accepted before or is too old to tell."""
        ahead = number - self.hi
        if ahead > 0:
            return type(self)(number, ((self.bits << ahead) | 1) & _MASK if ahead < WINDOW_BITS else 1)
        if -ahead >= WINDOW_BITS or self.bits >> -ahead & 1:
            return None
        return type(self)(self.hi, self.bits | 1 << -ahead)

    def is_after(self, earlier: "Window") -> bool:
        """Return whether all that ``earlier`` would refuse is refused by this one, too."""
        ahead = self.hi - earlier.hi
        return ahead >= 0 and not (earlier.bits << ahead & _MASK) & ~self.bits
