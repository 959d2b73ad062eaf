"""One committed change of one document."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from kontract.events.cursor import Cursor

ChangeType = Literal["insert", "update", "delete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a transaction made of a document, as a whole: of several writes in one transaction the last one counts.

    ``data`` is the document after it (None for a delete), and ``old`` before it (None for an insert, and unless it was
    asked for).  ``owner`` is whose document it is, for a delete whose it was; ``old_owner`` comes with ``old``.
    ``ordinal``, from 1 on, counts the changes within the transaction.  ``changed_by`` and ``label`` are who committed
    it, "" outside calls, and in which procedure or transaction.
    """

    type: ChangeType
    table: str
    id: str
    data: dict[str, Any] | None
    old: dict[str, Any] | None = None
    txid: int
    ordinal: int
    owner: str
    old_owner: str | None = None
    label: str | None = None
    changed_by: str = ""
    committed_at: datetime

    @property
    def cursor(self) -> Cursor:
        """The position after this change."""
        return Cursor(self.txid, self.ordinal)
