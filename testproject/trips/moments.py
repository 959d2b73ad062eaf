"""What has happened on the board: one moment for each transaction that changed it."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from typing_extensions import TypedDict

import kontract
from kontract import ctx
from kontract.events.change import Change
from kontract.events.feed import feed
from kontract.models import Trx
from trips.names import name_of

LATEST: Final = 200  # moments that the slider goes back
_TABLES: Final = ("trips", "stops")
_LABELS: Final = (
    *("add_trip", "rename_trip", "remove_trip", "add_stop", "edit_stop", "remove_stop"),
    *("undo_change", "undo", "auth_merge", "auth_unmerge"),
)
_VERBS: Final = {
    ("trips", "insert"): "planned",
    ("trips", "update"): "renamed",
    ("trips", "delete"): "gave up",
    ("stops", "insert"): "added",
    ("stops", "update"): "changed",
    ("stops", "delete"): "skipped",
}
_VERBS_OF_UNDO: Final = {"insert": "brought back", "update": "restored", "delete": "took back"}


class Moment(TypedDict):
    """A transaction that changed the board; ``can_undo``: whether the caller may take it back."""

    txid: int
    at: datetime
    who: str
    what: str
    is_mine: bool
    can_undo: bool


def read_moments() -> list[Moment]:
    """Return the latest moments, the first one first."""
    with kontract.elevated():
        changes = list(feed(after=_find_start(), tables=_TABLES, old=True))
    return [_show(list(group)) for _, group in groupby(changes, key=lambda change: change.txid)]


def _find_start() -> int:
    """Return the txid after which the latest moments come."""
    log = Trx.objects.filter(ns=0, status=Trx.Status.COMMITTED, label__in=_LABELS).order_by("-ns", "-txid")
    txids = log.values_list("txid", flat=True)[:LATEST]
    return min(txids) - 1 if txids else 0


def _show(changes: Sequence[Change]) -> Moment:
    first = changes[0]
    owners = {owner for change in changes for owner in (change.owner, change.old_owner) if owner is not None}
    is_mine = first.changed_by == ctx.owner != ""
    return {
        "txid": first.txid,
        "at": first.committed_at,
        "who": name_of(first.changed_by),
        "what": _describe(min(changes, key=lambda change: _TABLES.index(change.table))),
        "is_mine": is_mine,
        "can_undo": is_mine and owners == {ctx.owner},
    }


def _describe(change: Change) -> str:
    document = change.data or change.old or {}
    subject = document.get("title") or document.get("place")
    if change.type == "update" and change.owner != change.old_owner:
        return f"took over {subject}"
    is_undo = change.label in ("undo_change", "undo")
    verb = _VERBS_OF_UNDO[change.type] if is_undo else _VERBS[change.table, change.type]
    return f"{verb} {subject}"
