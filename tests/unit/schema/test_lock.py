"""The lock file, and states as JSON."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from kontract.schema.lock import Lock, read_lock, write_lock
from kontract.schema.planning import find_newer
from kontract.schema.record import Record
from kontract.schema.state import FieldState, State, TableState, digest, from_text, to_text
from tests.unit.schema.test_diff import by_name, field, table, tables

ONE, TWO, THREE = (table(field(perm=perm)) for perm in ("R__", "RW_", "RWX"))


@settings(max_examples=40)
@given(by_name(tables))
def test_a_state_survives_as_text_and_equal_states_are_equal_texts(state: State) -> None:
    assert from_text(to_text(state)) == state
    turned: State = dict(reversed(list(state.items())))
    assert to_text(turned) == to_text(state)


def test_members_of_later_versions_are_left_out() -> None:
    assert FieldState.from_json({"name": "a", "type": "TextField", "unheard_of": 1}) == field("a", "TextField")


def test_a_digest_is_of_all_but_the_number() -> None:
    assert digest(ONE) == digest(ONE.numbered(7)) != digest(TWO)


def test_a_lock_remembers_former_states_also_of_tables_that_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "kontract.lock.json"
    for state in ({"books": ONE}, {"books": TWO}, {"books": TWO}, {}):
        write_lock(path, state)
    found = read_lock(path)
    assert found == Lock(state={}, past={"books": (digest(ONE), digest(TWO))})
    assert found.knows("books")
    assert not found.knows("authors")


def test_only_a_changed_state_is_written(tmp_path: Path) -> None:
    path = tmp_path / "kontract.lock.json"
    assert write_lock(path, {"books": ONE})
    assert not write_lock(path, {"books": ONE.numbered(5)})
    assert write_lock(path, {"books": TWO})


@pytest.mark.parametrize("content", ["", "<<<<<<< HEAD", "[]", '{"past": {}}', '{"tables": {"books": {}}}'])
def test_what_is_no_lock_file_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "kontract.lock.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="is no lock file"):
        read_lock(path)


# --- Who is older ----------------------------------------------------------------------------------------------------


def catalog(*states: TableState) -> dict[str, str]:
    """Return the record of a table that was in these states, the last of which it is in."""
    record = Record(state=states[-1]).remembering(map(digest, states[:-1]))
    return {"books": record.to_text()}


def lock(*states: TableState) -> Lock:
    found = Lock()
    for state in states:
        found = found.advance({"books": state})
    return found


@pytest.mark.parametrize(
    ("texts", "wanted", "known", "older"),
    [
        (catalog(ONE), TWO, None, False),
        (catalog(ONE, TWO), THREE, None, False),
        (catalog(ONE, TWO), ONE, None, True),
        (catalog(ONE, TWO), ONE, lock(ONE), True),
        (catalog(ONE, TWO), ONE, lock(ONE, TWO, ONE), False),  # it takes the change back
        (catalog(ONE, TWO), TWO, lock(TWO), False),
        (catalog(ONE), None, lock(), True),  # a model that came later
        (catalog(ONE), None, None, False),
        (catalog(ONE), None, lock(ONE).advance({}), False),  # a model that is removed
    ],
)
def test_older_code_is_known(texts: Any, wanted: TableState | None, known: Lock | None, older: bool) -> None:
    state = {} if wanted is None else {"books": wanted}
    assert bool(find_newer(texts, state, known)) is older
