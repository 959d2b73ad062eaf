"""The settings, and the checks that find mistakes in them."""

from typing import Any

import pytest
from django.test import override_settings

from kontract.checks import check_settings
from kontract.conf import TableOptions, get_settings, parse
from kontract.exceptions import ConfigurationError


def test_defaults_need_no_settings_at_all() -> None:
    settings = parse({})
    assert (settings.DURABILITY, settings.ISOLATION, settings.RETRIES) == ("strict", "snapshot", 4)


def test_tables_are_names_or_names_with_options() -> None:
    assert {"users": TableOptions()} == parse({"TABLES": ["users"]}).TABLES
    options = {"sessions": {"versioned": False}, "users": None}
    assert parse({"TABLES": options}).TABLES["sessions"] == TableOptions(versioned=False)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (["users"], "must be a dict"),
        ({"DURABILTY": "group"}, "Did you mean 'DURABILITY'"),
        ({"X": 1}, "Known settings: AUTH, CATALOG_TTL"),
        ({"DURABILITY": "weak"}, "must be one of strict, group"),
        ({"ISOLATION": "none"}, "must be one of snapshot, serializable"),
        ({"RETRIES": -1}, "not negative"),
        ({"CLOCK_TIMEOUT": "5"}, "must be a number"),
        ({"PREPARED_STATEMENTS": "yes"}, "True, False or None"),
        ({"MAX_ID_BYTES": 9000}, "at most 2000"),
        ({"TABLES": "users"}, "list of names"),
        ({"TABLES": {"users": {"versionned": True}}}, "known options: versioned, retention_days"),
    ],
)
def test_a_mistake_is_a_sentence_and_a_system_check(raw: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse(raw)
    with override_settings(KONTRACT=raw):
        (error,) = check_settings()
    assert error.id == "kontract.E001"


def test_a_table_name_that_cannot_be_is_a_system_check() -> None:
    with override_settings(KONTRACT={"TABLES": ["no spaces"]}):
        (error,) = check_settings()
    assert error.id == "kontract.E002"


def test_overridden_settings_are_seen_and_forgotten() -> None:
    with override_settings(KONTRACT={"RETRIES": 9}):
        assert get_settings().RETRIES == 9
    assert get_settings().RETRIES == 4
