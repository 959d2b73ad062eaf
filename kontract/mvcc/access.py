"""What the call that runs may do with logical tables: the permissions of procedure, table and field, and owners.

Outside a call nothing is bound.  Each face of the storage has one place where everything it reads passes, and one where
everything it writes does; they ask here.  See docs/permissions.md for the rule.

Some reads show nothing to whoever calls: those that find what is to be written, and those that the engine makes for
itself.  They need no R of the table.  But a condition tells something about each field that it names, so that only the
engine's own may name what the call cannot read.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Protocol

from kontract.conf import TableOptions
from kontract.context import get_call, is_restricted
from kontract.exceptions import AuthenticationRequiredError, PermissionDeniedError
from kontract.mvcc.versions.ptrs import FIRST_PTR
from kontract.mvcc.writes import Write
from kontract.perms import RWX, Perm, find_lacking, show

_NOTHING: Final[frozenset[str]] = frozenset()
_VERBS: Final = {Perm.R: "read", Perm.W: "write", Perm.X: "delete"}

_internal: ContextVar[bool] = ContextVar("kontract_internal", default=False)
_matched: ContextVar[frozenset[str]] = ContextVar("kontract_matched", default=_NOTHING)  # names of tables


class Ruled(Protocol):
    """A logical table, resolved or only declared."""

    @property
    def name(self) -> str:
        """The table's name."""

    @property
    def options(self) -> TableOptions:
        """The table's permissions."""


def in_call() -> bool:
    """Return whether a call runs, whose procedure's permissions hold."""
    return get_call().route is not None


# --- The rule --------------------------------------------------------------------------------------------------------


def find_level(table: Ruled, bit: Perm, field: str | None = None) -> str | None:
    """Return the level that keeps the running call from what ``bit`` stands for; None where it is granted."""
    call = get_call()
    if call.route is None:
        return None
    if not is_restricted():
        return find_lacking(bit, call.perm)
    options = table.options
    if call.perm is RWX and options.perm is RWX and not options.fields:  # as in most calls
        return None
    if field is None:
        return find_lacking(bit, call.perm, options.perm)
    return find_lacking(bit, call.perm, options.perm, options.fields.get(field, RWX))


def check(table: Ruled, bit: Perm, field: str | None = None) -> None:
    """Raise ``PermissionDeniedError`` unless the running call is granted ``bit`` of the table, or of its field.

    Raises ``AuthenticationRequiredError`` where nobody is to write what would be nobody's alone.
    """
    if (level := find_level(table, bit, field)) is not None:
        raise denied(level, table, bit, field)
    if bit is not Perm.R and scope(table) == "":
        raise AuthenticationRequiredError(
            f"The documents of the table {table.name!r} are their owners' alone, and the call is nobody's. Sign in."
        )


def check_procedure(bit: Perm, what: str) -> None:
    """Raise ``PermissionDeniedError`` unless the running call's procedure is granted ``bit``; ``what`` needs it."""
    call = get_call()
    if call.route is not None and not call.perm & bit:
        raise PermissionDeniedError(f"{_lack(call.route, call.perm, bit)} {what} needs it.")


def denied(level: str, table: Ruled, bit: Perm, field: str | None = None) -> PermissionDeniedError:
    """Return the error that says which level does not grant ``bit``, and what to do about it."""
    call = get_call()
    of_table = f"documents of the table {table.name!r}"
    if level == "procedure":
        wanted = f"Declare it with @backend(perm=perms.{show(call.perm | bit)}) if it is to {_VERBS[bit]} {of_table}."
        return PermissionDeniedError(f"{_lack(call.route, call.perm, bit)} {wanted}")
    if level == "table":
        what, bits = of_table, table.options.perm
    else:
        what, bits = f"the field {field!r} of the table {table.name!r}", table.options.fields[field or ""]
    return PermissionDeniedError(
        f"A call may not {_VERBS[bit]} {what}: the permissions of the {level} are {show(bits)}. Change them, or let "
        "the procedure do it within kontract.elevated()."
    )


def _lack(route: str | None, bits: Perm, bit: Perm) -> str:
    return f"The procedure {route!r} has the permissions {show(bits)}, which lack {show(bit).strip('_')}."


def not_yours(table: Ruled, document_id: str) -> PermissionDeniedError:
    """Return the error for a document that is somebody else's alone."""
    return PermissionDeniedError(f"The id {document_id!r} of the table {table.name!r} is taken. Use another one.")


def scope(table: Ruled) -> str | None:
    """Return the owner whose documents alone the running call may see; None: all of them."""
    return get_call().owner if table.options.owner_scoped and is_restricted() else None


def is_bound(table: Ruled) -> bool:
    """Return whether what a write may do depends on the document that is there: on its fields, or on its owner."""
    return (table.options.owner_scoped or bool(table.options.fields)) and is_restricted()


def lacking(table: Ruled, bit: Perm) -> frozenset[str]:
    """Return the fields of which the running call is not granted ``bit``, although it is of the table."""
    return table.options.lacking(bit) if table.options.fields and is_restricted() else _NOTHING


# --- Reading ---------------------------------------------------------------------------------------------------------


@contextmanager
def matching(*names: str) -> Iterator[None]:
    """Let the queries of the block, which find what is to be written in these tables, do without R of them."""
    token = _matched.set(frozenset(names))
    try:
        yield
    finally:
        _matched.reset(token)


@contextmanager
def internally() -> Iterator[None]:
    """Bind the queries of the block, which are the engine's own, by the scope of owners alone."""
    token = _internal.set(True)
    try:
        yield
    finally:
        _internal.reset(token)


def is_internal() -> bool:
    """Return whether what is read now is for the engine alone."""
    return _internal.get()


def check_shown(table: Ruled) -> None:
    """Raise ``PermissionDeniedError`` where documents are to be shown that the running call may not read."""
    if in_call() and not is_internal() and table.name not in _matched.get():
        check(table, Perm.R)


def check_named(table: Ruled, field: str) -> None:
    """Raise ``PermissionDeniedError`` where a query names a field that the running call may not read."""
    if in_call() and not is_internal():
        check(table, Perm.R, field)


# --- Writing ---------------------------------------------------------------------------------------------------------


def admit(writes: Iterable[Write]) -> None:
    """Raise unless the running call may write and delete so in the tables; kontract's own are not bound."""
    if not in_call():
        return
    tables = {(write.table.ptr, write.op == "delete"): write.table for write in writes}
    for (ptr, is_deletion), table in tables.items():
        if ptr >= FIRST_PTR:
            check(table, Perm.X if is_deletion else Perm.W)
