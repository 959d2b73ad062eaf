"""The one road that a call takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

from kontract.context import CallContext, calling
from kontract.mvcc import asynchronous
from kontract.mvcc.transaction import arun_transaction, run_transaction
from kontract.rpc.codec import Codec, get_codec
from kontract.rpc.envelope import Arguments
from kontract.rpc.position import known_position, read_position
from kontract.rpc.procedure import Procedure

Bound = tuple[list[Any], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A call's success: the JSON text of ``{"result": ...}``, and the txid it committed or the snapshot it read."""

    body: bytes
    txid: int | None


def dispatch(procedure: Procedure[..., Any], arguments: Arguments, call: CallContext) -> Reply:
    """Run a procedure: validate its arguments, then in one transaction call it and encode its result.

    A result that cannot be encoded rolls back.  Raises ``InvalidArgumentsError``, ``InvalidResultError``,
    ``ConflictError`` once the retries are used up, and what the procedure raises.
    """
    with calling(call):
        codec = get_codec(procedure)
        bound = _bind(codec, arguments)

        def attempt() -> tuple[bytes, int | None]:
            args, kwargs = next(bound)
            body = codec.encode(procedure.function(*args, **kwargs))
            return body, read_position()

        (body, snapshot), txid = run_transaction(attempt, isolation=procedure.isolation, retries=procedure.retries)
        return Reply(body=body, txid=txid or snapshot or known_position())


async def adispatch(procedure: Procedure[..., Any], arguments: Arguments, call: CallContext) -> Reply:
    """See dispatch()."""
    with calling(call):
        codec = get_codec(procedure)
        bound = _bind(codec, arguments)

        async def attempt() -> tuple[bytes, int | None]:
            args, kwargs = next(bound)
            body = codec.encode(await procedure.function(*args, **kwargs))
            return body, await asynchronous.call(read_position)

        (body, snapshot), txid = await arun_transaction(
            attempt, isolation=procedure.isolation, retries=procedure.retries
        )
        return Reply(body=body, txid=txid or snapshot or await asynchronous.call(known_position))


def _bind(codec: Codec, arguments: Arguments) -> Iterator[Bound]:
    """Yield the arguments for each attempt anew, since one may change them.

    The first are validated right now, before there is a transaction.
    """
    return chain([codec.decode(arguments)], map(codec.decode, repeat(arguments)))
