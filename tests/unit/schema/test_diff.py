"""The differ: what happens by itself, and what is refused."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kontract.schema.diff import Difference, diff
from kontract.schema.operations import Operation, from_json
from kontract.schema.state import ConstraintState, FieldState, IndexState, State, TableState

KEY = FieldState(name="id", type="UUIDField")
UNIQUE = ConstraintState(name="books_isbn_key", kind="unique", columns=("isbn",))


def field(name: str = "title", type_name: str = "CharField", **options: Any) -> FieldState:
    return FieldState(name=name, type=type_name, **options)


def table(*fields: FieldState, name: str = "books", **options: Any) -> TableState:
    return TableState(name=name, primary_key=KEY, fields={f.name: f for f in fields}, **options)


def change(before: TableState | FieldState, after: TableState | FieldState) -> Difference:
    old, new = (table(state) if isinstance(state, FieldState) else state for state in (before, after))
    return diff({old.name: old}, {new.name: new})


def apply(state: State, difference: Difference) -> State:
    for operation in difference.operations:
        state = operation.apply(state)
    return state


def test_equal_states_do_not_differ() -> None:
    assert not change(field(), field())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (field(max_length=10), field(max_length=11)),
        (field(max_length=10), field(type_name="TextField")),
        (field(type_name="SlugField", max_length=50), field(max_length=50)),
        (field(type_name="SmallIntegerField"), field(type_name="IntegerField")),
        (field(type_name="IntegerField"), field(type_name="BigIntegerField")),
        (field(type_name="PositiveIntegerField"), field(type_name="BigIntegerField")),
        (
            field(type_name="DecimalField", max_digits=8, decimal_places=2),
            field(type_name="DecimalField", max_digits=9, decimal_places=2),
        ),
        (field(type_name="ArrayField[IntegerField]"), field(type_name="ArrayField[BigIntegerField]")),
        (field(), field(null=True)),
        (field(null=True), field()),  # the data are asked
        (field(), field(perm="R__")),
        (field(choices=("a",)), field(choices=("a", "b"))),
        (field(), field(has_default=True, default="?")),
        (field(target="authors"), field()),
        (field(type_name="any", null=True), field()),
    ],
)
def test_it_happens_by_itself(before: FieldState, after: FieldState) -> None:
    found = change(before, after)
    assert [operation.is_safe for operation in found.operations] == [True]
    assert found.refusals == ()
    assert apply({"books": table(before)}, found) == {"books": table(after)}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (field(max_length=11), field(max_length=10)),
        (field(type_name="TextField"), field(max_length=10)),
        (field(type_name="IntegerField"), field(type_name="PositiveIntegerField")),
        (field(type_name="BigIntegerField"), field(type_name="IntegerField")),
        (field(type_name="IntegerField"), field()),
        (field(type_name="IntegerField"), field(type_name="FloatField")),
        (field(type_name="DateField"), field(type_name="DateTimeField")),
        (
            field(type_name="DecimalField", max_digits=8, decimal_places=2),
            field(type_name="DecimalField", max_digits=9, decimal_places=3),
        ),
        (field(type_name="ArrayField[BigIntegerField]"), field(type_name="ArrayField[IntegerField]")),
        (field(target="authors"), field(target="publishers")),
    ],
)
def test_it_is_refused_with_what_to_write(before: FieldState, after: FieldState) -> None:
    found = change(before, after)
    (refusal,) = found.refusals
    assert found.operations == ()
    assert refusal.operation.startswith("moves.ChangeType(table='books', name='title'")


def test_a_removed_field_is_refused() -> None:
    (refusal,) = change(table(field(), field("pages", "IntegerField")), table(field())).refusals
    assert refusal.operation == "moves.RemoveField(table='books', name='pages')"


def test_a_rename_is_recognised_and_asked_about() -> None:
    found = change(field("title"), field("headline"))
    (refusal,) = found.refusals
    assert found.operations == ()
    assert refusal.question == "Was books.title renamed to books.headline?"
    assert refusal.operation == "moves.RenameField(table='books', old='title', new='headline')"
    assert refusal.otherwise == ("moves.RemoveField(table='books', name='title')",)


@pytest.mark.parametrize(
    "after",
    [
        table(field("headline", null=True)),  # of another kind
        table(field("headline"), field("subtitle")),  # which of the two?
    ],
)
def test_what_may_be_something_else_is_no_rename(after: TableState) -> None:
    (refusal,) = change(table(field("title")), after).refusals
    assert refusal.operation == "moves.RemoveField(table='books', name='title')"


def test_a_renamed_table_is_recognised() -> None:
    (refusal,) = change(table(field(), name="books"), table(field(), name="volumes")).refusals
    assert refusal.operation == "moves.RenameTable(table='books', new='volumes')"


def test_a_table_that_is_renamed_and_changed_at_once_is_recognised() -> None:
    before = table(field(), field("pages", "IntegerField"), field("isbn"))
    after = table(field(), field("pages", "IntegerField"), field("note", "TextField", null=True), name="volumes")
    other = table(field(), field("size"), field("year"), name="cars")
    (refusal,) = diff({"books": before}, {"volumes": after, "cars": other}).refusals
    assert refusal.is_likely
    assert refusal.question == "Was the table books renamed to volumes?"
    assert [further.operation for further in refusal.then] == ["moves.RemoveField(table='volumes', name='isbn')"]
    assert refusal.otherwise == ("moves.RemoveTable(table='books')",)


def test_tables_that_share_less_than_half_are_two() -> None:
    before, after = table(field(), field("a"), field("b")), table(field(), field("c"), field("d"), name="volumes")
    (refusal,) = diff({"books": before}, {"volumes": after}).refusals
    assert refusal.operation == "moves.RemoveTable(table='books')"


def test_a_removed_table_is_refused_unless_nothing_is_known_of_it() -> None:
    (refusal,) = diff({"books": table(field())}, {}).refusals
    assert refusal.operation == "moves.RemoveTable(table='books')"
    assert not diff({"notes": TableState(name="notes")}, {})


def test_a_key_can_be_widened_only() -> None:
    small, wide = replace(KEY, type="IntegerField"), replace(KEY, type="BigIntegerField")
    before, after = replace(table(), primary_key=small), replace(table(), primary_key=wide)
    assert apply({"books": before}, change(before, after)) == {"books": after}
    (refusal,) = change(after, before).refusals
    assert "ids never change" in refusal.what
    (refusal,) = change(replace(table(), primary_key=None), before).refusals
    assert "from any text" in refusal.what


def test_an_empty_table_may_become_anything() -> None:
    before, after = {"books": table(field("pages", "TextField"))}, {"books": table(field("title"))}
    found = diff(before, after, empty={"books"})
    assert found.refusals == ()
    assert apply(before, found) == after
    assert [operation.reverse({}).apply(after) for operation in found.operations] == [before]


def test_a_changed_constraint_goes_before_it_comes() -> None:
    before = table(constraints={"c": ConstraintState(name="c", kind="check", definition="old")})
    after = table(constraints={"c": ConstraintState(name="c", kind="check", definition="new")})
    found = change(before, after)
    assert [type(operation).__name__ for operation in found.operations] == ["RemoveConstraint", "AddConstraint"]
    assert apply({"books": before}, found) == {"books": after}


# --- Any states ------------------------------------------------------------------------------------------------------

names = st.sampled_from("abcd")
fields = st.builds(
    FieldState,
    name=names,
    type=st.sampled_from(["CharField", "TextField", "IntegerField", "BigIntegerField", "any"]),
    null=st.booleans(),
    perm=st.sampled_from(["RWX", "R__"]),
    max_length=st.sampled_from([None, 10, 20]),
    has_default=st.booleans(),
    choices=st.sampled_from([(), ("a",), ("a", "b")]),
)
constraints = st.builds(ConstraintState, name=names, kind=st.sampled_from(["unique", "check"]), definition=names)
indexes = st.builds(IndexState, name=names, definition=names)


def by_name(values: Any) -> Any:
    return st.lists(values, max_size=4).map(lambda found: {value.name: value for value in found})


tables = st.builds(
    TableState,
    name=names,
    primary_key=st.sampled_from([None, KEY, replace(KEY, type="CharField")]),
    fields=by_name(fields),
    perm=st.sampled_from(["RWX", "RW_"]),
    owner_scoped=st.booleans(),
    indexes=by_name(indexes),
    constraints=by_name(constraints),
)


@settings(max_examples=40)
@given(by_name(tables), by_name(tables))
def test_what_is_not_refused_leads_to_the_state_that_was_asked_for(before: State, after: State) -> None:
    found = diff(before, after)
    refused = {refusal.table for refusal in found.refusals} | {refusal.new_table for refusal in found.refusals}
    made = apply(before, found)
    for name in after.keys() - refused:
        assert made[name] == after[name]
        assert not diff({name: made[name]}, {name: after[name]})


@settings(max_examples=40)
@given(by_name(tables), by_name(tables))
def test_every_operation_has_a_way_back_and_survives_the_catalog(before: State, after: State) -> None:
    state, made = before, []
    for operation in diff(before, after).operations:
        stored: Operation = from_json(json.loads(json.dumps(operation.to_json())))
        assert stored == operation
        assert stored.describe()
        state = stored.apply(state)
        made.append(stored)
    for operation in reversed(made):
        state = operation.reverse({}).apply(state)
    assert state == before
