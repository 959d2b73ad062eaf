"""Events as they are sent.

The wire is django-eventstream's: ``stream-open``, ``keep-alive``, ``stream-reset`` and ``stream-error``, see
https://github.com/fanout/django-eventstream.  Its views are not used: they cost a thread for each open stream.
"""

from typing import Final

from django_eventstream.utils import sse_encode_event

from kontract.events.cursor import Cursor

# Proxies and browsers that wait for some bytes before they show any get them.
PADDING: Final = b":" + b" " * 2048 + b"\n\n"


def encode(event: str, data: str, cursor: Cursor | None = None) -> bytes:
    """Return an event as it is sent."""
    text: str = sse_encode_event(event, data, event_id=None if cursor is None else str(cursor))
    return text.encode()
