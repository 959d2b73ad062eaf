"""The listener's connection."""

import select
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import psycopg
from django.db import connections
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ExecStatus

from kontract.conf import get_settings
from kontract.mvcc.versions import feed

_PARAMETERS: Final[dict[str, Any]] = {  # notice within seconds that the server is gone without a word
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "kontract listener",
}


class Line:
    """A connection outside of Django's, in autocommit, which no pool and no request gets."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection
        self._heard: dict[int, int] | None = {}  # what other processes have told of since; None: not clear what
        self.is_listening = False
        connection.add_notify_handler(lambda notification: self._hear(notification.pid, notification.payload))

    @classmethod
    def open(cls, alias: str) -> Self:
        """Connect to the database ``alias``, or where the settings say that it can be reached directly."""
        return cls(psycopg.connect(**_find_parameters(alias), autocommit=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    @property
    def has_heard(self) -> bool:
        """Whether there is something to take."""
        return self._heard != {}

    def take(self) -> dict[int, int] | None:
        """Return what other processes have told of since the last time; None where one does not say what."""
        heard, self._heard = self._heard, {}
        return heard

    def _hear(self, pid: int, payload: str) -> None:
        if pid == self._connection.pgconn.backend_pid or self._heard is None:
            return
        if told := feed.read_payload(payload):
            self._heard |= told
        else:
            self._heard = None

    def listen(self) -> None:
        """Ask for notifications; on a server that recovers there are none."""
        self.is_listening = True
        try:
            self._connection.execute(feed.LISTEN)
        except psycopg.errors.ReadOnlySqlTransaction:
            return

    def notify(self, latest: Mapping[int, int]) -> None:
        """Tell other processes what was committed; in C, for the thread shares its processor with writers."""
        result = self._connection.pgconn.exec_(feed.notify(latest).encode())
        if result.status != ExecStatus.COMMAND_OK:
            raise psycopg.OperationalError(result.error_message.decode(errors="replace"))
        self._hear_all()

    def latest_of(self, namespaces: list[int]) -> dict[int, int]:
        """Return the txid of the last transaction of each namespace; nothing where the tables are not there yet."""
        try:
            return dict(self._connection.execute(feed.LATEST_OF_EACH, {"namespaces": namespaces}).fetchall())
        except psycopg.errors.UndefinedTable:
            return {}

    def wait(self, waker: int, seconds: float, *, hears: bool) -> bool:
        """Wait for ``waker`` to be readable, which it returns, and if it ``hears`` for a notification.

        Raises ``psycopg.OperationalError`` when the server has gone.
        """
        poll = select.poll()
        poll.register(waker, select.POLLIN)
        if hears:
            poll.register(self._connection.pgconn.socket, select.POLLIN)
        ready = [one for one, _ in poll.poll(max(0.0, seconds) * 1000)]
        if any(one != waker for one in ready):
            self._connection.pgconn.consume_input()
            self._hear_all()
        return waker in ready

    def _hear_all(self) -> None:
        """Take the notifications that have come, be it with the answer to something else."""
        while notification := self._connection.pgconn.notifies():
            self._hear(notification.be_pid, notification.extra.decode(errors="replace"))


def _find_parameters(alias: str) -> dict[str, Any]:
    direct = get_settings().EVENTS.direct.get(alias, alias)
    if direct not in connections.databases:
        return _PARAMETERS | conninfo_to_dict(direct)
    wrapper = connections[direct]
    parameters = wrapper.get_connection_params()
    for name in ("cursor_factory", "context", "application_name"):
        parameters.pop(name, None)
    return _PARAMETERS | parameters
