"""What one subscriber of a table is told of its changes.

The rule: what a subscriber has been told amounts to what it could read.  So a change is looked at from both sides, as
the document was visible before and as it is after.  One that comes into view is an insert, one that leaves it is a
delete without anything but the id, which was known; of what was in view neither before nor after, nothing is told.  Nor
is of a change of nothing but fields that are hidden.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic_core import to_json

from kontract.conf import TableOptions, get_settings
from kontract.context import Identity
from kontract.events.change import Change
from kontract.exceptions import (
    AuthenticationRequiredError,
    InvalidQueryError,
    PermissionDeniedError,
    TableNotFound,
)
from kontract.mvcc.matching import LOOKUPS, Comparison, is_same, parse
from kontract.perms import Perm
from kontract.tables.keys import access_options
from kontract.tables.permitted import without

Outcome = Literal["insert", "update", "delete"]


class Seen:
    """A change as those who may read its table see it: without hidden fields.  It is made once for all subscribers."""

    def __init__(self, change: Change) -> None:
        hidden = access_options(change.table).lacking(Perm.R)
        self.change = change
        self.data = None if change.data is None else without(change.data, hidden)
        self.old = None if change.old is None else without(change.old, hidden)
        self.is_idle = bool(hidden) and self.data is not None and self.old is not None and is_same(self.data, self.old)
        self.texts: dict[tuple[Outcome, bool], str] = {}  # what was made of it for some subscribers,
        self.events: dict[tuple[tuple[str, str], ...], bytes] = {}  # for others like them

    @cached_property
    def size(self) -> int:
        """About how many bytes it takes."""
        return 500 + len(self.data_text) * 3 + len(self.old_text) * 3

    @cached_property
    def data_text(self) -> str:
        """The document after the change, as JSON text."""
        return to_json(self.data).decode()

    @cached_property
    def old_text(self) -> str:
        """The document before the change, as JSON text."""
        return to_json(self.old).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSubscription:
    """A subscription to the changes of one table, of documents that meet ``where``."""

    table: str
    where: tuple[Comparison, ...] = ()
    with_old: bool = False

    def decide(self, seen: Seen, owner: str | None) -> Outcome | None:
        """Return what the change is to a subscriber who may see what ``owner`` has, or (None) what anybody has."""
        change = seen.change
        before = self._has(seen.old, change.old_owner, change.id, owner)
        after = self._has(seen.data, change.owner, change.id, owner)
        if before and after:
            return None if seen.is_idle else "update"
        return "insert" if after else "delete" if before else None

    def _has(self, data: Mapping[str, Any] | None, data_owner: str | None, document_id: str, owner: str | None) -> bool:
        if data is None or (owner is not None and (not owner or data_owner != owner)):
            return False
        return all(comparison.matches(document_id, data) for comparison in self.where)

    def tell(self, seen: Seen, outcome: Outcome) -> str:
        """Return what a subscriber is told of a change, as JSON text."""
        key = outcome, self.with_old and outcome == "update"
        if (text := seen.texts.get(key)) is None:
            text = seen.texts[key] = _tell(seen, *key)
        return text


def _tell(seen: Seen, outcome: Outcome, with_old: bool) -> str:
    change = seen.change
    head = to_json({"type": outcome, "table": change.table, "id": change.id}).decode()
    if outcome == "delete":
        return head
    old = f',"old":{seen.old_text}' if with_old else ""
    return f'{head[:-1]},"data":{seen.data_text}{old},"owner":{to_json(change.owner).decode()}}}'


def make_subscription(table: str, where: Mapping[str, Any], *, with_old: bool) -> TableSubscription:
    """Return a subscription whose conditions can be told.  Raises ``InvalidQueryError`` and ``PermissionDeniedError``.

    Fields that cannot be read cannot be named: whoever could compare them would know them.
    """
    _find_groups(table)
    hidden = access_options(table).lacking(Perm.R)
    comparisons = []
    for name, value in where.items():
        try:
            comparison = parse(name, value)
        except ValueError as error:
            raise InvalidQueryError(
                f"where={{{name[:100]!a}: ...}} cannot be told of an event: {error}. Lookups: {', '.join(LOOKUPS)}."
            ) from error
        if comparison.path[0] in hidden:
            raise PermissionDeniedError(
                f"A subscription may not name the field {comparison.path[0]!r} of the table {table!r}."
            )
        comparisons.append(comparison)
    return TableSubscription(table=table, where=tuple(comparisons), with_old=with_old)


def check_subscriber(table: str, identity: Identity) -> None:
    """Raise unless somebody may subscribe to the table now.

    Raises ``TableNotFound`` for what is none and for what nobody may subscribe to, ``AuthenticationRequiredError`` and
    ``PermissionDeniedError``.
    """
    groups, options = _find_groups(table), access_options(table)
    if groups is not None and identity.is_anonymous:
        raise AuthenticationRequiredError(f"The changes of the table {table!r} are not for everybody. Sign in.")
    if groups is not None and groups.isdisjoint(identity.ugroups):
        raise PermissionDeniedError(
            f"The changes of the table {table!r} are for a group of users that you are not in. Ask an administrator."
        )
    if not options.perm & Perm.R:
        raise PermissionDeniedError(f"The permissions of the table {table!r} do not let anybody read it.")
    if options.owner_scoped and not identity.owner:
        raise AuthenticationRequiredError(f"The documents of the table {table!r} are their owners' alone. Sign in.")


def find_scope(table: str, identity: Identity) -> str | None:
    """Return the owner whose documents alone somebody may see; None: everybody's."""
    options: TableOptions = access_options(table)
    return identity.owner if options.owner_scoped else None


def _find_groups(table: str) -> frozenset[str] | None:
    """Return the user groups of which a subscriber needs one; None: anybody may subscribe."""
    tables = get_settings().EVENTS.tables
    if table not in tables:
        raise TableNotFound(
            f"There is no table {table[:100]!a} to subscribe to. Those that clients may subscribe to are in "
            'KONTRACT["EVENTS"]["tables"].'
        )
    groups = tables[table]
    return None if groups is None else frozenset([groups] if isinstance(groups, str) else groups)
