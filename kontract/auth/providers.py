"""Who can say who somebody is.  ``KONTRACT["AUTH"]["providers"]`` lists them; see docs/auth.md for one of your own."""

import json
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from django.apps import apps
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.signals import setting_changed
from django.core.validators import validate_email
from django.db import IntegrityError
from django.http import HttpRequest
from django.utils.module_loading import import_string

from kontract.auth import hashing
from kontract.auth.models import USERS, Principal
from kontract.conf import get_settings
from kontract.exceptions import (
    AccountExistsError,
    ConfigurationError,
    InvalidCredentialsError,
    RateLimitedError,
    UnsupportedError,
)
from kontract.mvcc.connections import fetch_quietly
from kontract.mvcc.transaction import run_transaction
from kontract.mvcc.versions import sessions as sql
from kontract.tables.catalog import locate, resolve

Credentials = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who somebody is, as a provider has found out.

    ``subject`` is who it is at the provider, for ever the same.  Without one, ``id`` is a principal's.  The others are
    what a new principal is given: ``password`` as Django's hashers encode it.  ``preferred_id`` is the id of a
    principal that is made for an account which has been there before it.
    """

    subject: str | None = None
    id: str | None = None
    preferred_id: str | None = None
    email: str | None = None
    is_verified: bool = False
    username: str | None = None
    password: str = ""
    ugroups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a provider says of an account now.

    ``fingerprint`` changes when all sessions are to end, as after a change of password.  ``fallbacks`` are what it is
    by older secret keys that are still taken; sessions with one of those go on, and get the ``fingerprint``.
    """

    is_active: bool = True
    ugroups: frozenset[str] = frozenset()
    fingerprint: str = ""
    fallbacks: frozenset[str] = frozenset()


class Provider:
    """One way to sign in.  Override what it can do; each method may use the database, and may take long."""

    name: ClassVar[str]
    names: Collection[str] = ("email", "username")  # of the credentials, those that name an account, and are no secret

    def authenticate(self, credentials: Credentials, request: HttpRequest | None) -> Account | None:
        """Return whose ``credentials`` these are; None for nobody's."""
        raise UnsupportedError(f"Nobody signs in by the provider {self.name!r}.")

    def register(self, credentials: Credentials, request: HttpRequest | None) -> Account:
        """Make a new account, of which nothing but the principal is missing.

        Raises ``AccountExistsError``, Django's ``ValidationError``, and ``UnsupportedError``, as by default.
        """
        raise UnsupportedError(f"Nobody registers by the provider {self.name!r}.")

    def withdraw(self, account: Account) -> None:
        """Take back what ``register`` has made, because no principal got it: another call was faster."""

    def set_password(self, subject: str, old: str, new: str) -> None:
        """Change the password of an account.  Raises ``InvalidCredentialsError`` and ``ValidationError``."""
        raise UnsupportedError(f"The provider {self.name!r} has no passwords to change.")

    def get_state(self, subject: str) -> State:
        """Return what is true of an account now; asked for at each request, at most twice a second and session."""
        return State()


class AnonymousProvider(Provider):
    """Visitors, each with a principal of their own."""

    name = "anonymous"

    def authenticate(self, credentials: Credentials, request: HttpRequest | None) -> Account | None:
        """Return a new account of nobody's."""
        return Account()


class PasswordProvider(Provider):
    """Accounts with a password, kept here.  ``lookup``: "email" or "username", which then names an account."""

    name = "password"

    def __init__(self, lookup: str = "email") -> None:
        if lookup not in ("email", "username"):
            raise ConfigurationError(f'PasswordProvider has lookup={lookup!r}; it must be "email" or "username".')
        self.lookup = lookup

    def authenticate(self, credentials: Credentials, request: HttpRequest | None) -> Account | None:
        """Return whose password it is; who does not exist takes as long."""
        name, password = _take(credentials, self.lookup, "password")
        found = find_principal(self.lookup, normalise(name))
        encoded: str = found[1]["password"] if found is not None else ""
        if not hashing.is_password(password, encoded) or found is None:
            return None
        if hashing.is_dated(encoded):
            with suppress(RateLimitedError):  # another time, then
                _encode_anew(found[0], encoded, hashing.encode_password(password))
        return Account(id=found[0])

    def register(self, credentials: Credentials, request: HttpRequest | None) -> Account:
        """Return a new account, whose name is looked at before and its password after hashing."""
        name, password = _take(credentials, self.lookup, "password")
        email = normalise(credentials["email"]) if credentials.get("email") else None
        values: dict[str, Any] = {"email": email, self.lookup: normalise(name)}
        _validate_names(values)
        hashing.validate(password, Principal(**values))
        return Account(**values, password=hashing.encode_password(password))


class DjangoUserProvider(Provider):
    """The users of ``AUTH_USER_MODEL``, through all of ``AUTHENTICATION_BACKENDS``; their groups are user groups.

    ``fields`` are the credentials, all of them, that ``authenticate()`` is called with: clients choose no others, for
    there are backends that take somebody's word for who it is.  ``may_register``: whether callers make new users.
    """

    name = "django"

    def __init__(self, fields: Sequence[str] | None = None, *, may_register: bool = False) -> None:
        if not apps.is_installed("django.contrib.auth"):
            raise ConfigurationError(
                "DjangoUserProvider needs Django's users. Add django.contrib.auth to INSTALLED_APPS, or use "
                "PasswordProvider."
            )
        self.fields = tuple(fields or (get_user_model().USERNAME_FIELD, "password"))
        self.names = tuple(field for field in self.fields if field != "password")
        self.may_register = may_register

    def authenticate(self, credentials: Credentials, request: HttpRequest | None) -> Account | None:
        """Return the user to whom Django's backends say that these ``credentials`` belong."""
        given = dict(zip(self.fields, _take(credentials, *self.fields), strict=True))
        if unknown := credentials.keys() - given.keys():
            raise ValidationError({min(unknown): ["Nobody signs in by this."]})
        with hashing.get_gate().turn():
            user = authenticate(request, **given)
        return None if user is None else self.account_of(user)

    def register(self, credentials: Credentials, request: HttpRequest | None) -> Account:
        """Make a new user."""
        if not self.may_register:
            raise UnsupportedError("Users are not made here. Sign in, and merge if you have data elsewhere.")
        users = get_user_model()
        values = {name: value for name, value in credentials.items() if name != "password"}
        if unknown := values.keys() - {users.USERNAME_FIELD, users.get_email_field_name(), *users.REQUIRED_FIELDS}:
            raise ValidationError({min(unknown): ["A new user does not have this."]})
        (password,) = _take(credentials, "password")
        user = users(**values)
        hashing.validate(password, user)
        with hashing.get_gate().turn():
            user.set_password(password)
        user.full_clean(validate_unique=False, validate_constraints=False)
        try:
            user.save(force_insert=True)
        except IntegrityError as error:
            raise AccountExistsError from error
        return self.account_of(user, is_new=True)

    def withdraw(self, account: Account) -> None:
        """Delete the user, whose name is free again."""
        if account.subject is not None:
            get_user_model()._default_manager.filter(pk=account.subject).delete()

    def set_password(self, subject: str, old: str, new: str) -> None:
        """Change a user's password, which ends the sessions in Django, too."""
        user = get_user_model()._default_manager.get(pk=subject)
        with hashing.get_gate().turn():
            if not user.check_password(old):
                raise InvalidCredentialsError
        hashing.validate(new, user)
        with hashing.get_gate().turn():
            user.set_password(new)
        user.save(update_fields=["password"])

    def get_state(self, subject: str) -> State:
        """Return a user's groups, and what changes with the password."""
        try:
            user: Any = get_user_model()._default_manager.get(pk=subject)
        except ObjectDoesNotExist:
            return State(is_active=False)
        groups = user.groups.values_list("name", flat=True) if hasattr(user, "groups") else ()
        return State(
            is_active=user.is_active,
            ugroups=frozenset(groups),
            fingerprint=user.get_session_auth_hash(),
            fallbacks=frozenset(user.get_session_auth_fallback_hash()),
        )

    def account_of(self, user: Any, *, is_new: bool = False) -> Account:
        """Return a user's account.  What it owned before, signed in by a cookie, stays its own: it keeps its id."""
        return Account(subject=str(user.pk), preferred_id=None if is_new else str(user.pk))


def normalise(name: str) -> str:
    """Return a name in the form in which two that look alike are the same."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()


def _take(credentials: Credentials, *names: str) -> list[str]:
    if missing := [name for name in names if not credentials.get(name)]:
        raise ValidationError({name: ["This is missing."] for name in missing})
    return [credentials[name] for name in names]


def _encode_anew(principal_id: str, before: str, encoded: str) -> None:
    """Keep a password as hashers encode it today, unless it has changed."""

    def write() -> None:
        principal = Principal.objects.get(pk=principal_id)
        if principal.password == before:
            principal.password = encoded
            principal.save()

    run_transaction(write, retries=max(get_settings().RETRIES, 4))


def _validate_names(values: Mapping[str, str | None]) -> None:
    validators: dict[str, Any] = {"email": validate_email, "username": UnicodeUsernameValidator()}
    longest = {"email": 254, "username": 150}
    for field, value in values.items():
        if value is None:
            continue
        if len(value) > longest[field]:
            raise ValidationError({field: [f"At most {longest[field]} characters."]})
        try:
            validators[field](value)
        except ValidationError as error:
            raise ValidationError({field: error.messages}) from error


def find_principal(field: str, value: str) -> tuple[str, dict[str, Any]] | None:
    """Return the id and the data of the principal with a unique value, by index; None where there is none."""
    connection, ns = locate()
    ptr = resolve(connection, ns, USERS).ptr
    params = {"ns": ns, "ptr": ptr, "name": f"{USERS}_{field}_key", "value": value}
    rows = fetch_quietly(connection, sql.FIND_UNIQUE, params)
    return (rows[0][0], json.loads(rows[0][1])) if rows else None


# --- Which there are -------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def list_providers() -> dict[str, Provider]:
    """Return the project's providers by name.  Raises ``ConfigurationError``."""
    found: dict[str, Provider] = {}
    for position, entry in enumerate(get_settings().AUTH.providers):
        place = f'KONTRACT["AUTH"]["providers"][{position}]'
        provider = _make_provider(entry, place)
        if provider.name in found:
            raise ConfigurationError(f"{place} is a second provider named {provider.name!r}. Give one another name.")
        found[provider.name] = provider
    return found


def _make_provider(entry: Any, place: str) -> Provider:
    entry = {"provider": entry} if isinstance(entry, str) else entry
    if not isinstance(entry, Mapping) or "provider" not in entry or entry.keys() - {"provider", "options"}:
        raise ConfigurationError(
            f'{place} is {entry!r}; it must be a dotted path, or {{"provider": path, "options": {{...}}}}.'
        )
    try:
        made = import_string(entry["provider"])(**entry.get("options", {}))
    except (ImportError, TypeError) as error:
        raise ConfigurationError(f"{place} cannot be made: {error}.") from error
    if not isinstance(made, Provider) or not isinstance(getattr(made, "name", None), str):
        raise ConfigurationError(f"{place} is {made!r}; it must be a kontract.auth.providers.Provider with a name.")
    if ":" in made.name:
        raise ConfigurationError(f"{place} has the name {made.name!r}; it must have no ':'.")
    return made


def get_provider(name: str) -> Provider:
    """Return the provider of this name.  Raises ``UnsupportedError``."""
    if (provider := list_providers().get(name)) is None:
        raise UnsupportedError(f"There is no provider {name[:100]!a}. There are: {', '.join(list_providers())}.")
    return provider


def find_state(subject: str | None) -> State:
    """Return what the provider of a principal's ``subject`` says now; one that is gone signs nobody in."""
    if subject is None:
        return State()
    name, _, at_provider = subject.partition(":")
    provider = list_providers().get(name)
    return State(is_active=False) if provider is None else provider.get_state(at_provider)


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in ("KONTRACT", "INSTALLED_APPS"):
        list_providers.cache_clear()


setting_changed.connect(_forget, dispatch_uid="kontract.auth.providers")
