"""Conditions that are evaluated without the database: what they cannot be."""

import time
from typing import Any

import pytest
from django.db.models import Q

from kontract.mvcc.matching import Comparison, narrowing, parse


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name__iexact", "a"),
        ("name__regex", "a"),
        ("name__range", [1, 2]),
        ("age__gt", "a"),
        ("age__gte", True),
        ("age__lt", None),
        ("age__in", 1),
        ("age__in", [None]),
        ("age__in", [[1]]),
        ("age__isnull", 1),
        ("tags__contains", None),
        ("name__startswith", 1),
        ("_id__gt", 1),
        ("_id__startswith", "a"),
        ("_id__x", "a"),
        ("_owner", "a"),
        ("_txid__gt", 1),
        ("0", "a"),
        ("tags__-1", "a"),
        ("", 1),
        ("a____b", 1),
        ("__gt", 1),
    ],
)
def test_what_cannot_be_told_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(name, value)


def test_a_key_may_be_called_as_a_lookup() -> None:
    assert parse("in", 1) == Comparison(path=("in",), lookup="exact", value=1)
    assert parse("a__in__in", [1]) == Comparison(path=("a", "in"), lookup="in", value=[1])


def test_a_query_is_narrowed_by_what_all_it_finds_meets() -> None:
    one, two = Comparison(path=("a",), lookup="exact", value=1), Comparison(path=("b",), lookup="gt", value=2)
    assert narrowing((Q(a=1), Q(b__gt=2))) == (one, two)
    assert narrowing((Q(Q(a=1), Q(b__gt=2)),)) == (one, two)
    assert narrowing((Q(a=1) | Q(b__gt=2), Q(a=1))) == (one,)
    assert narrowing((~Q(a=1), Q(name__icontains="x"), Q(name__startswith="x"), Q(a=Q()))) == ()


@pytest.mark.parametrize("part", ["²", "9" * 5000, "٣"])
def test_what_is_no_index_of_an_array_leads_nowhere(part: str) -> None:
    assert not parse(f"tags__{part}", 1).matches("", {"tags": [1, 1, 1, 1]})


def test_many_values_are_compared_at_once() -> None:
    many = list(range(1_000_000))
    chosen, contained = parse("n__in", many), parse("n__contains", [1] * 1_000_000)
    started = time.process_time()
    assert not any(chosen.matches("", {"n": -1}) for _ in range(1000))
    assert chosen.matches("", {"n": 7})
    assert not chosen.matches("", {"n": True})
    assert time.process_time() - started < 0.5
    assert contained.matches("", {"n": [1]})
