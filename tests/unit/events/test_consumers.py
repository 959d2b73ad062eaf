"""What a consumer is, before it runs; and the checks that find what cannot run."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

import kontract
from kontract.checks import check_changes
from kontract.events.change import Change
from kontract.events.consumers import Consumer, registry


@pytest.fixture(autouse=True)
def _no_consumers() -> Iterator[None]:
    yield
    for consumer in registry:
        registry.forget(consumer.name)


def take(change: Any) -> None:
    """Do nothing."""


def make(**options: Any) -> Consumer:
    """Register a consumer of users, and return it."""
    kontract.on_change(*options.pop("tables", ["users"]), **{"name": "c", **options})(options.pop("function", take))
    return registry.get("c")


def change_of(document_id: str) -> Change:
    at = datetime.now(UTC)
    return Change(type="insert", table="users", id=document_id, data={}, txid=1, ordinal=1, owner="", committed_at=at)


def test_the_name_is_by_default_the_functions() -> None:
    kontract.on_change("users")(take)
    assert [consumer.name for consumer in registry] == ["tests.unit.events.test_consumers.take"]


def test_each_document_belongs_to_one_part_and_all_parts_have_some() -> None:
    consumer = make(partitions=4)
    changes = [change_of(f"u{n}") for n in range(400)]
    owners = [[part for part in range(4) if consumer.is_for(change, part)] for change in changes]
    assert {len(parts) for parts in owners} == {1}
    assert min(Counter(parts[0] for parts in owners).values()) > 50


def generator(change: Any) -> Iterator[None]:
    """Yield."""
    yield None


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"tables": []}, "it names no table"),
        ({"batch": 0}, "batch is out of range"),
        ({"batch": True}, "batch is out of range"),
        ({"partitions": 0}, "partitions is out of range"),
        ({"retries": -1}, "retries is out of range"),
        ({"pause": -1}, "pause is out of range"),
        ({"start": "then"}, "start is 'then'"),
    ],
)
def test_a_wrong_option_is_found(options: dict[str, Any], fault: str) -> None:
    make(**options)
    (message,) = check_changes()
    assert message.id == "kontract.E061"
    assert fault in message.msg


@pytest.mark.parametrize("function", [lambda: None, lambda a, b: None, generator])
def test_a_function_that_cannot_be_called_with_a_change_is_found(function: Any) -> None:
    kontract.on_change("users", name="c")(function)
    (message,) = check_changes()
    assert message.id == "kontract.E061"


def test_a_name_that_no_row_can_have_is_found() -> None:
    kontract.on_change("users", name="a/b")(take)
    assert [message.id for message in check_changes()] == ["kontract.E061"]


def test_tables_without_a_log_or_a_declaration_are_found() -> None:
    make(tables=["users", "counters", "nobody"])
    assert [message.id for message in check_changes()] == ["kontract.E062", "kontract.W060"]


def test_tables_that_cannot_be_subscribed_to_are_found(settings: Any) -> None:
    tables = {"users": None, "counters": None, "nobody": ["staff"]}
    settings.KONTRACT = {**settings.KONTRACT, "EVENTS": {"tables": tables}}
    assert [message.id for message in check_changes()] == ["kontract.E064", "kontract.W061"]


@pytest.mark.parametrize("direct", [{"nobody": "default"}, {"default": "no alias, no URL"}])
def test_a_direct_connection_to_nowhere_is_found(direct: dict[str, str], settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "EVENTS": {"direct": direct}}
    assert [message.id for message in check_changes()] == ["kontract.E063"]


@pytest.mark.parametrize("direct", [{"default": "default"}, {"default": "postgresql://u@h/d"}, {}])
def test_a_direct_connection_is_accepted(direct: dict[str, str], settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "EVENTS": {"direct": direct}}
    assert check_changes() == []


@pytest.mark.parametrize(
    "options",
    [[], {"notfy": True}, {"notify": 1}, {"tick_seconds": 0}, {"lease_seconds": "1"}, {"direct": ["default"]}],
)
def test_wrong_options_of_events_are_found(options: Any, settings: Any) -> None:
    settings.KONTRACT = {"EVENTS": options}
    with pytest.raises(kontract.exceptions.ConfigurationError, match="EVENTS"):
        kontract.conf.get_settings()


def test_nobody_is_notified_unless_the_project_uses_events(settings: Any) -> None:
    settings.KONTRACT = {}
    assert not kontract.conf.get_settings().EVENTS.notify
    settings.KONTRACT = {"EVENTS": {}}
    assert kontract.conf.get_settings().EVENTS.notify
