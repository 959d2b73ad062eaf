"""What streams have in common, so that it is made once for all of them: what a page of changes is to its subscribers.

Streams with the same subscriptions whose callers see the same documents have one shape.  Of a page each shape makes one
text, whatever number of streams sends it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from weakref import WeakValueDictionary

from pydantic_core import to_json

from kontract.context import Identity
from kontract.events.cursor import Cursor
from kontract.events.sharing import Shared
from kontract.events.subscriptions import Seen, TableSubscription, find_scope
from kontract.events.wire import encode


class Shape:
    """Subscriptions by the names that clients have given them, and for each table whose documents are seen."""

    def __init__(self, subscriptions: Mapping[str, TableSubscription], scopes: Mapping[str, str | None]) -> None:
        """``scopes``: see find_scope()."""
        self._scopes = scopes
        self._subscriptions = {
            table: [(name, one) for name, one in subscriptions.items() if one.table == table] for table in scopes
        }

    def tell(self, page: Shared, after: Cursor) -> bytes:
        """Return the text of what happened in a page after a position; empty where that is nothing to tell of."""
        return b"".join(self._tell(seen for seen in page.seen if after < seen.change.cursor))

    def tell_new(self, page: Shared, after: Cursor) -> bytes:
        """Return the same of a page that all streams are being told of: it is made once, and kept as long as that."""
        if page.after < after and page.seen and page.seen[0].change.cursor <= after:
            return self.tell(page, after)
        if (text := page.texts.get(self)) is None:
            text = page.texts[self] = b"".join(self._tell(page.seen))
        return text

    def _tell(self, changes: Iterable[Seen]) -> Iterator[bytes]:
        for seen in changes:
            subscriptions = self._subscriptions.get(seen.change.table)
            if subscriptions is None:
                continue
            scope = self._scopes[seen.change.table]
            outcomes = [(name, one, one.decide(seen, scope)) for name, one in subscriptions]
            told = tuple((name, one.tell(seen, outcome)) for name, one, outcome in outcomes if outcome is not None)
            if told:
                yield _encode_change(seen, told)


def _encode_change(seen: Seen, told: tuple[tuple[str, str], ...]) -> bytes:
    """Return the event of a change; it is made once for all who are told the same."""
    made: bytes | None = seen.events.get(told)
    if made is None:
        change = seen.change
        head = to_json(
            {"txid": change.txid, "ordinal": change.ordinal, "at": change.committed_at, "label": change.label}
        )
        to = ",".join(f"{json.dumps(name)}:{text}" for name, text in told)
        made = seen.events[told] = encode("change", f'{head.decode()[:-1]},"to":{{{to}}}}}', change.cursor)
    return made


_shapes: Final["WeakValueDictionary[str, Shape]"] = WeakValueDictionary()


def find_shape(subscriptions: Mapping[str, TableSubscription], identity: Identity) -> Shape:
    """Return the one shape of all streams with these subscriptions that see what ``identity`` does."""
    scopes = {one.table: find_scope(one.table, identity) for one in subscriptions.values()}
    key = repr((subscriptions, scopes))  # as text, in which 1 and true differ
    if (shape := _shapes.get(key)) is None:
        shape = _shapes[key] = Shape(subscriptions, scopes)
    return shape
