"""Who calls, from where, and which world they look at: context variables, so threads and tasks keep their own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kontract.perms import RWX, Perm

if TYPE_CHECKING:
    from django.http import HttpRequest

DEFAULT_NAMESPACE = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """One call.  ``owner`` is the caller's id ("" outside a call), ``route`` the procedure's name.

    ``perm`` is what the procedure may do to stored data.
    """

    owner: str = ""
    sid: str | None = None
    ugroups: frozenset[str] = frozenset()
    is_anonymous: bool = True
    route: str | None = None
    perm: Perm = RWX
    request: "HttpRequest | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who sends a request, as middleware has found out, which keeps it as ``request.kontract_identity``.

    ``subject`` is who it is at a provider of accounts, if it has one elsewhere.  ``by_cookie``: a browser may have sent
    it behind its user's back, so that a call needs a CSRF token.
    """

    owner: str
    sid: str | None = None
    ugroups: frozenset[str] = frozenset()
    is_anonymous: bool = False
    subject: str | None = None
    by_cookie: bool = False


_call: ContextVar[CallContext] = ContextVar("kontract_call", default=CallContext())  # noqa: B039 - it is frozen
_elevated: ContextVar[bool] = ContextVar("kontract_elevated", default=False)
_namespace: ContextVar[str] = ContextVar("kontract_namespace", default=DEFAULT_NAMESPACE)
_txid_readers: list[Callable[[], int]] = []


class Context:
    """The current call, as ``kontract.ctx``; its attributes change with the call."""

    __slots__ = ()

    @property
    def owner(self) -> str:
        """The caller's id; "" outside a call."""
        return _call.get().owner

    @property
    def sid(self) -> str | None:
        """The caller's session id."""
        return _call.get().sid

    @property
    def ugroups(self) -> frozenset[str]:
        """The caller's user groups."""
        return _call.get().ugroups

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody has signed in."""
        return _call.get().is_anonymous

    @property
    def route(self) -> str | None:
        """The name of the procedure that runs."""
        return _call.get().route

    @property
    def perm(self) -> Perm:
        """What the procedure may do to stored data; everything outside a call."""
        return _call.get().perm

    @property
    def request(self) -> "HttpRequest | None":
        """Django's request, in a call over HTTP."""
        return _call.get().request

    @property
    def current_txid(self) -> int:
        """The txid that bounds what this transaction reads: every version with a smaller txid."""
        return _txid_readers[-1]() + 1

    def __repr__(self) -> str:
        return f"<ctx {_call.get()!r}>"


ctx = Context()


def register_snapshot_reader(reader: Callable[[], int]) -> None:
    """Let the storage, which stands further right, tell ``ctx`` the snapshot of the current transaction."""
    _txid_readers[:] = [reader]


def get_call() -> CallContext:
    """Return the current call as a frozen value."""
    return _call.get()


class calling:
    """A block within which ``call`` is the current one, made anew for each; a generator would take twice as long."""

    __slots__ = ("_call", "_token")

    def __init__(self, call: CallContext) -> None:
        self._call = call

    def __enter__(self) -> CallContext:
        self._token = _call.set(self._call)
        return self._call

    def __exit__(self, *failure: object) -> None:
        _call.reset(self._token)


def is_restricted() -> bool:
    """Return whether a call runs, which the permissions of tables, fields and owners bind."""
    return _call.get().route is not None and not _elevated.get()


@contextmanager
def elevated() -> Iterator[None]:
    """Lift the permissions of tables, fields and owners within the block: what the project itself needs to know.

    The procedure's own permission still holds.
    """
    token = _elevated.set(True)
    try:
        yield
    finally:
        _elevated.reset(token)


def get_namespace() -> str:
    """Return the name of the namespace that reads and writes go to."""
    return _namespace.get()


@contextmanager
def namespace(name: str) -> Iterator[None]:
    """Send every read and write of the block to the namespace ``name``.

    A namespace is an isolated world with its own tables and its own clock; see ``kontract.tables.create_namespace``.
    """
    token = _namespace.set(name)
    try:
        yield
    finally:
        _namespace.reset(token)
