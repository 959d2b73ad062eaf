"""A complete backend inside two PostgreSQL tables.

Everything public is here, loaded when first asked for: importing ``kontract`` needs no settings and loads no model.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kontract.context import ctx as ctx
    from kontract.context import elevated as elevated
    from kontract.context import namespace as namespace
    from kontract.events.consumers import on_change as on_change
    from kontract.events.feed import afeed as afeed
    from kontract.events.feed import feed as feed
    from kontract.exceptions import CallError as CallError
    from kontract.mvcc.history import Version as Version
    from kontract.mvcc.snapshot import as_of as as_of
    from kontract.mvcc.transaction import transaction as transaction
    from kontract.mvcc.transaction import transactional as transactional
    from kontract.perms import perm as perm
    from kontract.rpc.filters import mwfilter as mwfilter
    from kontract.rpc.registry import backend as backend
    from kontract.rpc.results import Download as Download
    from kontract.rpc.results import HttpResp as HttpResp
    from kontract.tables.documents import Document as Document
    from kontract.tables.env import env as env
    from kontract.tables.past import apin_snapshot as apin_snapshot
    from kontract.tables.past import aundo as aundo
    from kontract.tables.past import aunpin_snapshot as aunpin_snapshot
    from kontract.tables.past import pin_snapshot as pin_snapshot
    from kontract.tables.past import undo as undo
    from kontract.tables.past import unpin_snapshot as unpin_snapshot

__version__ = "0.1.0"

_PUBLIC = {
    "CallError": "kontract.exceptions",
    "Document": "kontract.tables.documents",
    "Download": "kontract.rpc.results",
    "HttpResp": "kontract.rpc.results",
    "Version": "kontract.mvcc.history",
    "afeed": "kontract.events.feed",
    "apin_snapshot": "kontract.tables.past",
    "as_of": "kontract.mvcc.snapshot",
    "aundo": "kontract.tables.past",
    "aunpin_snapshot": "kontract.tables.past",
    "backend": "kontract.rpc.registry",
    "ctx": "kontract.context",
    "elevated": "kontract.context",
    "env": "kontract.tables.env",
    "feed": "kontract.events.feed",
    "mwfilter": "kontract.rpc.filters",
    "namespace": "kontract.context",
    "on_change": "kontract.events.consumers",
    "perm": "kontract.perms",
    "pin_snapshot": "kontract.tables.past",
    "transaction": "kontract.mvcc.transaction",
    "transactional": "kontract.mvcc.transaction",
    "undo": "kontract.tables.past",
    "unpin_snapshot": "kontract.tables.past",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = globals()[name] = getattr(import_module(_PUBLIC[name]), name)
        return value
    try:
        return import_module(f"kontract.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"kontract.{name}":
            raise
        raise AttributeError(f"module 'kontract' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
