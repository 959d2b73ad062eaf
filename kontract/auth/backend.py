"""The procedures of signing in, all in the endpoint group "auth"."""

import functools
import logging
from collections.abc import Callable
from typing import Annotated, Final, Literal, ParamSpec, TypeVar

from django.db import connections
from pydantic import Field
from typing_extensions import TypedDict

from kontract import perms
from kontract.auth import cookies, emails, merging, passwords, principals, sessions, signals, throttle
from kontract.auth.hashing import get_gate
from kontract.auth.principals import Device, SignedIn
from kontract.auth.providers import Provider, get_provider, normalise
from kontract.auth.sessions import Session
from kontract.auth.tokens import read_refresh
from kontract.conf import get_settings
from kontract.context import ctx, elevated, get_namespace
from kontract.exceptions import (
    AccountExistsError,
    AlreadySignedInError,
    AuthenticationRequiredError,
    InvalidCredentialsError,
    InvalidRequestError,
    InvalidTokenError,
    PermissionDeniedError,
)
from kontract.mvcc.connections import get_alias
from kontract.mvcc.lazy import before_transaction
from kontract.rpc.address import client_ip
from kontract.rpc.registry import backend
from kontract.rpc.results import HttpResp

P = ParamSpec("P")
T = TypeVar("T")

EGROUP: Final = "auth"

logger = logging.getLogger("kontract.auth")

Text = Annotated[str, Field(max_length=4096)]
Credentials = Annotated[dict[Annotated[str, Field(max_length=100)], Text], Field(max_length=20)]


class Me(TypedDict):
    """Who calls."""

    id: str
    is_anonymous: bool
    email: str | None
    is_verified: bool
    username: str | None
    ugroups: list[str]


class Tokens(TypedDict):
    """What signs in; ``refresh_token`` is None where a cookie has it.  ``expires_in`` is in seconds."""

    access_token: str
    expires_in: float
    refresh_token: str | None
    principal: Me


class Merge(TypedDict):
    """What a merge moves, or has moved: numbers of documents by table; ``principal`` names it to undo it."""

    principal: str
    tables: dict[str, int]
    is_done: bool


def _directly(function: Callable[P, T]) -> Callable[P, T]:
    """Run a procedure outside of the call's transaction, where it makes its own, and lift the tables' permissions.

    So nothing is open while it hashes, and what it counts or ends stays so, also if it fails.  Its answer must not be
    stored, for it is a secret.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        headers = ctx.request.headers if ctx.request is not None else {}
        for name in ("Idempotency-Key", "Kontract-Dry-Run"):
            if name in headers:
                raise InvalidRequestError(f"{ctx.route} takes no {name}, because its answer is not kept or tried out.")
        connection = connections[get_alias(get_namespace())]
        with before_transaction(connection), elevated():
            return function(*args, **kwargs)

    return run


# --- Signing in ------------------------------------------------------------------------------------------------------


@backend(egroup=EGROUP, errors=[AlreadySignedInError])
@_directly
def auth_anonymous(cookie: bool = False) -> HttpResp[Tokens]:
    """Begin as a visitor, with a principal of one's own."""
    if not get_settings().AUTH.allow_anonymous:
        raise PermissionDeniedError("There are no anonymous visitors here. Register, or sign in.")
    _refuse_signed_in()
    throttle.count_of("anonymous", ctx.request)
    provider = get_provider("anonymous")
    account = provider.authenticate({}, ctx.request)
    if account is None:
        raise InvalidCredentialsError
    signed = principals.register(account, provider, _device())
    signals.created.send(sender=None, principal=signed.principal, request=ctx.request)
    return _answer(signed, cookie)


@backend(egroup=EGROUP, errors=[AccountExistsError, AlreadySignedInError])
@_directly
def auth_register(credentials: Credentials, provider: Text = "password", cookie: bool = False) -> HttpResp[Tokens]:
    """Make a new account and sign in to it."""
    _refuse_signed_in()
    get_gate().check()
    throttle.count_of("register", ctx.request)
    chosen = get_provider(provider)
    signed = principals.register(chosen.register(credentials, ctx.request), chosen, _device())
    signals.created.send(sender=None, principal=signed.principal, request=ctx.request)
    return _answer(signed, cookie)


@backend(egroup=EGROUP, errors=[InvalidCredentialsError])
@_directly
def auth_login(credentials: Credentials, provider: Text = "password", cookie: bool = False) -> HttpResp[Tokens]:
    """Sign in to an account."""
    if provider == "anonymous":
        raise InvalidRequestError("Begin as a visitor with auth_anonymous.")
    get_gate().check()
    throttle.count_of("login", ctx.request)
    chosen = get_provider(provider)
    with throttle.failures(_name(chosen, credentials), ctx.request):
        account = chosen.authenticate(credentials, ctx.request)
        if account is None:
            raise InvalidCredentialsError
        signed = principals.sign_in(account, chosen, _device())
    signals.logged_in.send(sender=None, principal=signed.principal, request=ctx.request, sid=signed.sid)
    return _answer(signed, cookie)


@backend(egroup=EGROUP, errors=[AccountExistsError, AlreadySignedInError, InvalidCredentialsError])
@_directly
def auth_link(credentials: Credentials, provider: Text = "password", cookie: bool = False) -> HttpResp[Tokens]:
    """Give an account to the anonymous caller, who keeps the id and all data."""
    _require_session()
    if not ctx.is_anonymous:
        raise AlreadySignedInError
    get_gate().check()
    throttle.count_of("register", ctx.request)
    chosen = get_provider(provider)
    if type(chosen).register is Provider.register:
        with throttle.failures(_name(chosen, credentials), ctx.request):
            account = chosen.authenticate(credentials, ctx.request)
            if account is None:
                raise InvalidCredentialsError
        signed = principals.link(ctx.owner, account, chosen, _device())
    else:
        signed = _link_new(chosen, credentials)
    signals.linked.send(sender=None, principal=signed.principal, request=ctx.request)
    return _answer(signed, cookie)


def _link_new(provider: Provider, credentials: dict[str, str]) -> SignedIn:
    account = provider.register(credentials, ctx.request)
    try:
        return principals.link(ctx.owner, account, provider, _device())
    except (AccountExistsError, AlreadySignedInError, InvalidTokenError):
        provider.withdraw(account)
        raise


@backend(egroup=EGROUP)
@_directly
def auth_refresh(refresh_token: Text | None = None) -> HttpResp[Tokens]:
    """Get a new access token for a refresh token, or for the one in the cookie, and the next refresh token."""
    token = refresh_token or cookies.read_cookie(ctx.request)
    if token is None:
        raise InvalidTokenError
    throttle.count("refresh", read_refresh(token)[0])
    rotation = sessions.rotate(token)
    if rotation.outcome == "reused":
        logger.warning("An old refresh token of %s was used again; its session is ended.", rotation.principal)
        signals.token_reused.send(sender=None, principal_id=rotation.principal, request=ctx.request)
        raise InvalidTokenError
    signed = principals.resume(rotation.sid, rotation.principal, rotation.counter)
    return _answer(signed, refresh_token is None)


# --- Moving data -----------------------------------------------------------------------------------------------------


@backend(egroup=EGROUP, errors=[AlreadySignedInError])
@_directly
def auth_merge(source_token: Text, commit: bool = False) -> Merge:
    """Preview what the anonymous principal with this access token owns; with ``commit``, take it over."""
    _require_account()
    other = sessions.authenticate(source_token)
    if not other.is_anonymous:
        raise AlreadySignedInError
    tables = merging.preview(other.owner)
    if commit:
        txid = merging.merge(other.owner, ctx.owner)
        found = {"principal": principals.get(ctx.owner), "source": other.owner, "txid": txid}
        signals.merged.send(sender=None, request=ctx.request, **found)
    return {"principal": other.owner, "tables": tables, "is_done": commit}


@backend(egroup=EGROUP)
@_directly
def auth_unmerge(principal: Text) -> Tokens:
    """Undo a merge: the anonymous ``principal`` has everything again, and these are tokens of its own."""
    _require_account()
    source = merging.unmerge(principal, ctx.owner)
    signals.unmerged.send(sender=None, principal=principals.get(ctx.owner), source=source.id, request=ctx.request)
    return _answer(principals.begin(source, _device()), False).result


# --- One's own account and sessions ----------------------------------------------------------------------------------


@backend(egroup=EGROUP, errors=[InvalidCredentialsError])
@_directly
def auth_password(old_password: Text, new_password: Text, cookie: bool = False) -> HttpResp[Tokens]:
    """Change one's password, which ends all other sessions."""
    sid = _require_account()
    throttle.count_of("login", ctx.request)
    with throttle.failures(ctx.owner, ctx.request):
        principal = passwords.change(ctx.owner, sid, old_password, new_password)
    signals.password_changed.send(sender=None, principal=principal, request=ctx.request)
    return _answer(SignedIn(principal=principal, sid=sid, counter=sessions.find_counter(sid)), cookie)


@backend(egroup=EGROUP, perm=perms.R__, etag=False)
@_directly
def auth_me() -> Me | None:
    """Return who calls; null for nobody."""
    return _describe(SignedIn(principal=principals.get(ctx.owner), sid=ctx.sid)) if ctx.sid else None


@backend(egroup=EGROUP, perm=perms.R__, etag=False)
@_directly
def auth_sessions() -> list[Session]:
    """Return one's sessions, the latest first."""
    return sessions.list_of(ctx.owner, _require_session())


@backend(egroup=EGROUP)
@_directly
def auth_logout(which: Literal["this", "others", "all"] = "this") -> HttpResp[int]:
    """End this session, the others, or all; return how many."""
    sid = _require_session()
    ended = sessions.end(ctx.owner, only=sid if which == "this" else None, but=sid if which == "others" else None)
    _tell_logged_out(ended)
    return HttpResp(len(ended), headers={} if which == "others" else cookies.drop_cookie())


@backend(egroup=EGROUP)
@_directly
def auth_revoke(session: Text) -> bool:
    """End one of one's sessions; return whether there was one of this id."""
    _require_session()
    ended = sessions.end(ctx.owner, only=session)
    _tell_logged_out(ended)
    return bool(ended)


# --- E-mail ----------------------------------------------------------------------------------------------------------


@backend(egroup=EGROUP)
@_directly
def auth_request_reset(email: Text) -> None:
    """Send a link with which a new password can be chosen; the answer is the same if nobody has the address."""
    throttle.count_of("login", ctx.request)
    throttle.count("email", normalise(email))
    emails.request_reset(email)


@backend(egroup=EGROUP)
@_directly
def auth_reset(token: Text, new_password: Text) -> None:
    """Choose a new password with the token that was sent; all sessions end."""
    get_gate().check()
    throttle.count_of("login", ctx.request)
    principal = emails.reset(token, new_password)
    signals.password_changed.send(sender=None, principal=principal, request=ctx.request)


@backend(egroup=EGROUP)
@_directly
def auth_request_verification() -> None:
    """Send the caller a link that shows that the address is their own."""
    _require_account()
    throttle.count("email", ctx.owner)
    principal = principals.get(ctx.owner)
    if principal.email is not None and not principal.is_verified:
        emails.send("verify", principal)


@backend(egroup=EGROUP)
@_directly
def auth_verify(token: Text) -> None:
    """Verify an address with the token that was sent."""
    throttle.count_of("login", ctx.request)
    emails.verify(token)


# --- Helpers ---------------------------------------------------------------------------------------------------------


def _require_session() -> str:
    if ctx.sid is None:
        raise AuthenticationRequiredError("This is for those who have a session. Send an access token.")
    return ctx.sid


def _require_account() -> str:
    sid = _require_session()
    if ctx.is_anonymous:
        raise AuthenticationRequiredError("This is for those who have an account. Sign in.")
    return sid


def _refuse_signed_in() -> None:
    if ctx.sid is not None:
        raise AlreadySignedInError


def _tell_logged_out(ended: list[str]) -> None:
    if ended:
        principal = principals.get(ctx.owner)
        signals.logged_out.send(sender=None, principal=principal, sids=ended, request=ctx.request)


def _name(provider: Provider, credentials: dict[str, str]) -> str:
    """Return what names an account in credentials, whether it exists or not: all that is no secret."""
    named = sorted((key, normalise(value)) for key, value in credentials.items() if key in provider.names)
    return f"{provider.name}:{named}"


def _device() -> Device:
    if ctx.request is None:
        return Device()
    return Device(agent=ctx.request.headers.get("User-Agent", ""), ip=client_ip(ctx.request))


def _answer(signed: SignedIn, cookie: bool) -> HttpResp[Tokens]:
    tokens: Tokens = {
        "access_token": signed.access_token,
        "expires_in": get_settings().AUTH.access_seconds,
        "refresh_token": None if cookie else signed.refresh_token,
        "principal": _describe(signed),
    }
    return HttpResp(tokens, headers=cookies.set_cookie(signed.refresh_token) if cookie else {})


def _describe(signed: SignedIn) -> Me:
    principal = signed.principal
    return {
        "id": principal.id,
        "is_anonymous": principal.is_anonymous,
        "email": principal.email,
        "is_verified": principal.is_verified,
        "username": principal.username,
        "ugroups": signed.ugroups,
    }
