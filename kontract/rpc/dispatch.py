"""The one road that a call takes, from its arguments to its encoded result."""

from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from itertools import chain, repeat
from typing import Any

from kontract.mvcc import asynchronous
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


def dispatch(procedure: Procedure[..., Any], arguments: Arguments, options: Options = PLAIN) -> Reply:
    """Run a procedure: validate its arguments, then in one transaction call it and encode its result.

    A result that cannot be encoded rolls back.  Raises ``InvalidArgumentsError``, ``InvalidResultError``,
    ``ConflictError`` once the retries are used up, and what the procedure raises.
    """
    codec = get_codec(procedure)
    bound = _bind(codec, arguments)
    once = identify_call(options.idempotency_key, arguments)

    def attempt() -> Reply:
        return run_once(once, run)

    def run() -> Reply:
        args, kwargs = next(bound)
        head, body = _encode(codec, procedure.function(*args, **kwargs))
        return Reply(body=body, snapshot=read_position(), **head)

    with nullcontext() if options.as_of is None else as_of(options.as_of):
        transact = rehearse if options.dry_run else run_transaction
        reply, txid = transact(attempt, isolation=procedure.isolation, retries=procedure.retries, lazy=True)
        return _at(reply, txid or reply.snapshot or known_position())


async def adispatch(procedure: Procedure[..., Any], arguments: Arguments, options: Options = PLAIN) -> Reply:
    """See dispatch()."""
    codec = get_codec(procedure)
    bound = _bind(codec, arguments)
    once = identify_call(options.idempotency_key, arguments)

    async def attempt() -> Reply:
        return await arun_once(once, run)

    async def run() -> Reply:
        args, kwargs = next(bound)
        head, body = _encode(codec, await procedure.function(*args, **kwargs))
        return Reply(body=body, snapshot=await asynchronous.call(read_position), **head)

    with nullcontext() if options.as_of is None else as_of(options.as_of):
        transact = arehearse if options.dry_run else arun_transaction
        reply, txid = await transact(attempt, isolation=procedure.isolation, retries=procedure.retries, lazy=True)
        return _at(reply, txid or reply.snapshot or known_position())


def _at(reply: Reply, txid: int) -> Reply:
    """Return the reply with its place in the order of commits; dataclasses.replace() takes several times as long."""
    return Reply(body=reply.body, status=reply.status, headers=reply.headers, snapshot=reply.snapshot, txid=txid)


def start_stream(procedure: Procedure[..., Any], arguments: Arguments) -> Iterator[Any] | AsyncIterator[Any]:
    """Return the generator of a procedure that streams; each operation in it is a transaction of its own."""
    args, kwargs = get_codec(procedure).decode(arguments)
    items: Iterator[Any] | AsyncIterator[Any] = procedure.function(*args, **kwargs)
    return items


def _bind(codec: Codec, arguments: Arguments) -> Iterator[Bound]:
    """Yield the arguments for each attempt anew, since one may change them.

    The first are validated right now, before there is a transaction.
    """
    return chain([codec.decode(arguments)], map(codec.decode, repeat(arguments)))


def _encode(codec: Codec, returned: Any) -> tuple[dict[str, Any], bytes | Download]:
    """Return the status and headers of what was returned, if it has any of its own, and the body."""
    head: dict[str, Any] = {}
    if isinstance(returned, HttpResp):
        head = {"status": returned.status, "headers": dict(returned.headers)}
        returned = returned.result
    return head, codec.check_download(returned) if codec.is_download else codec.encode(returned)
