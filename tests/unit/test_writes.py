"""The pure parts of a transaction: changes combined, writes in layers of savepoints."""

import json

from hypothesis import given
from hypothesis import strategies as st

from kontract.mvcc.unit import Unit
from kontract.mvcc.writes import Changes, Table, Write, combine_changes, decode_changes, encode, encode_changes

USERS = Table(ns=0, ptr=100, name="users")
keys = st.tuples(st.sampled_from([100, 101]), st.sampled_from("abc"))


def changed(before: dict[tuple[int, str], int], after: dict[tuple[int, str], int]) -> Changes:
    """Return the changes between two states, where every value tells which step wrote it."""
    changes: Changes = dict.fromkeys(before.keys() - after.keys(), "delete")
    changes |= dict.fromkeys(after.keys() - before.keys(), "insert")
    return changes | {key: "update" for key in before.keys() & after.keys() if before[key] != after[key]}


@given(st.sets(keys), st.lists(st.dictionaries(keys, st.booleans()), max_size=4))
def test_combined_changes_are_the_difference_between_first_and_last(
    start: set[tuple[int, str]], steps: list[dict[tuple[int, str], bool]]
) -> None:
    first = state = dict.fromkeys(start, 0)
    total: Changes = {}
    for number, step in enumerate(steps, 1):
        after = {key: value for key, value in state.items() if step.get(key, True)}
        after |= {key: number for key, kept in step.items() if kept}
        total = combine_changes(total, changed(state, after))
        state = after
    assert total == changed(first, state)


@given(st.dictionaries(keys, st.sampled_from(["insert", "update", "delete"])))
def test_changes_survive_their_json(changes: Changes) -> None:
    assert decode_changes(encode_changes(changes)) == changes


def test_a_missing_log_entry_has_no_changes() -> None:
    assert decode_changes(None) == {}


@given(st.text(), st.text())
def test_a_batch_is_json_whatever_the_ids_and_owners(document_id: str, owner: str) -> None:
    writes = [Write(USERS, document_id, "set", '{"a": 1}', owner, 5), Write(USERS, "b", "delete")]
    first, second = json.loads(encode(writes, start=3, seen={writes[1].key: 9}))
    assert (first["id"], first["owner"], first["n"], first["ord"], first["data"]) == (
        document_id,
        owner,
        3,
        5,
        {"a": 1},
    )
    assert second == {"n": 4, "ptr": 100, "id": "b", "op": "delete", "seen": 9}


steps = st.lists(
    st.tuples(st.just("write"), st.sampled_from("abc"))
    | st.tuples(st.sampled_from(["savepoint", "release", "rollback_to"]), st.sampled_from("xyz")),
    max_size=30,
)


@given(steps)
def test_savepoints_do_to_collected_writes_what_postgresql_does_to_rows(actions: list[tuple[str, str]]) -> None:
    unit = Unit(isolation="snapshot", label=None, savepoints=[])
    model: list[tuple[str | None, dict[str, str]]] = [(None, {})]  # savepoints with the state they were made in
    state: dict[str, str] = {}
    for number, (action, name) in enumerate(actions):
        names = [sid for sid, _ in model]
        if action == "write":
            unit.collect(Write(USERS, name, "set", str(number)))
            state = state | {name: str(number)}
        elif action == "savepoint" and name not in names:
            unit.savepoint(name)
            model.append((name, state))
        elif action == "release" and name in names:
            unit.release(name)
            del model[names.index(name) :]
        elif action == "rollback_to" and name in names:
            unit.rollback_to(name)
            state = model[names.index(name)][1]
            del model[names.index(name) + 1 :]
        assert {write.id: write.data for write in unit.of_table(USERS).values()} == state
        assert {write.id: write.data for write in unit.by_namespace().get(0, [])} == state
        assert unit.nested == (len(model) > 1)


def test_rolling_back_to_a_savepoint_older_than_the_unit_drops_everything() -> None:
    unit = Unit(isolation="joined", label=None, savepoints=[])
    unit.collect(Write(USERS, "a", "set", "{}"))
    unit.rollback_to("older")
    assert not unit.pending
