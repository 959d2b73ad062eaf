"""System checks of change events."""

from collections.abc import Iterator

from django.core.checks import CheckMessage, Error, Warning
from django.db import connections
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from kontract.conf import get_settings
from kontract.events.consumers import Consumer, discover, registry
from kontract.exceptions import ConfigurationError
from kontract.tables.keys import declared_names, declared_options


def check_events() -> Iterator[CheckMessage]:
    """Yield what is wrong with consumers, with what can be subscribed to, and with where the listener is to connect."""
    try:
        discover()
    except ConfigurationError as error:
        yield Error(str(error), hint="See consumers in kontract's documentation.", id="kontract.E060")
    for consumer in registry:
        yield from _check_consumer(consumer)
    yield from _check_tables()
    yield from _check_direct()


def _check_consumer(consumer: Consumer) -> Iterator[CheckMessage]:
    for fault in consumer.find_faults():
        yield Error(
            f"The consumer {consumer.name!r}, {consumer.place}, cannot run: {fault}.",
            hint="See kontract.on_change().",
            id="kontract.E061",
        )
    settings = get_settings()
    for name in sorted(consumer.tables):
        options = settings.TABLES.get(name) or declared_options(name)
        if options is not None and not options.versioned:
            yield Error(
                f"The consumer {consumer.name!r} is for the table {name!r}, which is unversioned: it has no log.",
                hint='Remove "versioned": False of the table, or the table of the consumer.',
                id="kontract.E062",
            )
        elif options is None and name not in declared_names():
            yield Warning(
                f"The consumer {consumer.name!r} is for the table {name!r}, which nothing declares.",
                hint='Correct the name, or declare it in KONTRACT["TABLES"].',
                id="kontract.W060",
            )


def _check_tables() -> Iterator[CheckMessage]:
    settings = get_settings()
    for name in sorted(settings.EVENTS.tables):
        options = settings.TABLES.get(name) or declared_options(name)
        if options is not None and not options.versioned:
            yield Error(
                f'KONTRACT["EVENTS"]["tables"] has the table {name!r}, which is unversioned: it has no log.',
                hint='Remove "versioned": False of the table, or the table of what can be subscribed to.',
                id="kontract.E064",
            )
        elif options is None and name not in declared_names():
            yield Warning(
                f'KONTRACT["EVENTS"]["tables"] has the table {name!r}, which nothing declares.',
                hint='Correct the name, or declare it in KONTRACT["TABLES"].',
                id="kontract.W061",
            )


def _check_direct() -> Iterator[CheckMessage]:
    for alias, direct in get_settings().EVENTS.direct.items():
        if alias not in connections.databases:
            yield Error(
                f'KONTRACT["EVENTS"]["direct"] has {alias!r}, which DATABASES does not have.',
                hint="Use an alias of DATABASES.",
                id="kontract.E063",
            )
        elif direct not in connections.databases and not _is_conninfo(direct):
            yield Error(
                f'KONTRACT["EVENTS"]["direct"][{alias!r}] is neither an alias of DATABASES nor the URL of a database.',
                hint='For example "postgresql://user:password@host/name".',
                id="kontract.E063",
            )


def _is_conninfo(text: str) -> bool:
    try:
        return bool(conninfo_to_dict(text))
    except ProgrammingError:
        return False
