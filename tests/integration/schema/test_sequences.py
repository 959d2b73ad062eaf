"""Any sequence of changes that happen by themselves, over any documents, and the ways back."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import models
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kontract
from kontract import tables
from kontract.exceptions import SchemaDataError
from tests.integration.schema.migrating import migrate, record, take_back
from tests.integration.schema.releases import forget, release

FIELDS: dict[str, list[Any]] = {  # each in the forms that it may grow through
    "title": [
        lambda **o: models.CharField(max_length=5, default="x", **o),
        lambda **o: models.CharField(max_length=9, default="xy", **o),
        lambda **o: models.TextField(default="xyz", **o),
    ],
    "pages": [
        lambda **o: models.SmallIntegerField(default=1, **o),
        lambda **o: models.IntegerField(default=2, **o),
        lambda **o: models.BigIntegerField(default=3, **o),
    ],
    "note": [lambda **o: models.CharField(max_length=5, null=True, **o)],
}
VALUES: dict[str, list[Any]] = {"title": ["a", "b", "c"], "pages": [4, 5], "note": [None, "n"]}

step = st.one_of(
    st.tuples(st.just("add"), st.sampled_from(sorted(FIELDS))),
    st.tuples(st.just("widen"), st.sampled_from(sorted(FIELDS))),
    st.tuples(st.just("unique"), st.sampled_from(sorted(FIELDS))),
    st.tuples(st.just("write"), st.fixed_dictionaries({name: st.sampled_from(v) for name, v in VALUES.items()})),
    st.tuples(st.just("delete"), st.integers(0, 3)),
    st.tuples(st.just("down"), st.none()),
)


class Story:
    """A table, its documents, and what is known of each moment of its past."""

    def __init__(self) -> None:
        self.forms: dict[str, int] = {}
        self.unique: frozenset[str] = frozenset()
        self.former: list[tuple[dict[str, int], frozenset[str]]] = []
        self.moments: list[tuple[int, dict[str, dict[str, Any]]]] = []
        self.model = self.declare()
        migrate(self.model)

    def declare(self) -> Any:
        return self.declare_as(self.forms, self.unique)

    def declare_as(self, forms: dict[str, int], unique: frozenset[str]) -> Any:
        fields = {
            name: FIELDS[name][form](**({"unique": True} if name in unique else {})) for name, form in forms.items()
        }
        return release("things", **fields)

    def change(self, forms: dict[str, int], unique: frozenset[str]) -> None:
        before = self.forms, self.unique
        self.forms, self.unique = forms, unique
        self.model = self.declare()
        try:
            migrate(self.model, revert=True)
        except SchemaDataError:  # and so nothing has changed
            assert self.has_duplicates()
            self.forms, self.unique = before
            self.model = self.declare()
            return
        if before != (forms, unique):
            self.former.append(before)

    def has_duplicates(self) -> bool:
        found = self.documents().values()
        columns = [[row[name] for row in found if row.get(name) is not None] for name in self.unique]
        return any(len(values) != len(set(values)) for values in columns)

    def documents(self) -> dict[str, dict[str, Any]]:
        return {str(thing.pk): self.values(thing) for thing in self.model.objects.all()}

    def values(self, thing: Any) -> dict[str, Any]:
        return {name: getattr(thing, name) for name in self.forms}

    def remember(self) -> None:
        with kontract.transaction():
            moment = kontract.ctx.current_txid - 1
            self.moments.append((moment, self.documents()))

    def take(self, kind: str, argument: Any) -> None:
        if kind == "add":
            self.change({argument: 0, **self.forms}, self.unique)
        elif kind == "widen" and argument in self.forms:
            form = min(self.forms[argument] + 1, len(FIELDS[argument]) - 1)
            self.change({**self.forms, argument: form}, self.unique)
        elif kind == "unique" and argument in self.forms:
            self.change(self.forms, self.unique ^ {argument})
        elif kind == "write":
            self.write(argument)
        elif kind == "delete":
            for thing in list(self.model.objects.all())[argument : argument + 1]:
                thing.delete()
        elif kind == "down" and self.former:
            self.down()

    def write(self, values: dict[str, Any]) -> None:
        known = {name: value for name, value in values.items() if name in self.forms}
        clash = any(
            value is not None and self.model.objects.filter(**{name: value}).exists()
            for name, value in known.items()
            if name in self.unique
        )
        if not clash:
            self.model.objects.create(**known)

    def down(self) -> None:
        """Take the last change back and do it again: state and documents are what they were."""
        after, documents = (self.forms, self.unique), self.documents()
        state = record("things").state
        try:
            take_back()
        except SchemaDataError:  # a constraint comes back that documents no longer keep
            return
        self.forms, self.unique = self.former.pop()
        self.model = self.declare()
        assert self.documents() == {
            key: {name: value for name, value in row.items() if name in self.forms} for key, row in documents.items()
        }
        migrate(self.declare_as(*after))
        self.former.append((self.forms, self.unique))
        self.forms, self.unique = after
        self.model = self.declare()
        assert record("things").state.numbered(1) == state.numbered(1)
        assert self.documents() == documents

    def check(self) -> None:
        """Compare every moment with what it was, fields that came later aside."""
        for moment, documents in self.moments:
            found = {str(thing.pk): thing for thing in self.model.objects.as_of(moment)}
            assert found.keys() == documents.keys()
            for key, row in documents.items():
                now = self.values(found[key])
                assert {name: now[name] for name in row.keys() & now.keys()} == {
                    name: row[name] for name in row.keys() & now.keys()
                }


@pytest.fixture(scope="module")
def fresh(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Let each example use a namespace of its own."""
    with django_db_blocker.unblock():
        yield


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(step, min_size=3, max_size=14))
def test_no_document_is_lost_and_the_past_stays_what_it_was(fresh: None, steps: list[tuple[str, Any]]) -> None:
    name = f"test-{uuid.uuid4().hex}"
    tables.create_namespace(name)
    try:
        with kontract.namespace(name):
            story = Story()
            for kind, argument in steps:
                count = len(story.documents())
                story.take(kind, argument)
                assert len(story.documents()) >= count - (kind == "delete")
                story.remember()
                story.check()
    finally:
        forget()
