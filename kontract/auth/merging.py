"""Moving everything that an anonymous principal owns to one with an account, and back.

One transaction gives each document a new owner and retires the principal.  Undoing it is one, too: kontract's own
``undo`` for versioned tables; those of unversioned ones are noted on the principal.
"""

from collections import defaultdict
from typing import Any

from kontract.auth import sessions
from kontract.auth.models import USERS, Principal
from kontract.auth.principals import get
from kontract.exceptions import AlreadySignedInError, AuthenticationRequiredError, TransactionNotFound
from kontract.mvcc.connections import fetch_all
from kontract.mvcc.transaction import run_transaction
from kontract.mvcc.units import collect, require_unit
from kontract.mvcc.versions import owners
from kontract.mvcc.writes import Table, Write
from kontract.tables.catalog import list_tables, locate
from kontract.tables.past import undo
from kontract.tables.proxy import TableProxy


def preview(source: str) -> dict[str, int]:
    """Return how many documents a principal owns, by the names of the tables."""
    tables = _list_tables()
    counted = dict(_query(owners.COUNT_OWNED, ptrs=list(tables), owner=source))
    return {table.name: counted[ptr] for ptr, table in tables.items() if ptr in counted}


def merge(source: str, target: str) -> int | None:
    """Give everything that the anonymous principal ``source`` owns to ``target``, and retire it; return the txid.

    Raises ``AlreadySignedInError`` where ``source`` has an account, ``AuthenticationRequiredError`` where ``target``
    has none.
    """

    def write() -> None:
        principal = get(source)
        if not principal.is_anonymous or source == target:
            raise AlreadySignedInError
        if get(target).is_anonymous:
            raise AuthenticationRequiredError("Sign in to an account before you merge an anonymous principal into it.")
        _give_versioned(source, target)
        principal.moved = _give_unversioned(source, target)
        principal.is_active, principal.merged_into = False, target
        principal.epoch += 1
        principal.save()
        sessions.end(source)

    return run_transaction(write, label=f"merge {source}")[1]


def unmerge(source: str, target: str) -> Principal:
    """Give back to ``source`` what it had when it was merged into ``target``; return it.

    Raises ``TransactionNotFound`` where it was not, and ``UndoConflictError`` where some of it was changed since.
    """

    def write() -> Principal:
        found = TableProxy(USERS).get(source)
        if found is None or found["merged_into"] != target:
            raise TransactionNotFound(f"The principal {source[:100]!a} was not merged into yours.")
        undo(found.txid)
        by_name = {table.name: ptr for ptr, table in _list_tables().items()}
        for name, ids in found["moved"].items():
            if name in by_name:
                _query(owners.GIVE_OWNED, ptrs=[by_name[name]], owner=target, to=source, ids=ids)
        principal: Principal = Principal.objects.get(pk=source)
        return principal

    return run_transaction(write, label=f"unmerge {source}")[0]


def _give_versioned(source: str, target: str) -> None:
    tables = {ptr: table for ptr, table in _list_tables().items() if table.options.versioned}
    connection, _ = locate()
    unit = require_unit(connection)
    for ptr, document_id, order, data, schema in _query(owners.LIST_OWNED, ptrs=list(tables), owner=source):
        data = tables[ptr].cast(data, schema)
        collect(connection, unit, Write(tables[ptr], document_id, "set", data, target, order))


def _give_unversioned(source: str, target: str) -> dict[str, list[str]]:
    tables = {ptr: table for ptr, table in _list_tables().items() if not table.options.versioned}
    moved: dict[str, list[str]] = defaultdict(list)
    for ptr, document_id in _query(owners.GIVE_OWNED, ptrs=list(tables), owner=source, to=target, ids=None):
        moved[tables[ptr].name].append(document_id)
    return dict(moved)


def _list_tables() -> dict[int, Table]:
    """Return the tables of whose documents somebody is the owner, by ptr."""
    connection, ns = locate()
    return {ptr: table for ptr, table in list_tables(connection, ns).items() if table.name != USERS}


def _query(sql: str, **params: Any) -> list[Any]:
    connection, ns = locate()
    return fetch_all(connection, sql, {"ns": ns, **params})
