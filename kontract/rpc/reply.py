"""A call's success, before it is a response."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from kontract.rpc.results import Download

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Reply(NamedTuple):
    """``body`` is the JSON text of ``{"result": ...}``, or a file.

    ``snapshot`` is the txid that the call read (None: nothing was read), ``txid`` what it committed or, if nothing, the
    snapshot, or else the last one that is known.
    """

    body: bytes | Download
    status: int = 200
    headers: Mapping[str, str] = _NONE
    snapshot: int | None = None
    txid: int | None = None
