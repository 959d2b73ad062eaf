"""The listener's connection."""

import select
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
        self.has_heard = False  # of another process's commit, since whoever reads this has looked
        self.is_listening = False
        connection.add_notify_handler(self._hear)

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

    def _hear(self, notification: psycopg.Notify) -> None:
        if notification.pid != self._connection.info.backend_pid:
            self.has_heard = True

    def listen(self) -> None:
        """Ask for notifications; on a server that recovers there are none."""
        self.is_listening = True
        try:
            self._connection.execute(feed.LISTEN)
        except psycopg.errors.ReadOnlySqlTransaction:
            return

    def notify(self) -> None:
        """Tell other processes that something was committed; in C, for the thread shares its processor with writers."""
        result = self._connection.pgconn.exec_(feed.NOTIFY.encode())
        if result.status != ExecStatus.COMMAND_OK:
            raise psycopg.OperationalError(result.error_message.decode(errors="replace"))

    def latest_of(self, namespaces: list[int]) -> dict[int, int]:
        """Return the txid of the last transaction of each namespace; nothing where the tables are not there yet."""
        try:
            return dict(self._connection.execute(feed.LATEST_OF_EACH, {"namespaces": namespaces}).fetchall())
        except psycopg.errors.UndefinedTable:
            return {}

    def wait(self, waker: int | None, seconds: float) -> None:
        """Wait for a notification, and unless it is None for ``waker`` to be readable."""
        socket = self._connection.pgconn.socket
        poll = select.poll()
        poll.register(socket, select.POLLIN)
        if waker is not None:
            poll.register(waker, select.POLLIN)
        if any(ready == socket for ready, _ in poll.poll(max(0.0, seconds) * 1000)):
            self._consume()

    def _consume(self) -> None:
        """Take what the server has sent by itself.  Raises ``psycopg.OperationalError`` when it has gone."""
        pgconn = self._connection.pgconn
        pgconn.consume_input()
        while notification := pgconn.notifies():
            self.has_heard = self.has_heard or notification.be_pid != pgconn.backend_pid


def _find_parameters(alias: str) -> dict[str, Any]:
    direct = get_settings().EVENTS.direct.get(alias, alias)
    if direct not in connections.databases:
        return _PARAMETERS | conninfo_to_dict(direct)
    wrapper = connections[direct]
    parameters = wrapper.get_connection_params()
    for name in ("cursor_factory", "context", "application_name"):
        parameters.pop(name, None)
    return _PARAMETERS | parameters
