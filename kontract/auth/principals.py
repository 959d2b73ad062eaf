"""Principals: made for visitors, given an account, and found again by it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from kontract.auth import sessions
from kontract.auth.models import Principal, as_groups, new_id
from kontract.auth.providers import Account, Provider, find_state
from kontract.auth.tokens import make_access, make_refresh
from kontract.conf import get_settings
from kontract.exceptions import (
    AccountExistsError,
    AlreadySignedInError,
    ConstraintError,
    InvalidCredentialsError,
    InvalidTokenError,
)
from kontract.mvcc.transaction import run_transaction

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Where somebody signs in."""

    agent: str = ""
    ip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A principal with a session."""

    principal: Principal
    sid: str
    counter: int = 0

    @property
    def access_token(self) -> str:
        """A new access token."""
        principal = self.principal
        return make_access(principal.id, self.sid, epoch=principal.epoch, is_anonymous=principal.is_anonymous)

    @property
    def refresh_token(self) -> str:
        """The current refresh token."""
        return make_refresh(self.sid, self.counter)

    @property
    def ugroups(self) -> list[str]:
        """The names of the principal's user groups."""
        return as_groups([*self.principal.ugroups, *find_state(self.principal.subject).ugroups])


def sign_in(account: Account, provider: Provider, device: Device) -> SignedIn:
    """Begin a session of the principal that has an ``account``; where there is none, it is made.

    It goes without an address or a name that somebody else has: nobody keeps others out by being first.  Raises
    ``InvalidCredentialsError`` where it may not sign in.
    """

    def write(account: Account) -> SignedIn:
        principal = _find(account, provider) or _make(account, provider)
        return _begin(principal, device)

    try:
        return _write(lambda: write(account))
    except ConstraintError:  # that, or another process has made it just now
        return _write(lambda: write(_without_taken(account)))


def register(account: Account, provider: Provider, device: Device) -> SignedIn:
    """Make a principal with a new ``account``.  Raises ``AccountExistsError``."""
    return _unless_taken(lambda: _begin(_make(account, provider), device))


def link(principal_id: str, account: Account, provider: Provider, device: Device) -> SignedIn:
    """Give an ``account`` to an anonymous principal, which keeps its id and everything it owns.

    All of its sessions end, and a new one begins.  Raises ``AccountExistsError``, ``AlreadySignedInError``.
    """

    def write() -> SignedIn:
        principal = get(principal_id)
        if not principal.is_anonymous:
            raise AlreadySignedInError
        if _find(account, provider) is not None:
            raise AccountExistsError
        for name, value in _values(account, provider).items():
            setattr(principal, name, value)
        principal.epoch += 1
        principal.save()
        sessions.end(principal.id)
        return _begin(principal, device)

    return _unless_taken(write)


def get(principal_id: str) -> Principal:
    """Return a principal that may sign in.  Raises ``InvalidTokenError``."""
    found: Principal | None = Principal.objects.filter(pk=principal_id, is_active=True).first()
    if found is None:
        raise InvalidTokenError
    return found


def resume(sid: str, principal_id: str, counter: int) -> SignedIn:
    """Return what a session that was refreshed stands for.  Raises ``InvalidTokenError``."""
    sessions.look_up(sid)
    return SignedIn(principal=get(principal_id), sid=sid, counter=counter)


def begin(principal: Principal, device: Device) -> SignedIn:
    """Begin a session of a principal."""
    return _write(lambda: _begin(principal, device))


def set_groups(principal: Principal, ugroups: list[str]) -> None:
    """Set the user groups of a principal."""

    def write() -> None:
        fresh = Principal.objects.get(pk=principal.pk)
        fresh.ugroups = ugroups
        fresh.save()
        sessions.forget()

    _write(write)


def _begin(principal: Principal, device: Device) -> SignedIn:
    state = find_state(principal.subject)
    if not (principal.is_active and state.is_active):
        raise InvalidCredentialsError
    sid = sessions.create(principal.id, state, agent=device.agent, ip=device.ip)
    return SignedIn(principal=principal, sid=sid)


def _find(account: Account, provider: Provider) -> Principal | None:
    if account.id is None and account.subject is None:
        return None
    known = {"subject": f"{provider.name}:{account.subject}"} if account.id is None else {"pk": account.id}
    found: Principal | None = Principal.objects.filter(**known).first()
    return found


def _without_taken(account: Account) -> Account:
    if account.email and Principal.objects.filter(email=account.email).exists():
        account = replace(account, email=None, is_verified=False)
    if account.username and Principal.objects.filter(username=account.username).exists():
        account = replace(account, username=None)
    return account


def _make(account: Account, provider: Provider) -> Principal:
    principal = Principal(id=account.preferred_id or new_id(), **_values(account, provider))
    principal.save(force_insert=True)
    return principal


def _values(account: Account, provider: Provider) -> dict[str, object]:
    is_known = bool(account.subject or account.email or account.username)
    return {
        "is_anonymous": not is_known,
        "email": account.email,
        "is_verified": account.is_verified,
        "username": account.username,
        "subject": None if account.subject is None else f"{provider.name}:{account.subject}",
        "password": account.password,
        "ugroups": as_groups(account.ugroups),
    }


def _unless_taken(write: Callable[[], SignedIn]) -> SignedIn:
    try:
        return _write(write)
    except ConstraintError as error:
        raise AccountExistsError from error


def _write(write: Callable[[], T]) -> T:
    return run_transaction(write, retries=max(get_settings().RETRIES, 4))[0]
