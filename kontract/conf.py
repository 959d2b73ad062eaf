"""The one settings dict, ``KONTRACT``, typed and with its defaults.

Nothing else reads ``django.conf``.  A mistake is a system check (see ``kontract.checks``) with a hint; at run time it
raises ``ConfigurationError``.
"""

import base64
import binascii
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, date, datetime, time
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, Final, Literal

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from kontract.exceptions import ConfigurationError
from kontract.perms import RWX, Perm

Durability = Literal["strict", "group"]
Isolation = Literal["snapshot", "serializable"]
Policy = Literal["allowed", "required"]  # of raystream
Audience = Literal["public", "staff", "off"]  # of the cookbook


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """How one logical table is kept, and what calls may do with it.

    ``versioned``: keep every version (else documents are updated in place: no history, no clock, no log).
    ``retention_days``: how long vacuum keeps history; ``None`` means the project's ``RETENTION_DAYS``.
    ``perm``: the permissions of the table; ``fields``: those of keys of its documents, ``RWX`` where none are given.
    ``owner_scoped``: whether a document is its owner's alone.
    """

    versioned: bool = True
    retention_days: float | None = None
    perm: Perm = RWX
    fields: Mapping[str, Perm] = field(default_factory=dict, hash=False)
    owner_scoped: bool = False

    def lacking(self, bit: Perm) -> frozenset[str]:
        """Return the fields whose own permissions lack ``bit``."""
        return frozenset(name for name, bits in self.fields.items() if not bits & bit) if self.fields else _NO_FIELDS


_NO_FIELDS: Final[frozenset[str]] = frozenset()

Algorithm = Literal["HS256", "EdDSA"]
_DAY: Final = 86_400.0
_VALIDATION: Final = "django.contrib.auth.password_validation."


def _default_rates() -> dict[str, str]:
    of_accounts = {"anonymous": "30/h", "register": "20/h", "email": "5/h"}
    return {**of_accounts, "login": "30/m", "failures": "5/5m", "refresh": "30/m"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthOptions:
    """How callers sign in, ``KONTRACT["AUTH"]``; the comments give the unit.  See docs/auth.md."""

    providers: Sequence[Any] = (  # dotted paths, or {"provider": path, "options": {...}}
        "kontract.auth.providers.AnonymousProvider",
        "kontract.auth.providers.PasswordProvider",
    )
    allow_anonymous: bool = True  # whether visitors get a principal of their own
    issuer: str = "kontract"  # of access tokens
    audience: str = "kontract"
    algorithm: Algorithm = "HS256"  # "EdDSA": others can verify access tokens, by jwks.json
    access_seconds: float = 600.0  # that an access token is valid
    leeway_seconds: float = 10.0  # that clocks may differ; at most 30
    refresh_idle_seconds: float = 30 * _DAY  # after which a session that is not refreshed ends
    refresh_absolute_seconds: float = 90 * _DAY  # after which every session ends
    reuse_seconds: float = 60.0  # that the refresh token before the current one is still taken
    session_cache_seconds: float = 0.5  # that a process trusts what it knows of a session; at most 1
    validators: Sequence[Mapping[str, Any]] = (  # of passwords, as Django's AUTH_PASSWORD_VALIDATORS
        {"NAME": f"{_VALIDATION}MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
        {"NAME": f"{_VALIDATION}CommonPasswordValidator"},
        {"NAME": f"{_VALIDATION}UserAttributeSimilarityValidator"},
    )
    max_password_length: int = 1024  # characters
    rates: Mapping[str, str] = field(default_factory=_default_rates, hash=False)  # what is not given is as by default
    concurrent_hashes: int | None = None  # in each process; None: one for every two processors
    waiting_hashes: int = 8  # that may wait for one of those; more are refused
    email_links: Mapping[str, str] = field(default_factory=dict, hash=False)  # "reset", "verify": URLs with {token}
    email_from: str | None = None  # sender; None: DEFAULT_FROM_EMAIL
    cookie_name: str = "kontract_refresh"
    cookie_secure: bool | None = None  # None: unless DEBUG
    cookie_domain: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RaystreamKey:
    """A static key of the server: its 32 secret bytes, and until when it is used, in seconds of UNIX time."""

    secret: bytes = field(repr=False)
    not_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RaystreamOptions:
    """The encrypted channel, ``KONTRACT["RAYSTREAM"]``; the comments give the unit.  See docs/raystream.md."""

    audience: str  # names the service, equal in server and clients
    keys: tuple[RaystreamKey, ...]  # the current one first, then the next
    wrapping_key: bytes = field(repr=False)  # 32 bytes, which seal the sessions' secrets in the database
    policy: Policy = "allowed"  # "required": procedures are called through the channel only, where nothing else is said
    egroups: Mapping[str, Policy] = field(default_factory=dict, hash=False)  # of endpoint groups
    suites: tuple[int, ...] = (1, 2)  # that clients may use, by preference: 1 ChaCha20-Poly1305, 2 AES-256-GCM
    limits: Mapping[str, int] = field(default_factory=dict, hash=False)  # of sessions, see kontract.raystream.limits
    handshakes: str = "600/m"  # that one address, or one IPv6 network /64, may make
    pending: int = 10_000  # sessions at once that have not made a request yet
    flush: bool = True  # wait until a request's number is on disk before it runs


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsOptions:
    """Change events, ``KONTRACT["EVENTS"]``; the comments give the unit.  See docs/events.md."""

    notify: bool = True  # tell other processes of commits at once; else they notice at their next tick
    notify_seconds: float = 0.005  # between two notifications of a process, however much it commits
    listen: bool = True  # for notifications; False: look at each tick only, as where all connections are pooled
    tick_seconds: float = 0.5  # between looking for commits that no notification has told of
    direct: Mapping[str, str] = field(default_factory=dict, hash=False)  # alias -> alias or URL that is not pooled
    lease_seconds: float = 30.0  # after which another worker takes over from one that is silent
    tables: Mapping[str, Any] = field(default_factory=dict, hash=False)  # to subscribe to -> user groups; None: anybody
    subscriptions: int = 50  # in one stream
    streams_per_owner: int = 20  # open at once in each process
    streams_per_network: int = 400  # from one address, or one IPv6 network /64
    keep_alive_seconds: float = 20.0  # of silence, after which a stream says that it is alive
    send_seconds: float = 60.0  # after which a client that takes nothing of what it is sent is cut off
    threads: int = 4  # of a process that run live queries


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting with its default; the comments give the unit."""

    TABLES: Mapping[str, TableOptions] = field(default_factory=dict)  # logical tables that exist without further ado
    DURABILITY: Durability = "strict"  # "group": one fsync for many waiting writers
    ISOLATION: Isolation = "snapshot"  # of transactions that do not say
    RETRIES: int = 4  # further attempts after a conflict
    CLOCK_TIMEOUT: float = 5.0  # seconds to wait for other writers of the namespace
    FLUSH_LIMIT: int = 10_000  # collected writes, beyond which a transaction flushes early and keeps the clock
    PREPARED_STATEMENTS: bool | None = None  # None: where the connection is direct (not through a pooler)
    CATALOG_TTL: float = 1.0  # seconds that a name -> ptr resolution is trusted without looking again
    RETENTION_DAYS: float = 30.0  # days that vacuum keeps history
    PIN_MAX_TTL: float = 86_400.0  # seconds that a pinned snapshot may hold back vacuum
    MAX_ID_BYTES: int = 1024  # UTF-8 bytes of a document id
    MAX_DOCUMENT_BYTES: int = 8 * 1024 * 1024  # UTF-8 bytes of a document's JSON text
    MAX_DOCUMENT_DEPTH: int = 100  # levels of arrays and objects inside each other
    MAX_BODY_BYTES: int = 16 * 1024 * 1024  # bytes of a call's request body
    MAX_UPLOAD_BYTES: int = 128 * 1024 * 1024  # bytes of a call's request body with files
    MAX_BATCH: int = 100  # calls in one request
    MAX_DRY_RUN: int = 1000  # documents that a dry run may change and list
    IDEMPOTENCY_HOURS: float = 24.0  # that the answer to a call with an Idempotency-Key is kept and given again
    MIDDLEWARE: Sequence[Any] = ()  # around calls and views, each with its filter; see kontract.rpc.filters
    TRUSTED_PROXIES: int = 0  # proxies of ours in front, each of which appends to X-Forwarded-For
    ROUTES: str | PathLike[str] | None = None  # the manifest of routes; None: import every backend.py at start-up
    LOCK_FILE: str | PathLike[str] | None = None  # kontract.lock.json; None: beside manage.py
    OPENAPI: bool = True  # serve the OpenAPI document, which tells everybody the names of all procedures
    DOCS: Audience | None = None  # who is shown the cookbook; None: "public" under DEBUG, else "staff"
    AUTH: AuthOptions = field(default_factory=AuthOptions)  # how callers sign in, with "kontract.auth" installed
    RAYSTREAM: RaystreamOptions | None = None  # the encrypted channel; None: there is none
    EVENTS: EventsOptions = EventsOptions(notify=False)  # change events; nobody is notified unless it is given
    RELEASE: str = ""  # names what is deployed: another one makes clients' copies of results stale


def parse(raw: Any) -> Settings:
    """Return the settings that ``raw`` describes.

    Raises ``ConfigurationError`` for an unknown key (naming the closest known one) or a value that does not fit.
    """
    if not isinstance(raw, Mapping):
        raise ConfigurationError(f"KONTRACT must be a dict of settings, not {type(raw).__name__}.")
    known = {f.name for f in fields(Settings)}
    for key in raw:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else f" Known settings: {', '.join(sorted(known))}."
            raise ConfigurationError(f"KONTRACT has an unknown setting {key!r}.{hint}")
    values = dict(raw)
    values["TABLES"] = _parse_tables(raw.get("TABLES", {}))
    values["AUTH"] = _parse_auth(raw.get("AUTH", {}))
    values["RAYSTREAM"] = _parse_raystream(raw.get("RAYSTREAM"))
    if "EVENTS" in raw:
        values["EVENTS"] = _parse_events(raw["EVENTS"])
    settings = Settings(**values)
    _validate(settings)
    return settings


def _parse_tables(raw: Any) -> dict[str, TableOptions]:
    if isinstance(raw, (list, tuple, set, frozenset)):
        raw = {name: {} for name in raw}
    if not isinstance(raw, Mapping):
        raise ConfigurationError('KONTRACT["TABLES"] must be a list of names or a dict of name to options.')
    tables = {}
    for name, options in raw.items():
        try:
            tables[name] = options if isinstance(options, TableOptions) else TableOptions(**(options or {}))
        except TypeError as error:
            known_options = ", ".join(f.name for f in fields(TableOptions))
            raise ConfigurationError(
                f'KONTRACT["TABLES"][{name!r}] has options {options!r}; known options: {known_options}.'
            ) from error
        _validate_access(name, tables[name])
    return tables


def _validate_access(name: str, options: TableOptions) -> None:
    if not isinstance(options.fields, Mapping):
        raise ConfigurationError(
            f'KONTRACT["TABLES"][{name!r}]["fields"] is {options.fields!r}; it must be a dict of key to permissions.'
        )
    given = {"perm": options.perm} | {f"fields.{key}": bits for key, bits in options.fields.items()}
    for place, bits in given.items():
        if not isinstance(bits, Perm):
            raise ConfigurationError(
                f'KONTRACT["TABLES"][{name!r}] has {place} = {bits!r}; it must be a constant of kontract.perms, for '
                "example perms.RW_."
            )
    if not isinstance(options.owner_scoped, bool):
        raise ConfigurationError(
            f'KONTRACT["TABLES"][{name!r}]["owner_scoped"] is {options.owner_scoped!r}; it must be True or False.'
        )


def _parse_auth(raw: Any) -> AuthOptions:
    if not isinstance(raw, Mapping):
        raise ConfigurationError(f'KONTRACT["AUTH"] must be a dict of options, not {type(raw).__name__}.')
    known = {f.name for f in fields(AuthOptions)}
    for key in raw:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Known options: {', '.join(sorted(known))}."
            raise ConfigurationError(f'KONTRACT["AUTH"] has an unknown option {key!r}. {hint}')
    values = dict(raw)
    if isinstance(rates := raw.get("rates", {}), Mapping):
        values["rates"] = {**_default_rates(), **rates}
    options = AuthOptions(**values)
    for key in known:
        _validate_auth_option(key, getattr(options, key))
    return options


_AUTH_TYPES: Final[dict[str, tuple[tuple[type, ...], str]]] = {
    "providers": ((list, tuple), "a list"),
    "allow_anonymous": ((bool,), "True or False"),
    "issuer": ((str,), "a string"),
    "audience": ((str,), "a string"),
    "validators": ((list, tuple), "a list of dicts"),
    "rates": ((Mapping,), "a dict of rates, such as {'login': '30/m'}"),
    "concurrent_hashes": ((int, type(None)), "a number, or None"),
    "email_links": ((Mapping,), "a dict with URLs for 'reset' and 'verify'"),
    "email_from": ((str, type(None)), "a string, or None"),
    "cookie_name": ((str,), "a string"),
    "cookie_secure": ((bool, type(None)), "True, False or None"),
    "cookie_domain": ((str, type(None)), "a string, or None"),
}
_AUTH_LIMITS: Final[dict[str, float]] = {"leeway_seconds": 30, "session_cache_seconds": 1}


def _validate_auth_option(key: str, value: Any) -> None:
    place = f'KONTRACT["AUTH"]["{key}"] is {value!r}; it must be'
    if key == "algorithm":
        if value not in ("HS256", "EdDSA"):
            raise ConfigurationError(f'{place} "HS256" or "EdDSA".')
    elif key in _AUTH_TYPES:
        types, meaning = _AUTH_TYPES[key]
        if not isinstance(value, types):
            raise ConfigurationError(f"{place} {meaning}.")
    elif isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise ConfigurationError(f"{place} a number that is not negative.")
    if key in _AUTH_LIMITS and value > _AUTH_LIMITS[key]:
        raise ConfigurationError(f"{place} at most {_AUTH_LIMITS[key]:g}.")
    if key == "concurrent_hashes" and value is not None and value < 1:
        raise ConfigurationError(f"{place} at least 1.")
    if key == "email_links" and not all(
        purpose in ("reset", "verify") and "{token}" in str(link) for purpose, link in value.items()
    ):
        raise ConfigurationError(f'{place} a dict of "reset" and "verify" to URLs that contain {{token}}.')
    if key == "rates" and (unknown := value.keys() - _default_rates().keys()):
        raise ConfigurationError(
            f'KONTRACT["AUTH"]["rates"] has {min(unknown)!r}; it may have {", ".join(sorted(_default_rates()))}.'
        )


def _parse_raystream(raw: Any) -> RaystreamOptions | None:
    if raw is None:
        return None
    place = 'KONTRACT["RAYSTREAM"]'
    if not isinstance(raw, Mapping):
        raise ConfigurationError(f"{place} must be a dict of options, not {type(raw).__name__}.")
    known = {f.name: f for f in fields(RaystreamOptions)}
    for key in raw:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Known options: {', '.join(sorted(known))}."
            raise ConfigurationError(f"{place} has an unknown option {key!r}. {hint}")
    for key, option in known.items():
        if option.default is MISSING and option.default_factory is MISSING and key not in raw:
            raise ConfigurationError(f"{place} lacks {key!r}. manage.py kontract_keys new writes what is needed.")
    values = dict(raw)
    values["wrapping_key"] = _parse_secret(f'{place}["wrapping_key"]', raw["wrapping_key"])
    if not isinstance(raw["keys"], (list, tuple)) or not raw["keys"]:
        raise ConfigurationError(f'{place}["keys"] must be a list of keys: the current one, and the next.')
    values["keys"] = tuple(_parse_key(f'{place}["keys"][{n}]', key) for n, key in enumerate(raw["keys"]))
    values["suites"] = tuple(raw.get("suites", (1, 2)))
    options = RaystreamOptions(**values)
    _validate_raystream(place, options)
    return options


def _parse_key(place: str, raw: Any) -> RaystreamKey:
    if not isinstance(raw, Mapping) or raw.keys() != {"key", "not_after"}:
        raise ConfigurationError(f'{place} must be a dict with "key", 32 bytes in base64, and "not_after", a day.')
    return RaystreamKey(
        secret=_parse_secret(f'{place}["key"]', raw["key"]),
        not_after=_parse_moment(f'{place}["not_after"]', raw["not_after"]),
    )


def _parse_secret(place: str, raw: Any) -> bytes:
    """Return the 32 bytes of a secret, which no error shows."""
    try:
        secret = base64.b64decode(raw, validate=True)
    except (TypeError, ValueError, binascii.Error):
        secret = b""
    if len(secret) != 32:
        raise ConfigurationError(f"{place} must be 32 random bytes in base64. manage.py kontract_keys new makes some.")
    return secret


def _parse_moment(place: str, raw: Any) -> float:
    """Return the seconds of UNIX time of a moment, or of the end of a day, in UTC where nothing else is said."""
    try:
        moment = raw if isinstance(raw, date) else datetime.fromisoformat(raw)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f'{place} is {raw!r}; it must be a day, such as "2027-12-31".') from error
    if not isinstance(moment, datetime) or (isinstance(raw, str) and len(raw) == len("2027-12-31")):
        moment = datetime.combine(moment, time.max)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _validate_raystream(place: str, options: RaystreamOptions) -> None:
    if not isinstance(options.audience, str) or not options.audience:
        raise ConfigurationError(
            f'{place}["audience"] is {options.audience!r}; it must be a name, such as your domain.'
        )
    if not isinstance(options.egroups, Mapping) or not isinstance(options.limits, Mapping):
        raise ConfigurationError(f'{place}["egroups"] and {place}["limits"] must be dicts.')
    policies = {f'{place}["policy"]': options.policy}
    policies |= {f'{place}["egroups"][{name!r}]': policy for name, policy in options.egroups.items()}
    for where, policy in policies.items():
        if policy not in ("allowed", "required"):
            raise ConfigurationError(f'{where} is {policy!r}; it must be "allowed" or "required".')
    if not isinstance(options.flush, bool):
        raise ConfigurationError(f'{place}["flush"] is {options.flush!r}; it must be True or False.')
    if isinstance(options.pending, bool) or not isinstance(options.pending, int) or options.pending < 2:
        raise ConfigurationError(f'{place}["pending"] is {options.pending!r}; it must be a number from 2 on.')


def _parse_events(raw: Any) -> EventsOptions:
    place = 'KONTRACT["EVENTS"]'
    if not isinstance(raw, Mapping):
        raise ConfigurationError(f"{place} must be a dict of options, not {type(raw).__name__}.")
    known = {f.name for f in fields(EventsOptions)}
    for key in raw:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Known options: {', '.join(sorted(known))}."
            raise ConfigurationError(f"{place} has an unknown option {key!r}. {hint}")
    options = EventsOptions(**raw)
    for key in known:
        _validate_events_option(f'{place}["{key}"]', key, getattr(options, key))
    return options


def _validate_events_option(place: str, key: str, value: Any) -> None:
    if key in ("subscriptions", "streams_per_owner", "streams_per_network", "threads"):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigurationError(f"{place} is {value!r}; it must be a number from 1 on.")
    elif key == "tables":
        _validate_events_tables(place, value)
    elif key in ("notify", "listen"):
        if not isinstance(value, bool):
            raise ConfigurationError(f"{place} is {value!r}; it must be True or False.")
    elif key == "direct":
        if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in (*value, *value.values())):
            raise ConfigurationError(f"{place} is {value!r}; it must be a dict of alias to alias or URL.")
    elif isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        raise ConfigurationError(f"{place} is {value!r}; it must be a number greater than 0.")


def _validate_events_tables(place: str, tables: Any) -> None:
    if not isinstance(tables, Mapping):
        raise ConfigurationError(
            f"{place} is {tables!r}; it must be a dict of the tables that clients may subscribe to, each with the user "
            "groups of which a subscriber needs one, or None for anybody."
        )
    for name, groups in tables.items():
        listed = [groups] if isinstance(groups, str) else groups
        is_list = isinstance(listed, (list, tuple, set, frozenset)) and all(isinstance(group, str) for group in listed)
        if groups is not None and (not is_list or not listed):
            raise ConfigurationError(
                f"{place}[{name!r}] is {groups!r}; it must be a user group, a list of some, or None for anybody."
            )


def _validate(settings: Settings) -> None:
    choices = {"DURABILITY": ("strict", "group"), "ISOLATION": ("snapshot", "serializable")}
    for key, allowed in choices.items():
        if (value := getattr(settings, key)) not in allowed:
            raise ConfigurationError(f'KONTRACT["{key}"] is {value!r}; it must be one of {", ".join(allowed)}.')
    if settings.PREPARED_STATEMENTS not in (None, True, False):
        raise ConfigurationError('KONTRACT["PREPARED_STATEMENTS"] must be True, False or None.')
    if not isinstance(settings.OPENAPI, bool):
        raise ConfigurationError(f'KONTRACT["OPENAPI"] is {settings.OPENAPI!r}; it must be True or False.')
    if settings.DOCS not in (None, "public", "staff", "off"):
        raise ConfigurationError(f'KONTRACT["DOCS"] is {settings.DOCS!r}; it must be "public", "staff", "off" or None.')
    if not isinstance(settings.RELEASE, str):
        raise ConfigurationError(f'KONTRACT["RELEASE"] is {settings.RELEASE!r}; it must be a string.')
    if not isinstance(settings.MIDDLEWARE, (list, tuple)):
        raise ConfigurationError(f'KONTRACT["MIDDLEWARE"] is {settings.MIDDLEWARE!r}; it must be a list.')
    if not isinstance(settings.TRUSTED_PROXIES, int):
        raise ConfigurationError(
            f'KONTRACT["TRUSTED_PROXIES"] is {settings.TRUSTED_PROXIES!r}; it must be the number of proxies.'
        )
    if settings.ROUTES is not None and not _is_absolute(settings.ROUTES):
        raise ConfigurationError(
            f'KONTRACT["ROUTES"] is {settings.ROUTES!r}; it must be an absolute path, such as BASE_DIR / "routes.json".'
        )
    if settings.LOCK_FILE is not None and not _is_absolute(settings.LOCK_FILE):
        raise ConfigurationError(
            f'KONTRACT["LOCK_FILE"] is {settings.LOCK_FILE!r}; it must be an absolute path, such as '
            'BASE_DIR / "kontract.lock.json".'
        )
    skipped = {
        "TABLES",
        "LOCK_FILE",
        "PREPARED_STATEMENTS",
        "ROUTES",
        "MIDDLEWARE",
        "OPENAPI",
        "DOCS",
        "RELEASE",
        "AUTH",
        "RAYSTREAM",
        "EVENTS",
        *choices,
    }
    for key in (f.name for f in fields(Settings) if f.name not in skipped):
        value = getattr(settings, key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
            raise ConfigurationError(f'KONTRACT["{key}"] is {value!r}; it must be a number that is not negative.')
    if settings.MAX_ID_BYTES > 2000:
        raise ConfigurationError(
            f'KONTRACT["MAX_ID_BYTES"] is {settings.MAX_ID_BYTES}; a PostgreSQL index entry holds at most 2000.'
        )


def _is_absolute(path: object) -> bool:
    """Tell whether ``path`` names the same file wherever the process runs."""
    return isinstance(path, (str, PathLike)) and Path(path).is_absolute()


def get_secrets() -> tuple[str | bytes, ...]:
    """Return Django's secret keys: the current one, and those that it has replaced."""
    return (django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS)


def is_auth_configured() -> bool:
    """Return whether the project has options for signing in."""
    return "AUTH" in getattr(django_settings, "KONTRACT", {})


def is_debug() -> bool:
    """Return whether Django's DEBUG is on."""
    return bool(django_settings.DEBUG)


def get_installed_middleware() -> tuple[str, ...]:
    """Return the dotted paths in Django's MIDDLEWARE."""
    return tuple(django_settings.MIDDLEWARE)


def get_https_header() -> str | None:
    """Return the name in META of the header by which a proxy tells that a request came through TLS."""
    header = django_settings.SECURE_PROXY_SSL_HEADER
    return header[0] if header else None


def is_https_enforced() -> bool:
    """Return whether Django sends whoever comes without TLS to https."""
    return bool(django_settings.SECURE_SSL_REDIRECT)


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the project's settings, parsed once and again after ``override_settings``."""
    return parse(getattr(django_settings, "KONTRACT", {}))


@lru_cache(maxsize=1)
def takes_users_from_sessions() -> bool:
    """Return whether ``request.user`` can come from nowhere but Django's session.

    It is so where all of ``MIDDLEWARE`` is known, and Django's plain ``AuthenticationMiddleware`` sets it.
    """
    names = set(getattr(django_settings, "MIDDLEWARE", ()))
    return names >= _SESSION_USERS and all(name.startswith(_KNOWN_MIDDLEWARE) for name in names - _SESSION_USERS)


_SESSION_USERS: Final = frozenset({
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
})  # fmt: skip
_KNOWN_MIDDLEWARE: Final = (
    *("django.middleware.", "django.contrib.messages.", "django.contrib.auth.middleware.LoginRequired"),
    *("kontract.middleware.", "corsheaders.", "whitenoise."),
)


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "KONTRACT":
        get_settings.cache_clear()
    elif setting == "MIDDLEWARE":
        takes_users_from_sessions.cache_clear()


setting_changed.connect(_forget, dispatch_uid="kontract.conf")
