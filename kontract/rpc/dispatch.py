"""The one road that a call takes, from its arguments to its encoded result."""

from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.mvcc.snapshot import as_of
from kontract.mvcc.transaction import arun_transaction, run_transaction
from kontract.rpc.codec import Codec, get_codec
from kontract.rpc.dry_run import arehearse, rehearse
from kontract.rpc.envelope import Arguments
from kontract.rpc.idempotency import arun_once, identify_call, run_once
from kontract.rpc.options import PLAIN, Options
from kontract.rpc.position import known_position, read_position
from kontract.rpc.procedure import Procedure
from kontract.rpc.reply import Reply
from kontract.rpc.results import Download, HttpResp

Bound = tuple[list[Any], dict[str, Any]]

_PRESENT: Final = nullcontext()


def dispatch(procedure: Procedure[..., Any], arguments: Arguments, options: Options = PLAIN) -> Reply:
    """Run a procedure: validate its arguments, then in one transaction call it and encode its result.

    A result that cannot be encoded rolls back.  Raises ``InvalidArgumentsError``, ``InvalidResultError``,
    ``ConflictError`` once the retries are used up, and what the procedure raises.
    """
    codec, first = _bind(procedure, arguments)
    once = identify_call(options.idempotency_key, arguments)

    def run() -> Reply:
        args, kwargs = first.pop() if first else codec.decode(arguments)
        return _answer(codec, procedure.function(*args, **kwargs))

    attempt = run if once is None else partial(run_once, once, run)
    transact = rehearse if options.dry_run else _transact
    with as_of(options.as_of) if options.as_of is not None else _PRESENT:
        reply, txid = transact(attempt, isolation=procedure.isolation, retries=procedure.retries, lazy=True)
        reply.txid = txid or reply.snapshot or known_position()
        return reply


async def adispatch(procedure: Procedure[..., Any], arguments: Arguments, options: Options = PLAIN) -> Reply:
    """See dispatch()."""
    codec, first = _bind(procedure, arguments)
    once = identify_call(options.idempotency_key, arguments)

    async def run() -> Reply:
        args, kwargs = first.pop() if first else codec.decode(arguments)
        return _answer(codec, await procedure.function(*args, **kwargs))

    attempt = run if once is None else partial(arun_once, once, run)
    transact = arehearse if options.dry_run else _atransact
    with as_of(options.as_of) if options.as_of is not None else _PRESENT:
        reply, txid = await transact(attempt, isolation=procedure.isolation, retries=procedure.retries, lazy=True)
        reply.txid = txid or reply.snapshot or known_position()
        return reply


def _locate(reply: Reply, connection: BaseDatabaseWrapper) -> Reply:
    """Return the reply with the snapshot that its transaction reads; one that was kept has it."""
    if reply.snapshot is None:
        reply.snapshot = read_position(connection)
    return reply


_transact = partial(run_transaction, at_end=_locate)
_atransact = partial(arun_transaction, at_end=_locate)


def start_stream(procedure: Procedure[..., Any], arguments: Arguments) -> Iterator[Any] | AsyncIterator[Any]:
    """Return the generator of a procedure that streams; each operation in it is a transaction of its own."""
    args, kwargs = get_codec(procedure).decode(arguments)
    items: Iterator[Any] | AsyncIterator[Any] = procedure.function(*args, **kwargs)
    return items


def _bind(procedure: Procedure[..., Any], arguments: Arguments) -> tuple[Codec, list[Bound]]:
    """Return the codec, and the arguments of the first attempt, validated before there is a transaction.

    Each further attempt takes them anew, since one may change them.
    """
    codec = get_codec(procedure)
    return codec, [codec.decode(arguments)]


def _answer(codec: Codec, returned: Any) -> Reply:
    """Return the reply to a call, with the status and headers of what was returned, if it has any of its own."""
    if isinstance(returned, HttpResp):
        return Reply(_encode(codec, returned.result), returned.status, dict(returned.headers))
    return Reply(_encode(codec, returned))


def _encode(codec: Codec, result: object) -> bytes | Download:
    return codec.check_download(result) if codec.is_download else codec.encode(result)
