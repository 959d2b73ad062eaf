"""Who sends a request: by an access token, or by Django's session."""

from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.apps import apps
from django.http import HttpRequest

from kontract.auth import admission, users
from kontract.auth.sessions import aauthenticate, authenticate
from kontract.context import CallContext, Identity, calling
from kontract.exceptions import ConfigurationError
from kontract.mvcc import asynchronous
from kontract.rpc.chains import Handler
from kontract.rpc.position import known_position
from kontract.rpc.requests import find_token
from kontract.rpc.responses import refuse


class AuthMiddleware:
    """Find out who sends a request, for ``kontract.ctx`` and ``request.user``, in calls and in ordinary views.

    ``MIDDLEWARE = [..., "kontract.middleware.AuthMiddleware"]``, after Django's ``AuthenticationMiddleware``, if there
    is one.  ``Authorization: Bearer <access token>`` wins over a session's cookie, and needs no CSRF token; one that is
    not valid is answered with 401, whatever is asked for; an attempt to sign in that is one too many, with 429.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Handler) -> None:
        if not apps.is_installed("kontract.auth"):
            raise ConfigurationError('AuthMiddleware needs the app: add "kontract.auth" to INSTALLED_APPS.')
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if self._is_async:
            return self._answer(request)
        try:
            admission.check(request)
            identity = _identify(request)
        except Exception as error:
            return refuse(request, error, known_position())
        if identity is None:
            return self._get_response(request)
        with calling(_as_context(request, identity)):
            return self._get_response(request)

    async def _answer(self, request: HttpRequest) -> Any:
        """See __call__()."""
        try:
            admission.check(request)
            identity = await _aidentify(request)
        except Exception as error:
            return refuse(request, error, known_position())
        if identity is None:
            return await self._get_response(request)
        with calling(_as_context(request, identity)):
            return await self._get_response(request)


def _identify(request: HttpRequest) -> Identity | None:
    if (token := find_token(request)) is not None:
        users.attach(request, identity := authenticate(token))
        return identity
    return _identify_by_cookie(request) if _has_session(request) else None


async def _aidentify(request: HttpRequest) -> Identity | None:
    """See _identify()."""
    if (token := find_token(request)) is not None:
        users.attach(request, identity := await aauthenticate(token))
        return identity
    return await asynchronous.call(_identify_by_cookie, request) if _has_session(request) else None


def _has_session(request: HttpRequest) -> bool:
    session = getattr(request, "session", None)
    return session is not None and session.session_key is not None and hasattr(request, "user")


def _identify_by_cookie(request: HttpRequest) -> Identity | None:
    if not request.user.is_authenticated:
        return None
    identity = users.identify_user(request.user)
    request.kontract_identity = identity  # type: ignore[attr-defined]
    return identity


def _as_context(request: HttpRequest, identity: Identity) -> CallContext:
    return CallContext(
        owner=identity.owner,
        sid=identity.sid,
        ugroups=identity.ugroups,
        is_anonymous=identity.is_anonymous,
        request=request,
    )
