"""A position in the feed of one namespace."""

import re
from typing import Final, NamedTuple, Self

from kontract.exceptions import InvalidCursorError

WHOLE: Final = 2**31 - 1  # the ordinal of a position after all changes of a transaction
_TEXT: Final = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,9}))?", re.ASCII)


class Cursor(NamedTuple):
    """The position after a change, as text ``4711.3``, or after a whole transaction, ``4711``.

    Positions compare in the order of the feed.
    """

    txid: int
    ordinal: int = WHOLE

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the position that ``text`` means.  Raises ``InvalidCursorError``."""
        if not (match := _TEXT.fullmatch(text)):
            raise InvalidCursorError(
                f"{text[:60]!a} is no cursor. Give a txid, such as 4711, or a txid and an ordinal, such as 4711.3."
            )
        return cls(int(match[1]), WHOLE if match[2] is None else int(match[2]))

    @classmethod
    def of(cls, position: "int | str | Cursor") -> "Cursor":
        """Return ``position``, given as a txid, as text or as it is, as a cursor.  Raises ``InvalidCursorError``."""
        if isinstance(position, cls):
            return position
        return cls.parse(str(position))

    @property
    def snapshot(self) -> int:
        """The last transaction that lies before this position with all its changes."""
        return self.txid if self.ordinal == WHOLE else self.txid - 1

    def __str__(self) -> str:
        return str(self.txid) if self.ordinal == WHOLE else f"{self.txid}.{self.ordinal}"
