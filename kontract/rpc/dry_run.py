"""Calls that are tried out: the header ``Kontract-Dry-Run``.

The procedure runs in its transaction, what it has collected is written as it would be by a commit, so that conflicts,
constraints and references are found, and all of it is rolled back.  The answer tells what would have changed in logical
tables.  What the call has done to ordinary models is undone as well, but not told.  Nothing that waits for the commit
runs.  The txid that was drawn is lost, as is that of every commit that fails: txids have gaps, the feed has not.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError
from pydantic_core import to_json

from kontract.conf import Isolation, get_settings
from kontract.context import get_call, get_namespace
from kontract.exceptions import AnswerTooLargeError, InvalidRequestError
from kontract.mvcc import access, asynchronous, clock
from kontract.mvcc.connections import fetch_all, get_alias
from kontract.mvcc.flush import flush_in_vain
from kontract.mvcc.transaction import arun_transaction, is_outermost, run_transaction
from kontract.mvcc.unit import Unit
from kontract.mvcc.units import require_unit
from kontract.mvcc.versions import ptrs, reading
from kontract.mvcc.writes import Table, Write, encode
from kontract.perms import Perm
from kontract.rpc.reply import Reply
from kontract.tables import permitted
from kontract.tables.catalog import locate


def rehearse(
    attempt: Callable[[], Reply], *, isolation: Isolation | None = None, retries: int | None = None, lazy: bool = True
) -> tuple[Reply, None]:
    """Call ``attempt`` as ``run_transaction`` does, but commit nothing: the reply tells the changes and the snapshot.

    Raises what a commit would; ``AnswerTooLargeError`` where there are more changes than can be listed, which is more
    than ``MAX_DRY_RUN`` documents, or than ``MAX_BODY_BYTES`` of them.
    """
    _check_outermost()
    return run_transaction(attempt, isolation=isolation, retries=retries, lazy=lazy, at_end=_undo)[0], None


async def arehearse(
    attempt: Callable[[], Awaitable[Reply]],
    *,
    isolation: Isolation | None = None,
    retries: int | None = None,
    lazy: bool = True,
) -> tuple[Reply, None]:
    """See rehearse()."""
    await asynchronous.call(_check_outermost)
    reply, _ = await arun_transaction(attempt, isolation=isolation, retries=retries, lazy=lazy, at_end=_undo)
    return reply, None


def _check_outermost() -> None:
    if not is_outermost(connections[get_alias(get_namespace())], lazy=True):
        raise TransactionManagementError("A dry run rolls back, so it cannot be part of a transaction that is open.")


def _undo(reply: Reply, connection: BaseDatabaseWrapper) -> Reply:
    """Return the reply with the changes in it, and let the transaction be rolled back."""
    body = reply.body
    if not isinstance(body, bytes):
        raise InvalidRequestError("The answer is a file, which has no place for changes. Call without a dry run.")
    changes: list[dict[str, Any]] = []
    if connection.connection is not None and not connection.needs_rollback:
        unit = require_unit(connection)
        reply.snapshot = clock.latest(*locate())
        changes = list(_list_changes(connection, unit))
        connection.check_constraints()
        flush_in_vain(connection, unit, rollback=not connection.savepoint_ids)
    connection.set_rollback(True)
    reply.body = b'%b,"changes":%b}' % (body[:-1], to_json(changes))
    return reply


def _list_changes(connection: BaseDatabaseWrapper, unit: Unit) -> Iterator[dict[str, Any]]:
    limit = get_settings().MAX_DRY_RUN
    collected = [write for writes in unit.by_namespace().values() for write in writes]
    writes = [write for write in collected if write.table.ptr >= ptrs.FIRST_PTR]
    if unit.in_steps or len(writes) > limit:
        raise AnswerTooLargeError(f"The call changes more than {limit} documents, which a dry run does not list.")
    for ns in dict.fromkeys(write.table.ns for write in writes):
        yield from _list_namespace(connection, ns, [write for write in writes if write.table.ns == ns])


def _list_namespace(connection: BaseDatabaseWrapper, ns: int, writes: list[Write]) -> Iterator[dict[str, Any]]:
    size = get_settings().MAX_BODY_BYTES
    tables = {write.table.ptr: write.table for write in writes}
    params = {"ns": ns, "writes": encode(writes), "owner": get_call().owner, "size": size}
    for row in fetch_all(connection, reading.PREVIEW, params):
        ptr, document_id, op, old_owner, owner, before, after, is_too_large, number = row
        if is_too_large:
            raise AnswerTooLargeError(f"The changes take more than {size} bytes, which a dry run does not list.")
        table = tables[ptr]
        if _may_see(table, [old_owner, owner]):
            was = None if before is None else table.cast(before, number)
            documents = {"before": _show(table, was), "after": _show(table, after)}
            yield {"table": table.name, "id": document_id, "op": op, **documents}


def _may_see(table: Table, owners: Sequence[str | None]) -> bool:
    """Return whether the call may read documents of these owners: what it may not is not even mentioned."""
    if access.find_level(table, Perm.R) is not None:
        return False
    scope = access.scope(table)
    return scope is None or all(owner in (None, scope) for owner in owners)


def _show(table: Table, text: str | None) -> dict[str, Any] | None:
    return None if text is None else permitted.show(table, json.loads(text))
