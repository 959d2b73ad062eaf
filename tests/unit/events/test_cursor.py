"""Positions in the feed."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kontract.events.cursor import WHOLE, Cursor

cursors = st.builds(Cursor, st.integers(0, 10**18 - 1), st.one_of(st.just(WHOLE), st.integers(0, 10**9 - 1)))


@given(cursors)
def test_text_reads_back(cursor: Cursor) -> None:
    assert Cursor.parse(str(cursor)) == cursor
    assert Cursor.of(str(cursor)) == Cursor.of(cursor) == cursor


def test_positions_compare_in_the_order_of_the_feed() -> None:
    ordered = [Cursor.of(text) for text in ("0", "7.0", "7.1", "7.2", "7.10", "7", "8.1", "8", "10")]
    assert all(before < after for before, after in pairwise(ordered))


def test_a_snapshot_has_the_transactions_before_as_a_whole() -> None:
    assert (Cursor.of(7).snapshot, Cursor.of("7.3").snapshot) == (7, 6)
