"""Access tokens for Django REST framework."""

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from kontract.auth.sessions import authenticate
from kontract.auth.users import make_user
from kontract.context import Identity
from kontract.exceptions import InvalidTokenError
from kontract.rpc.requests import find_token


class TokenAuthentication(BaseAuthentication):
    """``DEFAULT_AUTHENTICATION_CLASSES = ["kontract.middleware.drf.TokenAuthentication"]``.

    ``request.user`` is whom the token signs in, ``request.auth`` its ``Identity``.  An anonymous principal is no
    authenticated user to ``IsAuthenticated``.  It works with and without ``AuthMiddleware``.
    """

    def authenticate(self, request: Request) -> tuple[Any, Identity] | None:
        """Return the user and the identity of a request with a token; None without one."""
        if (token := find_token(request._request)) is None:
            return None
        try:
            identity = authenticate(token)
        except InvalidTokenError as error:
            raise AuthenticationFailed(str(error), code=error.code) from error
        return make_user(identity), identity

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 says."""
        return "Bearer"
