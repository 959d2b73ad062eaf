"""A transaction that begins with its first use, so that a call which needs no database touches none.

Until then Django's connection is *armed*: its state says that it is in an ``atomic`` block, so that ``on_commit``,
``set_rollback``, nested and durable blocks do what they do in one, while no connection is established and nothing was
begun.  Every use of the database goes through ``ensure_connection``, which begins the transaction in that moment, and
carries over what was asked of the block so far.  psycopg's connection, if there is one already, is put aside meanwhile,
so that nothing can be sent on it that would be outside of the transaction.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

from django.db.backends.base.base import BaseDatabaseWrapper

_OVERRIDDEN = ("ensure_connection", "temporary_connection", "close")
_ARMS = "_kontract_arms"  # kept on Django's connection: what it looks like while it is armed


def can_arm(connection: BaseDatabaseWrapper) -> bool:
    """Return whether a transaction on this connection would be the outermost one, of PostgreSQL's own autocommit."""
    if connection.in_atomic_block or connection.vendor != "postgresql":
        return False
    autocommit: bool = (
        connection.settings_dict["AUTOCOMMIT"] if connection.connection is None else connection.autocommit
    )
    return autocommit


def _make_arms(connection: BaseDatabaseWrapper) -> dict[str, Any]:
    return {
        "in_atomic_block": True,
        "connection": None,
        "ensure_connection": lambda: _outermost(connection).begin(),
        "temporary_connection": lambda: _outermost(connection).begin_temporarily(),
        "close": lambda: _outermost(connection).lose(),
    }


def _outermost(connection: BaseDatabaseWrapper) -> "Armed":
    block: Any = connection.atomic_blocks[0]
    return cast(Armed, block)


class Armed:
    """An outermost block that has not begun.  ``begin`` enters the block itself, which is then a real one."""

    __slots__ = ("_before", "_begin", "_connection", "_is_set", "_raw", "has_begun")
    _from_testcase = False  # Django asks this of the innermost of ``atomic_blocks``

    def __init__(self, connection: BaseDatabaseWrapper, begin: Callable[[], object]) -> None:
        state = connection.__dict__
        self._connection = connection
        self._begin = begin
        self._raw = connection.connection
        self._before = {name: state[name] for name in _OVERRIDDEN if name in state}
        self.has_begun = False
        state["closed_in_transaction"] = state["needs_rollback"] = False
        state["commit_on_exit"] = True
        self._arm([], [self], [])

    def end(self, *, failed: bool) -> None:
        """Leave a block that never began; unless it ``failed``, what waits for the commit runs as after one."""
        connection = self._connection
        lost = connection.closed_in_transaction
        hooks = [] if failed or lost or connection.needs_rollback else connection.run_on_commit
        self._disarm()
        if lost:
            connection.connection = None
        if hooks:
            connection.run_on_commit = hooks
            connection.run_and_clear_commit_hooks()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let the block use the connection as if there were no transaction yet; what it begins, it must end."""
        connection = self._connection
        kept = connection.savepoint_ids, connection.atomic_blocks, connection.run_on_commit
        needs_rollback = connection.needs_rollback
        self._disarm()
        try:
            yield
        finally:
            self._raw = connection.connection
            self._arm(*kept)
            connection.needs_rollback = needs_rollback

    def begin(self) -> None:
        """Begin the transaction; where that fails, it can be tried again."""
        connection = self._connection
        needs_rollback = connection.needs_rollback
        savepoint_ids, blocks, hooks = connection.savepoint_ids, connection.atomic_blocks, connection.run_on_commit
        self._disarm()
        try:
            connection.ensure_connection()
            self._begin()
        except BaseException:
            self._raw = connection.connection
            self._arm(savepoint_ids, blocks, hooks)
            connection.needs_rollback = needs_rollback
            raise
        self.has_begun = True
        connection.savepoint_ids.extend(savepoint_ids)
        connection.atomic_blocks.extend(blocks[1:])
        connection.run_on_commit.extend(hooks)
        connection.needs_rollback = needs_rollback

    def begin_temporarily(self) -> AbstractContextManager[Any]:
        """Begin first, or Django would close the connection that it opens, and with it the transaction."""
        self.begin()
        return self._connection.temporary_connection()

    def lose(self) -> None:
        """Do what closing a connection in the middle of a transaction does: the block is lost."""
        connection = self._connection
        self._put_back()
        connection.close()
        connection.autocommit = False
        connection.run_on_commit = []
        connection.closed_in_transaction = True
        connection.needs_rollback = True

    def _arm(self, savepoint_ids: list[Any], blocks: list[Any], hooks: list[Any]) -> None:
        self._is_set = True
        state = self._connection.__dict__
        if (arms := state.get(_ARMS)) is None:
            arms = state[_ARMS] = _make_arms(self._connection)
        state.update(arms)
        state["savepoint_ids"], state["atomic_blocks"], state["run_on_commit"] = savepoint_ids, blocks, hooks

    def _disarm(self) -> None:
        """Make the connection what it was before the block: outside of any."""
        self._put_back()
        state = self._connection.__dict__
        state["in_atomic_block"] = state["needs_rollback"] = False
        state["savepoint_ids"], state["atomic_blocks"], state["run_on_commit"] = [], [], []

    def _put_back(self) -> None:
        if not self._is_set:
            return
        self._is_set = False
        state = self._connection.__dict__
        del state["ensure_connection"], state["temporary_connection"], state["close"]
        state.update(self._before)
        state["connection"] = self._raw


@contextmanager
def before_transaction(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let the block do without the transaction that waits for its first use: for what takes long, or must stay.

    Each operation in it is a transaction of its own.  In one that has begun the block is part of it.
    """
    outermost: object = connection.atomic_blocks[0] if connection.atomic_blocks else None
    if isinstance(outermost, Armed) and not outermost.has_begun:
        with outermost.aside():
            yield
    else:
        yield
