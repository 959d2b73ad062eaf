"""A call's success, before it is a response."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kontract.rpc.results import Download


@dataclass(slots=True)
class Reply:
    """``body`` is the JSON text of ``{"result": ...}``, or a file.

    ``snapshot`` is the txid that the call read (None: nothing was read), ``txid`` what it committed or, if nothing, the
    snapshot, or else the last one that is known.  Both are filled in as they become known.
    """

    body: bytes | Download
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    snapshot: int | None = None
    txid: int | None = None
