"""Who wants to know that something was committed: one listener per process and database tells them.

It is a thread with one connection of its own, on which it hears of other processes' commits (LISTEN) and tells them of
this one's (NOTIFY).  Both are hints: they say that there is something to read, and what is told is what is read then.
A NOTIFY is sent after the commit, never inside the committing transaction, where it would make all writers of the
database wait for each other, and at most once in a few milliseconds however much is committed.  Because hints can be
lost (with the connection, or behind a pooler), every half second the listener looks by itself, too.
https://www.postgresql.org/docs/current/sql-notify.html

Without subscribers there is a thread only in processes that commit, and a connection only while they do.
"""

import atexit
import os
import threading
from collections.abc import Callable

from kontract.conf import get_settings
from kontract.events.listening import Callback, Listener
from kontract.mvcc import clock

_listeners: dict[str, Listener] = {}
_making = threading.Lock()


def subscribe(callback: Callback, alias: str, ns: int) -> Callable[[], None]:
    """Have ``callback(alias, ns, txid)`` called when a namespace may have new transactions, up to ``txid``.

    It is called in the listener's thread, soon once in any case, so it must be quick: set an event.  Who subscribes
    first and reads then misses nothing.  Returns what ends the subscription.
    """
    return _get(alias).subscribe(ns, callback)


def stop() -> None:
    """End all listeners of this process."""
    while _listeners:
        _listeners.popitem()[1].stop()


def _get(alias: str) -> Listener:
    with _making:
        if alias not in _listeners:
            _listeners[alias] = Listener(alias)
        return _listeners[alias]


def _on_commit(alias: str, ns: int, txid: int) -> None:
    listener = _listeners.get(alias)
    if listener is None:
        if not get_settings().EVENTS.notify:
            return
        listener = _get(alias)
    listener.committed(ns, txid)


def _after_fork() -> None:
    global _making
    _making = threading.Lock()
    for listener in _listeners.values():
        listener.after_fork()


clock.register_after_commit(_on_commit)
os.register_at_fork(after_in_child=_after_fork)
atexit.register(stop)
