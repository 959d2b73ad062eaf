"""Conditions that are evaluated without the database give what queries give."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kontract import env
from kontract.mvcc.matching import parse

NAMES = ("a", "b", "a__b", "a__0", "a__b__1")
texts = st.text('ab%_\\"0é', max_size=3)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), texts, st.sampled_from([0.5, 1.0, -1.5, 1e22, 1e-7, 10**20])
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab0"), inner, max_size=2)),
    max_leaves=5,
)
documents = st.dictionaries(st.sampled_from("ab"), values, max_size=2)
plain = scalars.filter(lambda value: value is not None)
numbers = st.one_of(st.integers(-3, 3), st.sampled_from([0.5, 1.0, 1e22, 10**20]))
conditions = st.one_of(
    st.tuples(st.sampled_from(NAMES), values),
    st.tuples(st.sampled_from(NAMES).map("{}__in".format), st.lists(plain, max_size=3)),
    st.tuples(st.sampled_from(NAMES).map("{}__contains".format), values.filter(lambda value: value is not None)),
    st.tuples(st.sampled_from(NAMES).map("{}__isnull".format), st.booleans()),
    *(st.tuples(st.sampled_from(NAMES).map(f"{{}}__{name}".format), numbers) for name in ("gt", "gte", "lt", "lte")),
    *(st.tuples(st.sampled_from(NAMES).map(f"{{}}__{name}".format), texts) for name in ("startswith", "endswith")),
)


def is_container(data: Any, name: str) -> bool:
    """Return whether a name leads to an array or an object, whose text is not compared."""
    path = name.split("__")[:-1]
    empty: list[Any] = [[], {}]
    return any(parse("__".join(path) + "__contains", value).matches("", data) for value in empty)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(documents, min_size=1, max_size=12), st.lists(conditions, min_size=1, max_size=12))
def test_both_find_the_same(found: list[dict[str, Any]], asked: list[tuple[str, Any]]) -> None:
    table = env.storage.users
    table.query().delete()
    stored = {str(number): data for number, data in enumerate(found)}
    table.set_many(stored)
    for name, value in asked:
        comparison = parse(name, value)
        skipped = {i for i, data in stored.items() if "with" in name and is_container(data, name)}
        expected = {document.id for document in table.query(**{name: value})} - skipped
        assert {i for i, data in stored.items() if comparison.matches(i, data)} - skipped == expected, (name, value)
