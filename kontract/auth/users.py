"""``request.user`` of those who sign in by a token: a user of Django's where there is one, else an object like it."""

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from kontract.auth.providers import DjangoUserProvider, find_principal, list_providers
from kontract.context import Identity


class PrincipalUser:
    """What views, templates and Django REST framework ask of a user; it has no permissions of Django's."""

    is_active = True
    is_staff = False
    is_superuser = False

    def __init__(self, identity: Identity) -> None:
        self.pk = self.id = identity.owner
        self.ugroups = identity.ugroups
        self.is_anonymous = identity.is_anonymous
        self.is_authenticated = not identity.is_anonymous

    def __str__(self) -> str:
        return self.pk

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PrincipalUser) and other.pk == self.pk

    def __hash__(self) -> int:
        return hash(self.pk)

    def get_username(self) -> str:
        """Return the principal's id."""
        return self.pk

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Return False: user groups and kontract's permissions say what a principal may do."""
        return False

    def has_perms(self, perms: Any, obj: Any = None) -> bool:
        """See has_perm()."""
        return False

    def has_module_perms(self, module: str) -> bool:
        """See has_perm()."""
        return False


def make_user(identity: Identity) -> Any:
    """Return the user of an identity, which is looked up when it is first used."""
    return SimpleLazyObject(lambda: _find_user(identity)) if _has_django_users() else PrincipalUser(identity)


def _has_django_users() -> bool:
    return any(isinstance(provider, DjangoUserProvider) for provider in list_providers().values())


def _find_user(identity: Identity) -> Any:
    name, _, pk = (identity.subject or "").partition(":")
    if isinstance(list_providers().get(name), DjangoUserProvider):
        return get_user_model()._default_manager.get(pk=pk)
    return PrincipalUser(identity)


def attach(request: HttpRequest, identity: Identity) -> None:
    """Let a request be that of who signs in by a token: for calls, and for ordinary views."""

    async def auser() -> Any:
        return await sync_to_async(_find_user)(identity)

    request.kontract_identity = identity  # type: ignore[attr-defined]
    request.user = make_user(identity)
    request.auser = auser
    request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]  # no browser sends a token by itself


def identify_user(user: Any) -> Identity:
    """Return the identity of a user of Django's, who signs in by a cookie: the principal's, if the user has one."""
    subject = next(
        (f"{p.name}:{user.pk}" for p in list_providers().values() if isinstance(p, DjangoUserProvider)), None
    )
    found = None if subject is None else find_principal("subject", subject)
    groups = user.groups.values_list("name", flat=True) if hasattr(user, "groups") else ()
    return Identity(
        owner=str(user.pk) if found is None else found[0],
        ugroups=frozenset(groups).union(() if found is None else found[1]["ugroups"]),
        subject=subject,
        by_cookie=True,
    )
