"""Who a stream belongs to, and whether that is still so: by an access token, by Django's session, or nobody."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib.auth import get_user
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest

from kontract.conf import get_settings
from kontract.context import Identity
from kontract.exceptions import KontractError, SessionRevokedError, TokenExpiredError
from kontract.rpc.address import client_network
from kontract.rpc.requests import find_token

if TYPE_CHECKING:
    from kontract.auth.sessions import Signed

Found = Identity | KontractError

NOBODY = Identity(owner="", is_anonymous=True)


class Credential:
    """Nobody's, whom everybody can be: there is nothing to renew."""

    key: tuple[str, ...] = ()  # the same for what is renewed together
    expires: float | None = None  # seconds since 1970

    def renew(self) -> Identity:
        """Return who it is now.  Raises ``SessionRevokedError``."""
        return NOBODY


class TokenCredential(Credential):
    """An access token's."""

    def __init__(self, token: str) -> None:
        from kontract.auth.tokens import read_access

        access = read_access(token)
        self.sid = access.sid
        self._access = access
        self.key = ("token", access.sid, access.principal, str(access.epoch))
        self.expires = access.expires + get_settings().AUTH.leeway_seconds

    def renew(self) -> Identity:
        """See Credential.renew()."""
        from kontract.auth.sessions import look_up_all

        return self.judge(look_up_all([self.sid])[self.sid])

    def judge(self, signed: "Signed | None") -> Identity:
        """Return who it is by what its session says.  Raises ``SessionRevokedError``."""
        if signed is None:
            raise SessionRevokedError("The session is over. Sign in again.")
        if signed.identity.owner != self._access.principal or signed.epoch != self._access.epoch:
            raise SessionRevokedError("The session's principal has changed. Refresh the access token.")
        return signed.identity


class SessionCredential(Credential):
    """That of a user whom Django's session has signed in."""

    def __init__(self, request: HttpRequest) -> None:
        session = request.session
        self._open: Any = partial(type(session), session.session_key)
        self._identify = _identify_principal if hasattr(request, "kontract_identity") else _identify_user
        self.key = ("session", session.session_key or "", self._identify.__name__)

    def renew(self) -> Identity:
        """See Credential.renew()."""
        request = HttpRequest()
        request.session = self._open()
        user = get_user(request)
        if not user.is_authenticated:
            raise SessionRevokedError("The session is over. Sign in again.")
        return replace(self._identify(user), by_cookie=False)  # it is looked at by us, not sent by a browser


def _identify_principal(user: Any) -> Identity:
    from kontract.auth.users import identify_user

    return identify_user(user)


def _identify_user(user: Any) -> Identity:
    groups = user.groups.values_list("name", flat=True) if hasattr(user, "groups") else ()
    return Identity(owner=str(user.pk), ugroups=frozenset(groups))


def find_credential(request: HttpRequest) -> Credential:
    """Return what a request was signed in by.  Raises ``InvalidTokenError``."""
    token = find_token(request)
    if token is not None and apps.is_installed("kontract.auth"):
        return TokenCredential(token)
    user = getattr(request, "user", None)
    if user is not None and hasattr(request, "session") and user.is_authenticated:
        return SessionCredential(request)
    return Credential()


def renew_all(credentials: Sequence[Credential]) -> list[Found | None]:
    """Return who each is now in the current namespace, or why nobody; None: the database does not answer.

    The sessions of all access tokens are read at once.
    """
    try:
        signed = _look_up([credential.sid for credential in credentials if isinstance(credential, TokenCredential)])
    except KontractError as error:
        return [error] * len(credentials)
    except (OperationalError, InterfaceError):
        return [None] * len(credentials)
    return [_renew(credential, signed) for credential in credentials]


def _look_up(sids: list[str]) -> "dict[str, Signed | None]":
    if not sids:
        return {}
    from kontract.auth.sessions import look_up_all

    return look_up_all(sids)


def _renew(credential: Credential, signed: "Mapping[str, Signed | None]") -> Found | None:
    try:
        if isinstance(credential, TokenCredential):
            return credential.judge(signed[credential.sid])
        return credential.renew()
    except KontractError as error:
        return error
    except (OperationalError, InterfaceError):
        return None


def check_expiry(credential: Credential) -> None:
    """Raise ``TokenExpiredError`` where the credential has reached its end."""
    if credential.expires is not None and time.time() >= credential.expires:
        raise TokenExpiredError("The access token has expired. Refresh it, and open the stream again from its cursor.")


def list_seats(request: HttpRequest, identity: Identity) -> list[tuple[str, int]]:
    """Return the buckets that a stream counts in, each with its limit."""
    options = get_settings().EVENTS
    network = (f"network:{client_network(request)}", options.streams_per_network)
    return [network, (f"owner:{identity.owner}", options.streams_per_owner)] if identity.owner else [network]
