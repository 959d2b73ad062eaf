"""System checks: mistakes in the settings, found by ``manage.py check`` instead of at the first call."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from kontract.auth.checks import check_auth
from kontract.conf import get_settings
from kontract.events.checks import check_events
from kontract.exceptions import ConfigurationError, InvalidNameError
from kontract.middleware.checks import check_rules
from kontract.middleware.raystream_checks import check_raystream, check_transport
from kontract.mvcc.connections import get_alias
from kontract.orm.checks import check_all, check_table_names
from kontract.orm.permission_checks import check_permissions
from kontract.rpc.codec import get_codec
from kontract.rpc.registry import registry
from kontract.tables.catalog import check_name


@register(Tags.compatibility)
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Check that ``KONTRACT`` is well-formed and that its tables can be named so."""
    try:
        settings = get_settings()
    except ConfigurationError as error:
        return [Error(str(error), hint="See the settings in kontract's documentation.", id="kontract.E001")]
    messages: list[CheckMessage] = []
    for name in settings.TABLES:
        try:
            check_name(name, "table")
        except InvalidNameError as error:
            messages.append(Error(str(error), hint='Rename it in KONTRACT["TABLES"].', id="kontract.E002"))
    return messages


@register(Tags.compatibility)
def check_database(**kwargs: Any) -> list[CheckMessage]:
    """Check that kontract's tables are routed to PostgreSQL."""
    alias = get_alias("")
    vendor = connections[alias].vendor
    if vendor == "postgresql":
        return []
    hint = (
        'Use a PostgreSQL server, or for development kontract.embedded: DATABASES = {"default": '
        'kontract.embedded.database(BASE_DIR / ".pg")}.'
    )
    return [Error(f"kontract needs PostgreSQL, but the database {alias!r} is {vendor}.", hint=hint, id="kontract.E003")]


@register(Tags.compatibility)
def check_procedures(**kwargs: Any) -> list[CheckMessage]:
    """Check that the annotations of the procedures can be validated, before a client finds out.

    A manifest of routes is only read: what is imported at the first call is not imported to be checked.
    """
    messages: list[CheckMessage] = []
    if registry.fault is not None:
        messages.append(Error(registry.fault, hint='Or remove KONTRACT["ROUTES"].', id="kontract.E020"))
    for procedure in registry.loaded():
        try:
            get_codec(procedure)
        except ConfigurationError as error:
            hint = "See https://docs.pydantic.dev/latest/concepts/types/ for what can be an annotation."
            messages.append(Error(str(error), hint=hint, obj=procedure, id="kontract.E004"))
    return messages


@register(Tags.compatibility)
def check_middleware(**kwargs: Any) -> list[CheckMessage]:
    """Check that the middleware around calls and views can be made, and is for something that exists."""
    return list(check_rules())


@register(Tags.security)
def check_channel(**kwargs: Any) -> list[CheckMessage]:
    """Check that the encrypted channel has its keys and its place."""
    return list(check_raystream())


@register(Tags.security, deploy=True)
def check_channel_transport(**kwargs: Any) -> list[CheckMessage]:
    """Check that nobody on the way can change what speaks the encrypted channel."""
    return list(check_transport())


@register(Tags.security)
def check_authentication(**kwargs: Any) -> list[CheckMessage]:
    """Check how callers sign in."""
    try:
        get_settings()
    except ConfigurationError:  # which check_settings() reports
        return []
    return list(check_auth())


@register(Tags.compatibility)
def check_changes(**kwargs: Any) -> list[CheckMessage]:
    """Check the consumers of changes, which are imported for that."""
    try:
        get_settings()
    except ConfigurationError:  # which check_settings() reports
        return []
    return list(check_events())


@register(Tags.models)
def check_models(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Check that models, and what they refer to, can lie in logical tables."""
    try:
        get_settings()
    except ConfigurationError:  # which check_settings() reports
        return []
    configs = apps.get_app_configs() if app_configs is None else app_configs
    models = [model for config in configs for model in config.get_models()]
    with_intermediaries = apps.get_models(include_auto_created=True)
    return [*check_all(models), *check_permissions(models), *check_table_names(with_intermediaries)]
