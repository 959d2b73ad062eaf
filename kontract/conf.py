"""The one settings dict, ``KONTRACT``, typed and with its defaults.

Nothing else reads ``django.conf``.  A mistake is a system check (see ``kontract.checks``) with a hint; at run time it
raises ``ConfigurationError``.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
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
    OPENAPI: bool = True  # serve the OpenAPI document, which tells everybody the names of all procedures
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


def _validate(settings: Settings) -> None:
    choices = {"DURABILITY": ("strict", "group"), "ISOLATION": ("snapshot", "serializable")}
    for key, allowed in choices.items():
        if (value := getattr(settings, key)) not in allowed:
            raise ConfigurationError(f'KONTRACT["{key}"] is {value!r}; it must be one of {", ".join(allowed)}.')
    if settings.PREPARED_STATEMENTS not in (None, True, False):
        raise ConfigurationError('KONTRACT["PREPARED_STATEMENTS"] must be True, False or None.')
    if not isinstance(settings.OPENAPI, bool):
        raise ConfigurationError(f'KONTRACT["OPENAPI"] is {settings.OPENAPI!r}; it must be True or False.')
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
    skipped = {"TABLES", "PREPARED_STATEMENTS", "ROUTES", "MIDDLEWARE", "OPENAPI", "RELEASE", *choices}
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


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the project's settings, parsed once and again after ``override_settings``."""
    return parse(getattr(django_settings, "KONTRACT", {}))


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "KONTRACT":
        get_settings.cache_clear()


setting_changed.connect(_forget, dispatch_uid="kontract.conf")
