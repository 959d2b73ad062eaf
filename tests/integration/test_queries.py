"""Django's lookups on documents."""

from typing import Any

import pytest
from django.db.models import Q
from django.db.transaction import atomic

import kontract
from kontract import env
from kontract.exceptions import ConflictError, InvalidDocumentError, InvalidQueryError, ReadOnlyError
from tests.interleave import Actor

PEOPLE: dict[str, dict[str, Any]] = {
    "a": {"name": "Ada", "age": 36, "tags": ["math"], "address": {"city": "London"}, "active": True},
    "b": {"name": "Bob", "age": 17, "tags": [], "address": {"city": "Berlin"}, "active": False, "note": None},
    "c": {"name": "Cleo", "age": 36.5, "tags": ["math", "art"], "address": None, "active": True},
    "d": {"name": 'D"\\é%s', "age": "36"},
}


@pytest.fixture(autouse=True)
def _people() -> None:
    env.storage.users.set_many(PEOPLE)


def find(*conditions: Q, **lookups: Any) -> list[str]:
    return [document.id for document in env.storage.users.query(*conditions, **lookups).order_by("_id")]


@pytest.mark.parametrize(
    ("lookups", "ids"),
    [
        ({}, "abcd"),
        ({"name": "Ada"}, "a"),
        ({"name": 'D"\\é%s'}, "d"),
        ({"age": 36}, "a"),
        ({"age": 36.0}, "a"),
        ({"age": "36"}, "d"),
        ({"active": True}, "ac"),
        ({"active": 1}, ""),
        ({"age__gte": 17, "age__lt": 36.5}, "ab"),
        ({"name__startswith": "A"}, "a"),
        ({"name__icontains": "O"}, "bc"),
        ({"name__in": ["Ada", "Bob"]}, "ab"),
        ({"tags__contains": ["math"]}, "ac"),
        ({"tags": ["math"]}, "a"),
        ({"tags": []}, "b"),
        ({"address__city": "Berlin"}, "b"),
        ({"address": {"city": "London"}}, "a"),
        ({"note": None}, "b"),
        ({"note__isnull": True}, "acd"),
        ({"_id": "a"}, "a"),
        ({"_id__in": ["a", "z"]}, "a"),
        ({"_owner": ""}, "abcd"),
        ({"nothing": "x"}, ""),
    ],
)
def test_lookups_compare_as_json_does(lookups: dict[str, Any], ids: str) -> None:
    assert find(**lookups) == list(ids)


def test_conditions_combine() -> None:
    assert find(Q(name="Ada") | Q(name="Bob", age=17)) == ["a", "b"]
    assert find(~Q(name="Ada"), active=True) == ["c"]
    assert find(Q(age=36) ^ Q(active=True)) == ["c"]


def test_exclude_keeps_what_lacks_the_key() -> None:
    users = env.storage.users.query()
    assert {document.id for document in users.exclude(active=True)} == {"b", "d"}
    assert {document.id for document in users.exclude(note=None)} == {"a", "c", "d"}


def test_order_limit_slices_and_values() -> None:
    users = env.storage.users
    assert [document.id for document in users.query(active=True).order_by("-name")] == ["c", "a"]
    assert [document.id for document in users.query().limit(2, offset=1)] == ["b", "c"]
    assert [document.id for document in users.query()[1:3]] == ["b", "c"]
    assert users.query()[3].id == "d"
    assert list(users.query(_id="b").values("name", "note", "nothing")) == [
        {"name": "Bob", "note": None, "nothing": None}
    ]
    assert list(users.query(_id="b").values("_id", "address__city")) == [{"_id": "b", "address__city": "Berlin"}]
    first = users.query(age=36).first()
    assert (first.id, first.owner) == ("a", "")
    assert users.query(age=99).first() is None
    assert (users.query(active=True).count(), users.query(age=99).exists()) == (2, False)


def test_a_query_runs_once_and_all_runs_it_again() -> None:
    query = env.storage.users.query(active=True)
    assert len(query) == 2
    env.storage.users.delete("a")
    assert len(query) == 2
    assert len(query.all()) == 1
    assert query


def test_all_documents_found_are_updated_or_deleted_as_one_transaction() -> None:
    users = env.storage.users
    owners = {document.id: document.owner for document in users.query()}
    assert users.query(active=True).update({"active": False, "seen": 1}) == 2
    assert find(active=False) == ["a", "b", "c"]
    assert users["a"] == PEOPLE["a"] | {"active": False, "seen": 1}
    assert users["a"].txid == users["c"].txid
    assert users.query(active=False).delete() == 3
    assert users.query(active=False).delete() == 0
    assert list(users) == ["d"]
    assert users["d"].owner == owners["d"]
    undone = kontract.undo(users.history("a")[0].deleted_txid or 0)
    assert undone is not None
    assert find(active=False) == ["a", "b", "c"]


def test_set_based_writes_inside_a_block_see_and_are_seen_by_it() -> None:
    users = env.storage.users
    with kontract.transaction():
        users.set("e", {"active": True})
        assert users.query(active=True).update({"n": 1}) == 3
        assert users.query(n=1).delete() == 3
        assert find(active=True) == []
    assert list(users) == ["b", "d"]


def test_a_document_found_and_changed_by_somebody_else_conflicts() -> None:
    users = env.storage.users
    with Actor() as other:
        block = atomic()
        block.__enter__()
        assert users.query(name="Ada").update({"n": 1}) == 1
        other.do(lambda: users.update("a", {"n": 2}))
        with pytest.raises(ConflictError):
            block.__exit__(None, None, None)
    assert users["a"]["n"] == 2


def test_set_based_writes_refuse_what_single_ones_refuse() -> None:
    with pytest.raises(InvalidDocumentError):
        env.storage.users.query().update({"n": {1}})
    with pytest.raises(ReadOnlyError):
        env.storage.users.as_of(0).query().delete()
    assert len(env.storage.users) == 4


def test_values_of_an_attacker_stay_values() -> None:
    for hostile in ("' OR 1=1 --", "%s", "%(ns)s", "\"}'::jsonb OR true --", "\\", "$1"):
        assert find(name=hostile) == []
        assert find(name__contains=hostile) in ([], ["d"])
        assert find(**{hostile.replace("_", ""): 1}) == []
        assert find(_id=hostile) == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda: find(name__nolookup__x__exact__y__regex="("),
        lambda: find(name__regex="("),
        lambda: find(name={1, 2}),
        lambda: find(name="\0"),
        lambda: find(age__gte=object()),
        lambda: list(env.storage.users.query().limit(2).filter(name="Ada")),
        lambda: env.storage.users.query()[-1],
        lambda: env.storage.users.query()[::2],
        lambda: list(env.storage.users.query(Q(name="Ada") & Q(Q(name="\ud800")))),
    ],
)
def test_what_makes_no_sense_is_an_error_of_ours(ask: Any) -> None:
    with pytest.raises(InvalidQueryError):
        ask()
